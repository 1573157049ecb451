"""Reads a picture by an engine that finds pieces of text and recognises them: turns it upright, sorts, leaves out noise."""

from collections.abc import Callable, Sequence
from threading import BoundedSemaphore
from typing import Protocol

import numpy as np
from typing_extensions import override

from shared.embedding.port import Pixels
from shared.reading.corrections import corrected
from shared.reading.order import Piece, Quad, Recognised, are_tall, rows_of, size_of
from shared.reading.port import ReadText, TextReader

LEAST_SIDE_PX = 8
"""A picture with a shorter side holds no text that can be recognised."""

MOST_PIECES = 400
"""Of a picture with more pieces of text, the longest are read, which bounds the time that a picture takes."""

DOUBT_BELOW = 0.85
"""If the confidence in a picture's text is lower, it may be upside down."""

COMPARED = 8
"""Pieces that are read both ways, to find out which way up a picture is."""

LEAST_CONFIDENCE = 0.75
"""Below this, what is read is mostly not what is written."""

LONG, SURE = 3, 0.8
"""A piece of at least this many characters is words. Of shorter ones, the pattern of a fabric or a collar is read as one
with any confidence: they are kept only beside words of this confidence, and need the same."""


class Engine(Protocol):
    """Finds and recognises pieces of text; it is used by one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes what is found and recognised."""
        ...

    def find(self, pixels: Pixels) -> list[Quad]:
        """Return the quads of the pieces of text in a picture of shape (height, width, 3), uint8, RGB, in any order."""
        ...

    def recognise(self, pixels: Pixels, quads: Sequence[Quad], is_turned: bool = False) -> list[Recognised]:
        """Return the text in each quad; with `is_turned`, as it reads upside down."""
        ...


class LineReader(TextReader):
    """Reads the text in pictures, each by an engine of its own; several threads may call it.

    Args:
        engine: What finds and recognises the text.
        another: Makes another engine like it, once more pictures are read at once than there are engines.
        at_once: The most pictures that are read at once; 1 without `another`.
    """

    def __init__(self, engine: Engine, another: Callable[[], Engine] | None = None, at_once: int = 1) -> None:
        self._fingerprint, self._another = engine.fingerprint, another
        self._turns = BoundedSemaphore(at_once if another is not None else 1)
        self._free = [engine]

    @property
    @override
    def fingerprint(self) -> str:
        return self._fingerprint

    @override
    def read(self, pixels: Pixels) -> ReadText:
        if min(pixels.shape[:2]) < LEAST_SIDE_PX:
            return ReadText(())
        with self._turns:
            engine = self._take()
            try:
                return _read(engine, pixels)
            finally:
                self._free.append(engine)

    def _take(self) -> Engine:
        """Return an engine that no thread uses, or a new one: whoever has a turn gets one."""
        try:
            return self._free.pop()
        except IndexError:
            if self._another is None:
                raise
            return self._another()


def _read(engine: Engine, pixels: Pixels) -> ReadText:
    degrees = 0
    quads = engine.find(pixels)
    if are_tall(quads):
        degrees = 90
        pixels = np.ascontiguousarray(np.rot90(pixels, -1))
        quads = engine.find(pixels)
    quads = sorted(quads, key=lambda quad: max(size_of(quad)), reverse=True)[:MOST_PIECES]
    found = engine.recognise(pixels, quads)
    if _mean(found) < DOUBT_BELOW and _is_upside_down(engine, pixels, quads, found):
        degrees += 180
        found = engine.recognise(pixels, quads, is_turned=True)
        quads = [_turned(quad, pixels) for quad in quads]
    pieces = _kept([Piece(quad, _corrected(each)) for quad, each in zip(quads, found, strict=True)])
    return ReadText(rows_of(pieces), degrees if pieces else 0)


def _is_upside_down(engine: Engine, pixels: Pixels, quads: Sequence[Quad], found: Sequence[Recognised]) -> bool:
    """Return whether the longest pieces are recognised with more confidence the other way up."""
    other = engine.recognise(pixels, quads[:COMPARED], is_turned=True)
    return _mean(other) > _mean(found[:COMPARED])


def _kept(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces that are text, rather than a pattern that resembles it."""
    likely = [piece for piece in pieces if piece.recognised.confidence >= _least(piece) and _signs(piece)]
    has_words = any(_signs(piece) >= LONG and piece.recognised.confidence >= SURE for piece in likely)
    return [piece for piece in likely if has_words or _signs(piece) >= LONG]


def _least(piece: Piece) -> float:
    return LEAST_CONFIDENCE if _signs(piece) >= LONG else SURE


def _signs(piece: Piece) -> int:
    """Return the number of characters in a piece that belong to words or numbers."""
    return sum(each.isalnum() for each in piece.recognised.text)


def _corrected(found: Recognised) -> Recognised:
    return Recognised(corrected(found.text), found.confidence)


def _mean(found: Sequence[Recognised]) -> float:
    """Return the mean confidence by length; 0 if there is no text."""
    total = sum(len(each.text) for each in found)
    return sum(len(each.text) * each.confidence for each in found) / total if total else 0.0


def _turned(quad: Quad, pixels: Pixels) -> Quad:
    """Return a quad as it is in the picture turned by 180 degrees."""
    height, width = pixels.shape[:2]
    return np.roll(np.array([width, height], np.float32) - quad, 2, axis=0)
