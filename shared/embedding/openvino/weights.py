"""The tensors of a safetensors file as views of the mapped file, so that nothing is copied.

The library's own readers copy each tensor, which was measured to double the memory of a process while a model is loaded.
Source of the format: https://github.com/huggingface/safetensors, "Format".
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fatal

LENGTH_BYTES = 8
METADATA = "__metadata__"
DTYPES: Mapping[str, "np.dtype[Any]"] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}
"""The number formats of weights; numpy has none for bfloat16, whose bits are the first half of those of float32."""

Weights = Mapping[str, NDArray[np.float32]]


def map_weights(path: Path) -> Weights:
    """Return the tensors of a file by name, float32; those that the file holds in float32 are views of it.

    Tensors of whole numbers, such as the positions that some files hold, are left out.

    Raises:
        Fatal: the file is not a safetensors file.
    """
    try:
        mapped = np.memmap(path, np.uint8, "c")  # OpenVINO wants memory that could be written
        first = LENGTH_BYTES + int.from_bytes(mapped[:LENGTH_BYTES].tobytes(), "little")
        if first > len(mapped):
            raise ValueError("it ends within its header")
        header = json.loads(mapped[LENGTH_BYTES:first].tobytes())
        return {
            name: _tensor(mapped[first:], entry)
            for name, entry in header.items()
            if name != METADATA and entry["dtype"] in DTYPES
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fatal(f"{path.name} is not a safetensors file that can be read: {error}") from error


def _tensor(content: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[np.float32]:
    start, end = entry["data_offsets"]
    stored: NDArray[Any] = content[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)
