"""The tensors of a safetensors file as views of the mapped file, so that nothing is copied.

The library's own readers copy each tensor, which was measured to double the memory of a process while a model is loaded.
Source of the format: https://github.com/huggingface/safetensors, "Format".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import ACCESS_COPY, MADV_DONTNEED, mmap
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


@dataclass(frozen=True, slots=True)
class MappedWeights:
    """The tensors of a file, and the memory that they are views of.

    Attributes:
        tensors: The tensors by name, float32.
        pages: The mapped file.
    """

    tensors: Weights
    pages: mmap

    def release(self) -> None:
        """Give the pages back to the system: who reads a tensor again gets them from the file."""
        self.pages.madvise(MADV_DONTNEED)


def map_weights(path: Path) -> MappedWeights:
    """Return the tensors of a file; those that the file holds in float32 are views of it.

    Tensors of whole numbers, such as the positions that some files hold, are left out.

    Raises:
        Fatal: the file is not a safetensors file.
    """
    try:
        with path.open("rb") as opened:
            pages = mmap(opened.fileno(), 0, access=ACCESS_COPY)  # OpenVINO wants memory that could be written
        mapped = np.frombuffer(pages, np.uint8)
        first = LENGTH_BYTES + int.from_bytes(pages[:LENGTH_BYTES], "little")
        if first > len(pages):
            raise ValueError("it ends within its header")
        entries = json.loads(pages[LENGTH_BYTES:first]).items()
        tensors = {
            name: _tensor(mapped[first:], entry)
            for name, entry in entries
            if name != METADATA and entry["dtype"] in DTYPES
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Fatal(f"{path.name} is not a safetensors file that can be read: {error}") from error
    return MappedWeights(tensors, pages)


def _tensor(content: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[np.float32]:
    start, end = entry["data_offsets"]
    stored: NDArray[Any] = content[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        stored = (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)
