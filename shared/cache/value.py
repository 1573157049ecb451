"""The format of a vector in a shared cache, which allows any other value found there to be recognised as invalid.

A value is a header (a mark with the format's version, number format, dimension, windows), the numbers in little endian,
and a checksum over key, header and numbers, so that the value of another key is not accepted either.
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
"""How far a length may be from 1: rounding to float16 changes each number, and so the length, by at most 1/2048."""


def encode_vector(key: bytes, embedded: Embedded, numbers: NumberFormat) -> bytes | None:
    """Return the value to store under a key; None if the vector would be refused when it is read."""
    if not _is_unit(embedded.vector):
        return None
    body = embedded.vector.astype(f"<f{CODES[numbers]}").tobytes()
    header = HEADER.pack(MARK, CODES[numbers], len(embedded.vector), embedded.windows)
    return header + body + _checksum(key, header + body)


def decode_vector(key: bytes, value: object, dim: int, numbers: NumberFormat) -> Embedded | None:
    """Return the vector stored under a key, read-only and of unit length; None if the value is not valid."""
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
    """Return whether the length is 1; this includes that all numbers are finite, since otherwise the length is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(float(np.dot(vector, vector)) - 1) <= 2 * NORM_TOLERANCE)


def _checksum(key: bytes, content: bytes) -> bytes:
    return blake2b(len(key).to_bytes(8, "little") + key + content, digest_size=CHECKSUM_BYTES).digest()
