"""What the reader makes of what an engine finds: turned pictures, patterns that resemble text, limits, corrections.

The engine is a fake. A green run does not prove that RapidOCR finds or recognises anything.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from shared.embedding.port import Pixels
from shared.reading.corrections import corrected
from shared.reading.order import Quad, Recognised
from shared.reading.port import ReadLine, ReadText
from shared.reading.reader import LEAST_SIDE_PX, MOST_PIECES, Engine, LineReader
from shared.reading.tiles import STEP_PX, TILE_PX, chances_by_tile, missed, starts, with_large

WIDTH, HEIGHT, ROW = 400, 100, 20
LOST = Recognised("u0!ʇɔǝuuoɔ", 0.4)


class FakeEngine(Engine):
    """Knows the text of one picture, whose left top pixel is white when it is upright.

    Args:
        rows: Its rows, one below the other.
    """

    def __init__(self, rows: Sequence[Recognised]) -> None:
        self.rows = rows
        self.recognised = 0

    @property
    @override
    def fingerprint(self) -> str:
        return "0123abcd"

    @override
    def find(self, pixels: Pixels) -> list[Quad]:
        height, width = pixels.shape[:2]
        tops = [2 + ROW * number for number in range(len(self.rows))]
        level = np.array([[(10, top), (10 + 200, top), (210, top + 15), (10, top + 15)] for top in tops], np.float32)
        if width < height:
            return [each[[0, 3, 2, 1], ::-1] for each in level]
        return list(
            level if pixels[0, 0, 0] else np.roll(np.array([width, height]) - level, 2, axis=1).astype(np.float32)
        )

    @override
    def recognise(self, pixels: Pixels, quads: Sequence[Quad], is_turned: bool = False) -> list[Recognised]:
        self.recognised += len(quads)
        is_readable = bool(pixels[0, 0, 0]) != is_turned and pixels.shape[1] > pixels.shape[0]
        found = []
        for quad in quads:
            top = quad[0, 1] if pixels[0, 0, 0] else pixels.shape[0] - quad[2, 1]
            found.append(self.rows[round(float(top - 2) / ROW)] if is_readable else LOST)
        return found


def picture() -> Pixels:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[0, 0] = 255
    return pixels


def read(*rows: tuple[str, float]) -> list[str]:
    engine = FakeEngine([Recognised(text, confidence) for text, confidence in rows])
    return [line.text for line in LineReader(engine).read(picture()).lines]


@pytest.mark.parametrize(("quarters", "degrees"), [(0, 0), (1, 90), (2, 180), (3, 270)])
def test_a_turned_picture_is_read_upright(quarters: int, degrees: int) -> None:
    rows = [Recognised("Connection lost", 0.98), Recognised("Retry", 0.97), Recognised("Cancel", 0.96)]
    found = LineReader(FakeEngine(rows)).read(np.ascontiguousarray(np.rot90(picture(), quarters)))
    assert found.text == "Connection lost\nRetry\nCancel"
    assert found.turned_degrees == degrees
    assert [line.confidence for line in found.lines] == [pytest.approx(each.confidence) for each in rows]


def test_a_picture_that_is_read_with_confidence_is_not_read_again() -> None:
    engine = FakeEngine([Recognised("Connection lost", 0.98), Recognised("Retry", 0.97)])
    LineReader(engine).read(picture())
    assert engine.recognised == 2


def test_what_is_read_with_little_confidence_is_left_out() -> None:
    assert read(("Connection lost", 0.95), ("lmagxne", 0.7)) == ["Connection lost"]


def test_a_collar_that_resembles_a_character_is_not_text() -> None:
    assert read(("V", 0.999)) == []
    assert read(("V", 0.999), ("口", 0.9)) == []


def test_short_texts_are_kept_beside_words() -> None:
    assert read(("Retries", 0.9), ("3", 0.95), ("X", 0.7)) == ["Retries", "3"]


def test_signs_without_a_character_are_not_text() -> None:
    assert read(("Retries", 0.9), ("--- ::", 0.99)) == ["Retries"]


def test_nothing_read_is_not_turned() -> None:
    upside_down = np.ascontiguousarray(np.rot90(picture(), 2))
    assert LineReader(FakeEngine([Recognised("V", 0.999)])).read(upside_down) == ReadText(())


@pytest.mark.parametrize("shape", [(1, 1), (1, 5_000), (5_000, 1), (LEAST_SIDE_PX - 1, 300)])
def test_a_picture_without_room_for_text_is_not_given_to_the_engine(shape: tuple[int, int]) -> None:
    engine = FakeEngine([Recognised("Retry", 0.9)])
    assert LineReader(engine).read(np.ones((*shape, 3), np.uint8)) == ReadText(())
    assert engine.recognised == 0


def test_of_many_pieces_only_some_are_recognised() -> None:
    engine = FakeEngine([Recognised("Retry", 0.9)] * (MOST_PIECES + 50))
    found = LineReader(engine).read(picture())
    assert engine.recognised == MOST_PIECES
    assert len(found.lines) == MOST_PIECES


WAIT_S = 20.0


class Meeting(FakeEngine):
    """An engine that reads only while another one reads too; a thread that finds it in use fails."""

    def __init__(self, both: threading.Barrier) -> None:
        super().__init__([Recognised("Retry", 0.9)])
        self.both, self.is_used = both, False

    @override
    def find(self, pixels: Pixels) -> list[Quad]:
        assert not self.is_used
        self.is_used = True
        self.both.wait(WAIT_S)
        self.is_used = False
        return super().find(pixels)


def test_pictures_are_read_at_once_each_by_an_engine_of_its_own() -> None:
    both, made = threading.Barrier(2), list[Meeting]()

    def another() -> Meeting:
        made.append(Meeting(both))
        return made[-1]

    reader = LineReader(Meeting(both), another, at_once=2)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: reader.read(picture()).text, range(8)))
    assert found == ["Retry"] * 8
    assert len(made) == 1, "there are as many engines as pictures that are read at once"


def test_an_engine_that_fails_is_used_again() -> None:
    engine = FakeEngine([])
    reader = LineReader(engine)
    with pytest.raises(IndexError):
        reader.read(np.ascontiguousarray(picture()[:, :, :1][:, :, []]))
    assert reader.read(picture()) == ReadText(())


def test_the_fingerprint_is_that_of_the_engine() -> None:
    assert LineReader(FakeEngine([])).fingerprint == "0123abcd"


def test_the_text_of_a_picture_has_a_line_for_each_row() -> None:
    assert ReadText((ReadLine("a b", 1.0), ReadLine("c", 0.9))).text == "a b\nc"
    assert ReadText(()).text == ""


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("Stop code Ox80070057", "Stop code 0x80070057"),
        ("(ox8007000E).", "(0x8007000E)."),
        ("Oxford, oxen, boxOx12, OxAD", "Oxford, oxen, boxOx12, OxAD"),
        ("write to anna.berg@example. com now", "write to anna.berg@example.com now"),
        ("anna.berg@example .com", "anna.berg@example.com"),
        ("anna.berg@mail.example.com. please wait", "anna.berg@mail.example.com. please wait"),
        ("anna.berg@example . org, please", "anna.berg@example.org, please"),
        ("anna.berg@mail. example.com now", "anna.berg@mail.example.com now"),
        ("anna@example. co.uk now", "anna@example.co.uk now"),
        ("anna+shop@example. shop.", "anna+shop@example.shop."),
        ("anna@example. com. please", "anna@example.com. please"),
        ("Thanks @maria. see you", "Thanks @maria. see you"),
        ("Thanks @maria. com", "Thanks @maria. com"),
        ("deploy@main. run it", "deploy@main. run it"),
        ("deploy@main. please check", "deploy@main. please check"),
        ("  two   blanks ", "two blanks"),
    ],
)
def test_what_is_often_confused_is_corrected(read: str, meant: str) -> None:
    assert corrected(read) == meant


@given(steps=st.integers(1, 200))
def test_tiles_cover_a_side_and_do_not_leave_it(steps: int) -> None:
    length = steps * STEP_PX
    covered = np.zeros(length, np.bool_)
    for start in starts(length):
        assert start % STEP_PX == 0
        assert start + TILE_PX <= max(length, TILE_PX)
        covered[start : start + TILE_PX] = True
    assert covered.all()


def test_plain_tiles_are_not_given_to_the_network() -> None:
    plain = np.ones((TILE_PX, 3 * TILE_PX), np.bool_)
    plain[:, :TILE_PX] = False
    seen = []

    def network(tile: Pixels) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        seen.append(tile.shape)
        return np.full(tile.shape[:2], 0.5, np.float32)

    chances = chances_by_tile(np.zeros((*plain.shape, 3), np.uint8), plain, network)
    assert 0 < len(seen) < len(starts(3 * TILE_PX))
    assert chances[:, :TILE_PX].min() == pytest.approx(0.5)
    assert not chances[:, TILE_PX:].any()


def rectangle(left: float, top: float, width: float, height: float) -> Quad:
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def test_a_headline_takes_the_place_of_its_fragments() -> None:
    small, left, right = rectangle(0, 300, 200, 15), rectangle(0, 0, 200, 110), rectangle(210, 0, 150, 90)
    headline = rectangle(0, 0, 370, 120)
    assert with_large([small, left, right], [headline]) == [small, headline]


def test_only_what_the_tiles_missed_is_added() -> None:
    is_covered = np.zeros((200, 400), np.bool_)
    is_covered[20:40, 10:300] = True
    lost, same = rectangle(10, 120, 300, 20), rectangle(12, 18, 290, 24)
    partly, hardly = rectangle(10, 38, 290, 10), rectangle(10, 39, 290, 40)
    assert missed([lost, same, partly, hardly], is_covered) == [lost, hardly]
    assert missed([lost, same], np.zeros((200, 400), np.bool_)) == [lost, same]


def test_a_tilted_line_that_was_missed_is_compared_along_itself() -> None:
    tilted = np.array([(0, 100), (300, 0), (306, 19), (6, 119)], np.float32)
    is_covered = np.zeros((200, 400), np.bool_)
    is_covered[:40, :150] = is_covered[80:, 160:] = True  # two lines level in the corners of its bounding box
    assert missed([tilted], is_covered) == [tilted]
    is_covered[30:80, 120:200] = True
    assert missed([tilted], is_covered) == []


@given(st.lists(st.tuples(st.floats(-20, 500), st.floats(-20, 300)), min_size=4, max_size=4))
def test_a_quad_of_any_form_is_missed_exactly_where_nothing_is_covered(corners: list[tuple[float, float]]) -> None:
    quad = np.array(corners, np.float32)
    assert missed([quad], np.zeros((200, 400), np.bool_)) == [quad]
    assert missed([quad], np.ones((200, 400), np.bool_)) == []


def test_lines_that_run_into_one_another_do_not_count_as_one() -> None:
    lines = [rectangle(0, 20 * number, 300, 15) for number in range(5)]
    assert with_large(lines, [rectangle(0, 0, 300, 100)]) == lines
