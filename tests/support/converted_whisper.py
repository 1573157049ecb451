"""The packaged Whisper base as a checkpoint of openai-whisper: the same weights, so that both adapters can be compared.

The packaged file is of CTranslate2 and holds the weights in float16 under other names; nothing is lost or rounded.
"""

import json
import struct
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from whisper.model import ModelDimensions

from shared.embedding.registry import load_speech_card

BASE = ModelDimensions(80, 1_500, 512, 8, 6, 51_865, 448, 512, 8, 6)
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
PARTS = {
    "self_attention/layer_norm": "attn_ln",
    "self_attention/linear_1": "attn.out",
    "attention/layer_norm": "cross_attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
    "ffn/layer_norm": "mlp_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
}
FUSED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}
OTHERS = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
    "encoder/layer_norm": "encoder.ln_post",
    "decoder/layer_norm": "decoder.ln",
    "encoder/conv1": "encoder.conv1",
    "encoder/conv2": "encoder.conv2",
}


class Reader:
    """Reads the numbers and texts of a file of CTranslate2."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def number(self, form: str) -> int:
        [found] = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(form)
        return int(found)

    def taken(self, size_bytes: int) -> bytes:
        self._at += size_bytes
        return self._content[self._at - size_bytes : self._at]

    def text(self) -> str:
        return self.taken(self.number("H")).rstrip(b"\0").decode()


def variables(file: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file of CTranslate2, by name."""
    reader, found = Reader(file.read_bytes()), {}
    reader.number("I"), reader.text(), reader.number("I")
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        dtype = DTYPES[reader.number("B")]
        found[name] = np.frombuffer(reader.taken(reader.number("I")), dtype).reshape(shape)
    return found


def weights(arrays: dict[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Return the weights under the names of openai-whisper."""
    found: dict[str, torch.Tensor] = {}
    for name, array in arrays.items():
        tensor = torch.tensor(array)
        if name in OTHERS:
            found[OTHERS[name]] = tensor
            continue
        path, _, kind = name.rpartition("/")
        kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
        side, _, rest = path.partition("/layer_")
        number, _, part = rest.partition("/")
        if path in OTHERS:
            found[f"{OTHERS[path]}.{kind}"] = tensor
        elif part in PARTS:
            found[f"{side}.blocks.{number}.{PARTS[part]}.{kind}"] = tensor
        elif part in FUSED:
            for target, piece in zip(FUSED[part], tensor.chunk(len(FUSED[part])), strict=True):
                if (target.rpartition(".")[2], kind) != ("key", "bias"):  # keys have no bias
                    found[f"{side}.blocks.{number}.{target}.{kind}"] = piece.clone()
    return found


def converted_base(folder: Path) -> Path:
    """Write the packaged Whisper base for both backends in float32, as rows `ctranslate2` and `openai`."""
    card = load_speech_card("whisper-base")
    arrays = variables(card.check_files() / card.weights)
    file = folder / "openai" / "model.pt"
    file.parent.mkdir(parents=True)
    torch.save({"dims": asdict(BASE), "model_state_dict": weights(arrays)}, file)
    rows = {
        "ctranslate2": {"source": f"path:{card.folder}", "files": card.files},
        "openai": {"source": f"path:{file.parent}", "files": {"model.pt": sha256(file.read_bytes()).hexdigest()}},
    }
    lines = []
    for backend, row in rows.items():
        fields = {"modality": "audio", "source": row["source"], "dim": 512, "languages": "multilingual", "beams": 1}
        fields |= {"dtype": "float32", "backend": backend, "licence": "MIT"}
        lines += [f"[{backend}]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
        lines += [f"[{backend}.files]", *(f"{json.dumps(name)} = {json.dumps(each)}" for name, each in dict(row["files"]).items())]
    (folder / "models.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "models.toml"
