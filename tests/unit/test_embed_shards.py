"""A shard that is damaged in any way is one that does not exist, so that its inputs are embedded again.

A green run does not prove that a disk returns what was written; `tests/faults/test_embed_killed.py` kills a process.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.bulk.shards import Reject, RowFacts, Shard, read_shard

ROWS = tuple(RowFacts(f"hat/{number}.png", "", "hat", "", "", "0f" * 32) for number in range(5))
SHARD = Shard(
    np.arange(30, dtype=np.float32).reshape(5, 6),
    ROWS,
    (Reject("lost.png", "", "media_not_found", "the file does not exist"),),
    ("0f" * 32,) * 6,
    1.5,
)
TAIL_BYTES = 240
"""Where the directory of the archive is: it states sizes, offsets, methods of compression and versions."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards") / "000000.npz"


@pytest.fixture(scope="module")
def content(path: Path) -> bytes:
    SHARD.write(path)
    return path.read_bytes()


def is_whole(found: Shard) -> bool:
    same_vectors = found.vectors.dtype == np.float32 and np.array_equal(found.vectors, SHARD.vectors)
    return same_vectors and replace(found, vectors=SHARD.vectors) == SHARD


def test_a_shard_is_read_back(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = read_shard(path)
    assert found is not None
    assert is_whole(found)


@pytest.mark.parametrize("damaged", [b"", b"PK", b"\x93NUMPY", b"\x80\x04.", bytes(100)])
def test_what_is_no_shard_does_not_count(damaged: bytes, path: Path) -> None:
    path.write_bytes(damaged)
    assert read_shard(path) is None


def test_each_byte_may_be_damaged(path: Path, content: bytes) -> None:
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x09  # among others, another method of compression, or the mark of an encrypted file
        path.write_bytes(damaged)
        found = read_shard(path)
        assert found is None or is_whole(found), at


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_shard_is_read_whole_or_not_at_all(data: st.DataObject, path: Path, content: bytes) -> None:
    damaged = bytearray(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            from_end = data.draw(st.integers(1, len(damaged)) | st.integers(1, min(TAIL_BYTES, len(damaged))))
            damaged[-from_end] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    found = read_shard(path)
    assert found is None or is_whole(found)
