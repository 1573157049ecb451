"""The reading order of the pieces of text in a picture: rows from top to bottom, each from left to right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.reading.port import ReadLine

Quad: TypeAlias = NDArray[np.float32]
"""The corners of a piece of text, in pixels: shape (4, 2), x and y of top left, top right, bottom right, bottom left."""

TALL = 1.5
"""A quad whose height is this multiple of its width holds text that runs upwards or downwards."""

SAME_ROW = 0.6
"""Two pieces are of one row if their middles are apart by less than this share of the smaller height."""


class Recognised(NamedTuple):
    """The text of a piece, and the confidence in it, 0 to 1."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of text: where it is, and what it says."""

    quad: Quad
    recognised: Recognised


class _Placed(NamedTuple):
    left: float
    middle: float
    height: float
    recognised: Recognised


def size_of(quad: Quad) -> tuple[float, float]:
    """Return the width and the height of a quad in pixels, each of the longer of its two sides."""
    top, right = np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[2] - quad[1])
    bottom, left = np.linalg.norm(quad[3] - quad[2]), np.linalg.norm(quad[0] - quad[3])
    return float(max(top, bottom)), float(max(left, right))


def are_tall(quads: Sequence[Quad]) -> bool:
    """Return whether more text, by length, runs upwards or downwards than from left to right."""
    tall = flat = 0.0
    for width, height in map(size_of, quads):
        tall += height if height >= TALL * width else 0.0
        flat += width if width >= TALL * height else 0.0
    return tall > flat


def tilt_of(quads: Sequence[Quad]) -> float:
    """Return the angle of the text in radians, clockwise: the median over the pixels of all quads that are wide."""
    angles, lengths = [], []
    for quad in quads:
        width, height = size_of(quad)
        if width >= TALL * height:
            across = (quad[1] - quad[0]) + (quad[2] - quad[3])
            angles.append(float(np.arctan2(across[1], across[0])))
            lengths.append(width)
    if not angles:
        return 0.0
    order = np.argsort(angles)
    reached = np.cumsum(np.array(lengths)[order])
    return angles[int(order[np.searchsorted(reached, reached[-1] / 2)])]


def rows_of(pieces: Sequence[Piece]) -> tuple[ReadLine, ...]:
    """Return the rows of a picture's text. The pieces of one row are joined by a blank, from left to right.

    Rows may be tilted, and their angle may differ from the top to the bottom of a photo: a piece is compared with the
    nearest piece of a row rather than with the whole row.
    """
    placed = _placed(pieces)
    rows: list[list[_Placed]] = []
    for piece in sorted(placed, key=lambda each: each.middle):
        row = next((row for row in reversed(rows) if _is_in_row(piece, row)), None)
        if row is None:
            rows.append([piece])
        else:
            row.append(piece)
    rows.sort(key=lambda row: float(np.mean([each.middle for each in row])))
    return tuple(_joined(row) for row in rows)


def _placed(pieces: Sequence[Piece]) -> list[_Placed]:
    """Return where the pieces are once the text is turned to be level."""
    angle = tilt_of([piece.quad for piece in pieces])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    placed = []
    for piece in pieces:
        level = piece.quad @ turn
        middle = float(level[:, 1].mean())
        placed.append(_Placed(float(level[:, 0].min()), middle, min(size_of(piece.quad)), piece.recognised))
    return placed


def _is_in_row(piece: _Placed, row: Sequence[_Placed]) -> bool:
    nearest = min(row, key=lambda each: abs(each.left - piece.left))
    return abs(nearest.middle - piece.middle) < SAME_ROW * min(nearest.height, piece.height)


def _joined(row: Sequence[_Placed]) -> ReadLine:
    ordered = [each.recognised for each in sorted(row, key=lambda each: each.left)]
    weights = [len(each.text) for each in ordered]
    confidence = float(np.average([each.confidence for each in ordered], weights=weights))
    return ReadLine(" ".join(each.text for each in ordered), min(1.0, confidence))
