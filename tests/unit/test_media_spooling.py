"""Large media do not stay in memory until their batch is settled. Nothing is decoded here.

A green run does not show how much the system keeps of these files in its page cache, which it gives back when needed.
"""

import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest

from schemas.media import Media
from shared.media.spooling import SPOOLED_FROM_BYTES, SpoolingFetcher, spooled
from tests.support.media import FakeFetcher

NUMBER, SIZE_BYTES = 10, 2 << 20


class Repeated(FakeFetcher):
    """Makes contents, each of one byte repeated, without keeping them."""

    def fetch(self, media: Media, field: str) -> bytes:
        """Return the content that a reference names."""
        return content_of(media)


def content_of(media: Media) -> bytes:
    return bytes([int(str(media.uri).rpartition("/")[2])]) * SIZE_BYTES


def test_the_media_of_a_batch_are_not_in_memory_and_can_be_read(tmp_path: Path) -> None:
    fetcher = SpoolingFetcher(Repeated(), tmp_path / "spool")
    media = [Media(uri=f"https://media.example/{number}") for number in range(NUMBER)]
    tracemalloc.start()
    try:
        contents = [fetcher.fetch(each, "audio") for each in media]
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < SIZE_BYTES
    assert list((tmp_path / "spool").iterdir()) == [], "the files have no names, so that a crash leaves none"
    assert {fetcher.host_of(each) for each in media} == {"media.example"}
    for each, content in zip(media, contents, strict=True):
        assert len(content) == SIZE_BYTES
        assert sha256(content).digest() == sha256(content_of(each)).digest()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_file_is_closed_with_the_last_reference(tmp_path: Path) -> None:
    before = open_files()
    kept = spooled(b"x" * SPOOLED_FROM_BYTES, tmp_path)
    assert open_files() == before + 1
    del kept
    assert open_files() == before


@pytest.mark.parametrize("size_bytes", [0, 1, SPOOLED_FROM_BYTES - 1])
def test_small_contents_stay_in_memory(tmp_path: Path, size_bytes: int) -> None:
    content = b"x" * size_bytes
    assert spooled(content, tmp_path) is content


def test_without_a_place_for_files_contents_stay_in_memory(tmp_path: Path) -> None:
    content = b"x" * SPOOLED_FROM_BYTES
    (tmp_path / "file").touch()
    assert spooled(content, tmp_path / "file") is content
