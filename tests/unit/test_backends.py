"""Which library computes a text model, and reading its weights; nothing here computes.

A green run does not prove that a GPU is found: the files of a driver are made up here.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from shared.embedding import backends, cpu
from shared.embedding.backends import Wanted, choose_backend
from shared.embedding.openvino.layout import Unsupported, read_layout
from shared.embedding.openvino.weights import map_weights
from shared.embedding.registry import TextCard, load_text_card
from shared.errors import Fatal


@pytest.fixture
def card() -> TextCard:
    return load_text_card("minilm-l6-v2")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bool], None]:
    """Return what makes this machine look as if it had a GPU, or none."""
    monkeypatch.setattr(cpu, "DEVICES", tmp_path)

    def has(one: bool) -> None:
        if one:
            (tmp_path / "nvidia0").touch()

    return has


@pytest.mark.parametrize(
    ("wanted", "device", "has_gpu", "expected"),
    [
        ("auto", "auto", False, "openvino"),
        ("auto", "cpu", False, "openvino"),
        ("auto", "cpu", True, "openvino"),
        ("auto", "auto", True, "torch"),
        ("auto", "cuda:1", False, "torch"),
        ("torch", "cpu", False, "torch"),
        ("openvino", "auto", False, "openvino"),
    ],
)
def test_openvino_computes_what_it_knows_on_a_cpu(
    card: TextCard, gpu: Callable[[bool], None], wanted: Wanted, device: str, has_gpu: bool, expected: str
) -> None:
    gpu(has_gpu)
    assert choose_backend(card, wanted, device) == expected


def test_torch_computes_if_openvino_is_not_installed(card: TextCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert choose_backend(card, "auto", "cpu") == "torch"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_torch_computes_weights_of_another_format(card: TextCard, dtype: str) -> None:
    assert choose_backend(card.model_copy(update={"dtype": dtype}), "auto", "cpu") == "torch"


def test_a_model_on_numpy_has_no_other_backend() -> None:
    card = load_text_card("use-multilingual-v3")
    assert choose_backend(card, "auto", "cpu") == "numpy"
    with pytest.raises(Fatal, match="use-multilingual-v3 runs on numpy, so backend openvino cannot be used"):
        choose_backend(card, "openvino", "cpu")


def rewritten(card: TextCard, folder: Path, name: str, **changes: Any) -> Path:
    """Link the files of a card's model into a folder, but for a changed configuration."""
    source = card.locate()
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    changed = json.loads((folder / name).read_text(encoding="utf-8")) | changes
    (folder / name).unlink()
    (folder / name).write_text(json.dumps(changed), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("config.json", {"model_type": "mpnet"}, "a transformer mpnet with the activation gelu"),
        ("config.json", {"hidden_act": "relu"}, "a transformer bert with the activation relu"),
        ("config.json", {"position_embedding_type": "relative_key"}, "relative positions"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_max_tokens": True},
            "the pooling pooling_mode_mean_tokens, pool",
        ),
    ],
)
def test_what_openvino_does_not_know_is_left_to_torch(
    card: TextCard, tmp_path: Path, name: str, changes: dict[str, Any], reason: str
) -> None:
    folder = rewritten(card, tmp_path, name, **changes)
    with pytest.raises(Unsupported, match=reason):
        read_layout(folder)
    assert choose_backend(card.model_copy(update={"source": f"path:{folder}"}), "auto", "cpu") == "torch"


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors", "modules.json"])
def test_a_missing_file_is_named(card: TextCard, tmp_path: Path, missing: str) -> None:
    folder = rewritten(card, tmp_path, "config.json")
    (folder / missing).unlink()
    with pytest.raises(Unsupported, match=missing):
        read_layout(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_of_each_format_are_read(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    tensors = {"one": torch.randn(3, 5).to(dtype), "two": torch.randn(7).to(dtype), "ids": torch.arange(4)}
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    found = map_weights(tmp_path / "model.safetensors")
    assert sorted(found.tensors) == ["one", "two"]
    for _ in range(2):
        for name, values in found.tensors.items():
            assert values.dtype == np.float32
            np.testing.assert_array_equal(values, tensors[name].float().numpy())
        found.release()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        (1 << 40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b'{"a": {}}',
        (58).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}   ' + b"\0" * 8,
    ],
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(Fatal, match=r"model\.safetensors is not a safetensors file"):
        map_weights(tmp_path / "model.safetensors")
