"""Pictures that hold no text, or too much of it: the reader answers, in the memory of a screenshot, without a network.

A green run does not prove that files are decoded safely; `tests/hostile/test_decoding.py` does that.
"""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.drawing.photos import pixels_of
from benchmarks.drawing.written import Page
from shared.embedding.port import Pixels
from shared.reading.port import ReadText, TextReader
from shared.reading.rapid import load_text_reader
from tests.support.sources import ROOT

RANDOM = np.random.default_rng(7)
EMPTY: dict[str, Pixels] = {
    "one pixel": np.zeros((1, 1, 3), np.uint8),
    "a strip": RANDOM.integers(0, 256, (1, 5_000, 3), np.uint8),
    "a column": RANDOM.integers(0, 256, (5_000, 1, 3), np.uint8),
    "a thin strip": RANDOM.integers(0, 256, (9, 5_000, 3), np.uint8),
    "black": np.zeros((600, 800, 3), np.uint8),
    "white": np.full((2_048, 2_048, 3), 255, np.uint8),
    "a gradient": np.broadcast_to(np.linspace(0, 255, 700).astype(np.uint8)[:, None], (500, 700, 3)).copy(),
    "noise": RANDOM.integers(0, 256, (480, 640, 3), np.uint8),
    "coarse noise": RANDOM.integers(0, 256, (60, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1),
    "stripes": np.broadcast_to((np.arange(600) // 4 % 2 * 255).astype(np.uint8)[:, None], (400, 600, 3)).copy(),
    "a chessboard": (np.indices((512, 512)).sum(0) // 16 % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2),
}

WITHOUT_NETWORK = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("the network was asked")

socket.socket.connect = socket.getaddrinfo = refuse
sys.addaudithook(lambda event, _: refuse() if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request") else None)
import numpy as np
from shared.reading.rapid import load_text_reader
from benchmarks.screenshots import samples
reader = load_text_reader()
print(reader.read(next(samples()).pixels).text)
"""


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return load_text_reader()


@pytest.mark.parametrize("pixels", EMPTY.values(), ids=EMPTY.keys())
def test_a_picture_without_text_has_none(pixels: Pixels, reader: TextReader) -> None:
    before = pixels.copy()
    assert reader.read(pixels) == ReadText(())
    assert (pixels == before).all()


def test_a_picture_is_read_wherever_its_pixels_are_in_memory(reader: TextReader) -> None:
    page = Page(400, 60, "#ffffff")
    page.write((10, 20), "Connection lost", 18)
    pixels = pixels_of(page.image)
    pixels.setflags(write=False)
    doubled = np.repeat(pixels, 2, axis=1)
    assert reader.read(doubled[:, ::2]).text == reader.read(pixels).text == "Connection lost"


def test_a_line_at_the_border_is_read(reader: TextReader) -> None:
    page = Page(160, 16, "#1c1c1c", ink="#ffffff")
    page.write((0, -1), "Connection lost", 15)
    assert reader.read(pixels_of(page.image)).text == "Connection lost"


def test_a_page_full_of_text_has_a_limit(reader: TextReader) -> None:
    page = Page(1_600, 1_600, "#ffffff")
    for row in range(80):
        for column in range(8):
            page.write((10 + 200 * column, 5 + 20 * row), f"{row}.{column}", 12)
    assert 0 < len(reader.read(pixels_of(page.image)).lines) <= 80


def test_loading_asks_no_network_and_writes_nothing_but_the_text() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert ran.stderr == ""
    assert ran.returncode == 0
    assert "ERR_CONNECTION_REFUSED" in ran.stdout
