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
    "self_attention/layer_norm": ("attn_ln",),
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "self_attention/linear_1": ("attn.out",),
    "attention/layer_norm": ("cross_attn_ln",),
    "attention/linear_0": ("cross_attn.query",),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
    "attention/linear_2": ("cross_attn.out",),
    "ffn/layer_norm": ("mlp_ln",),
    "ffn/linear_0": ("mlp.0",),
    "ffn/linear_1": ("mlp.2",),
}
"""The parts of a layer; CTranslate2 joins those that are computed together."""

WHOLE = {
    "encoder/position_encodings/encodings": "encoder.positional_embedding",
    "decoder/position_encodings/encodings": "decoder.positional_embedding",
    "decoder/embeddings/weight": "decoder.token_embedding.weight",
}
MODULES = {
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
        """Return the next number."""
        [found] = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(form)
        return int(found)

    def taken(self, size_bytes: int) -> bytes:
        """Return the next bytes."""
        self._at += size_bytes
        return self._content[self._at - size_bytes : self._at]

    def text(self) -> str:
        """Return the next text."""
        return self.taken(self.number("H")).rstrip(b"\0").decode()


def variables(file: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file of CTranslate2, by name."""
    reader, found = Reader(file.read_bytes()), {}
    assert (reader.number("I"), reader.text(), reader.number("I")) == (6, "WhisperSpec", 3), "the versions of the form"
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        dtype = DTYPES[reader.number("B")]
        found[name] = np.frombuffer(reader.taken(reader.number("I")), dtype).reshape(shape)
    return found


def weights(arrays: dict[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Return the weights under the names of openai-whisper; what is left out is known from the sizes."""
    found: dict[str, torch.Tensor] = {}
    for name, array in arrays.items():
        path, _, kind = name.rpartition("/")
        kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
        side, _, rest = path.partition("/layer_")
        number, _, part = rest.partition("/")
        if name in WHOLE:
            found[WHOLE[name]] = torch.tensor(array)
        elif path in MODULES:
            found[f"{MODULES[path]}.{kind}"] = torch.tensor(array)
        elif part in PARTS:
            pieces = np.split(array, len(PARTS[part]))
            found |= {
                f"{side}.blocks.{number}.{target}.{kind}": torch.tensor(piece)
                for target, piece in zip(PARTS[part], pieces, strict=True)
                if not (target.endswith(".key") and kind == "bias")  # keys have no bias
            }
    return found


def converted_base(folder: Path) -> Path:
    """Write the packaged Whisper base for both backends in float32, and return the models.toml with a row of each."""
    card = load_speech_card("whisper-base")
    file = folder / "checkpoint" / "model.pt"
    file.parent.mkdir()
    arrays = variables(card.check_files() / card.weights)
    torch.save({"dims": asdict(BASE), "model_state_dict": weights(arrays)}, file)
    digests = {"ctranslate2": card.files, "openai": {"model.pt": sha256(file.read_bytes()).hexdigest()}}
    lines = []
    for backend, source in {"ctranslate2": card.folder, "openai": file.parent}.items():
        fields = {"modality": "audio", "source": f"path:{source}", "dim": 512, "languages": "multilingual"}
        fields |= {"beams": 1, "dtype": "float32", "backend": backend, "licence": card.licence}
        lines += [f"[{backend}]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
        lines += [f"[{backend}.files]", *(f'"{name}" = "{digest}"' for name, digest in digests[backend].items())]
    (folder / "models.toml").write_text("\n".join(lines), encoding="utf-8")
    return folder / "models.toml"
