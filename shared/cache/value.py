"""How a vector is written into a shared cache, so that whatever else is found there is known for something else.

A header (mark with the format's number, number format, dimension, windows), the numbers in little endian, and a checksum
over key, header and numbers: the value of another key does not pass either.
"""

from hashlib import blake2b
from struct import Struct
from typing import Literal

import numpy as np

from shared.records import Embedded

NumberFormat = Literal["float32", "float16"]

MARK = b"mrv1"
HEADER = Struct("<4sB3xII")
CHECKSUM_BYTES = 8
CODES: dict[NumberFormat, int] = {"float32": 4, "float16": 2}
"""The code is the number of bytes that a number takes."""

NORM_TOLERANCE = 1e-3
"""How far a length may be from 1: rounding to float16 moves each number, so the length too, by at most a 2048th part."""


def encode_vector(key: bytes, embedded: Embedded, numbers: NumberFormat) -> bytes | None:
    """Return the value to be stored under a key; None for a vector that would be refused when read."""
    if not _is_unit(embedded.vector):
        return None
    body = embedded.vector.astype(f"<f{CODES[numbers]}").tobytes()
    header = HEADER.pack(MARK, CODES[numbers], len(embedded.vector), embedded.windows)
    return header + body + _checksum(key, header + body)


def decode_vector(key: bytes, value: object, dim: int, numbers: NumberFormat) -> Embedded | None:
    """Return the vector stored under a key, read-only and of unit length; None where the value is anything else."""
    code = CODES[numbers]
    if not isinstance(value, bytes) or len(value) != HEADER.size + code * dim + CHECKSUM_BYTES:
        return None
    mark, found_code, found_dim, windows = HEADER.unpack_from(value)
    if (mark, found_code, found_dim) != (MARK, code, dim) or windows < 1:
        return None
    if value[-CHECKSUM_BYTES:] != _checksum(key, value[:-CHECKSUM_BYTES]):
        return None
    stored = np.frombuffer(value, f"<f{code}", dim, HEADER.size)
    vector = stored.astype(np.float32, copy=False)
    if not _is_unit(vector):
        return None
    if code == CODES["float16"]:
        vector = vector / np.linalg.norm(vector)
    vector.flags.writeable = False
    return Embedded(vector, windows)


def _is_unit(vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    """Whether all numbers are finite and the length is 1: what is not finite makes the length so too."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(float(np.dot(vector, vector)) - 1) <= 2 * NORM_TOLERANCE)


def _checksum(key: bytes, content: bytes) -> bytes:
    return blake2b(len(key).to_bytes(8, "little") + key + content, digest_size=CHECKSUM_BYTES).digest()
