"""The reading order of pieces of text: rows, tilted rows, rows of a photo, and which way text runs.

A green run does not prove that a network finds the pieces; `tests/golden/test_screenshots.py` reads real pictures.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reading.order import Piece, Quad, Recognised, are_tall, rows_of, size_of, tilt_of


def quad(left: float, top: float, width: float, height: float, degrees: float = 0.0) -> Quad:
    """Return a rectangle, turned around the origin."""
    corners = np.array([(left, top), (left + width, top), (left + width, top + height), (left, top + height)])
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned: Quad = (corners @ turn).astype(np.float32)
    return turned


def piece(text: str, where: Quad, confidence: float = 0.9) -> Piece:
    return Piece(where, Recognised(text, confidence))


FORM = [("Order", 20, 10), ("ORD-7", 200, 12), ("Reason", 20, 50), ("Timeout", 200, 47), ("Retry", 20, 90)]
ROWS = ["Order ORD-7", "Reason Timeout", "Retry"]


def form(degrees: float = 0.0) -> list[Piece]:
    return [piece(text, quad(left, top, 90, 20, degrees)) for text, left, top in FORM]


@given(order=st.permutations(range(len(FORM))), degrees=st.floats(-25, 25))
def test_rows_do_not_depend_on_the_order_of_the_pieces_nor_on_the_tilt(order: list[int], degrees: float) -> None:
    pieces = form(degrees)
    assert [line.text for line in rows_of([pieces[each] for each in order])] == ROWS


def test_rows_that_converge_as_in_a_photo_are_kept_apart() -> None:
    slopes = {"upper": -0.05, "lower": 0.05}
    pieces = []
    for name, slope in slopes.items():
        for number in range(6):
            left, top = 150 * number, (100 if name == "upper" else 140) + slope * 150 * number
            pieces.append(piece(f"{name}{number}", quad(left, top, 120, 20)))
    assert [line.text for line in rows_of(pieces)] == [" ".join(f"{name}{n}" for n in range(6)) for name in slopes]


def test_two_small_rows_beside_a_large_one_stay_two_rows() -> None:
    pieces = [
        piece("404", quad(0, 0, 100, 60)),
        piece("first", quad(150, 2, 60, 14)),
        piece("second", quad(150, 40, 60, 14)),
    ]
    assert sorted(line.text for line in rows_of(pieces)) == ["404", "first", "second"]


def test_the_confidence_of_a_row_is_the_mean_by_length() -> None:
    row = rows_of([piece("abc", quad(0, 0, 50, 20), 1.0), piece("d", quad(80, 0, 20, 20), 0.6)])
    assert [line.confidence for line in row] == [pytest.approx(0.9)]


def test_no_pieces_are_no_rows() -> None:
    assert rows_of([]) == ()


@pytest.mark.parametrize("degrees", [-12.0, 0.0, 8.0])
def test_the_tilt_is_that_of_most_text(degrees: float) -> None:
    quads = [quad(0, 40 * number, 200, 20, degrees) for number in range(3)] + [
        quad(500, 0, 60, 20, 30),
        quad(0, 0, 20, 90),
    ]
    assert np.degrees(tilt_of(quads)) == pytest.approx(degrees, abs=0.2)


def test_text_runs_upwards_if_most_of_it_does() -> None:
    tall, wide, square = quad(0, 0, 20, 300), quad(0, 0, 200, 20), quad(0, 0, 30, 30)
    assert are_tall([tall, wide, square])
    assert not are_tall([tall, wide, wide, square])
    assert not are_tall([square])
    assert not are_tall([])


def test_a_size_is_that_of_the_longer_sides() -> None:
    corners = np.array([(0, 0), (100, 0), (90, 30), (0, 20)], np.float32)
    assert list(size_of(corners)) == pytest.approx([100, 31.62], abs=0.01)
