"""Cuts the speech of one voice into pieces for the recogniser, and maps times within a piece back to the recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.speech.activity import Span
from shared.speech.levels import levelled
from shared.speech.port import PIECE_S, RATE_HZ, Samples

PIECE = int(PIECE_S * RATE_HZ)
CUT_WITHIN = 8 * RATE_HZ
"""A span that is longer than a piece is cut at its quietest place in these last samples of the piece."""

QUIET = RATE_HZ // 5
EDGE = 3 * RATE_HZ // 10


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a piece: `count` samples from `start` of the recording on."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class CutPiece:
    """A piece, and where its parts were in the recording.

    Attributes:
        samples: The parts one after the other, levelled.
        parts: The parts in order.
    """

    samples: Samples
    parts: tuple[Part, ...]

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / RATE_HZ

    def recorded_s(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Return where something of the piece begins and ends in the recording, in seconds.

        What reaches only a moment into a further part is placed without that part: a recogniser's times are inexact.
        """
        start, end = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
        found, at = [], 0
        for part in self.parts:
            first, last = max(start, at), min(end, at + part.count)
            if first <= last:
                found.append((part.start + first - at, part.start + last - at))
            at += part.count
        while len(found) > 1 and found[0][1] - found[0][0] < EDGE:
            found.pop(0)
        while len(found) > 1 and found[-1][1] - found[-1][0] < EDGE:
            found.pop()
        if not found:
            last_part = self.parts[-1]
            found = [(last_part.start + last_part.count,) * 2]
        return found[0][0] / RATE_HZ, found[-1][1] / RATE_HZ

    def between(self, start_s: float, end_s: float) -> "CutPiece":
        """Return the piece between two of its times."""
        start, end = round(start_s * RATE_HZ), min(len(self.samples), round(end_s * RATE_HZ))
        kept, at = [], 0
        for part in self.parts:
            first, last = max(start, at), min(end, at + part.count)
            if first < last:
                kept.append(Part(part.start + first - at, last - first))
            at += part.count
        return CutPiece(self.samples[start:end], tuple(kept))


class Cutter:
    """Cuts one channel of a recording, which arrives window by window.

    Args:
        spans: The speech of the channel.
        emit: Receives each piece, in order.
    """

    def __init__(self, spans: Sequence[Span], emit: Callable[[CutPiece], None]) -> None:
        self._spans, self._emit = list(spans), emit
        self._at = 0
        self._samples: list[Samples] = []
        self._parts: list[Part] = []

    @property
    def _held(self) -> int:
        return sum(part.count for part in self._parts)

    def add(self, window: Samples) -> None:
        """Add the next samples of the channel."""
        end = self._at + len(window)
        while self._spans and self._spans[0].start < end:
            span = self._spans[0]
            first, last = max(span.start, self._at), min(span.end, end)
            if first == span.start and self._held + span.end - span.start > PIECE:
                self._finish_piece()
            self._take(window[first - self._at : last - self._at], first)
            if span.end > end:
                break
            self._spans.pop(0)
        self._at = end

    def finish(self) -> None:
        """Emit the last piece; there is no further window."""
        self._finish_piece()

    def _take(self, samples: Samples, start: int) -> None:
        while len(samples):
            some = samples[: PIECE - self._held]
            if self._parts and self._parts[-1].start + self._parts[-1].count == start:
                self._parts[-1] = Part(self._parts[-1].start, self._parts[-1].count + len(some))
            else:
                self._parts.append(Part(start, len(some)))
            self._samples.append(some)
            samples, start = samples[len(some) :], start + len(some)
            if self._held == PIECE and len(samples):
                self._cut_quietly()

    def _cut_quietly(self) -> None:
        """Emit what is held up to its quietest place near the end; the rest begins the next piece."""
        whole = CutPiece(np.concatenate(self._samples), tuple(self._parts))
        tail = whole.samples[-CUT_WITHIN:] ** 2
        blocks = tail[: len(tail) // QUIET * QUIET].reshape(-1, QUIET).mean(axis=1)
        cut_s = (len(whole.samples) - len(tail) + (int(blocks.argmin()) + 0.5) * QUIET) / RATE_HZ
        rest = whole.between(cut_s, whole.duration_s)
        self._send(whole.between(0, cut_s))
        self._samples, self._parts = [rest.samples], list(rest.parts)

    def _finish_piece(self) -> None:
        if self._parts:
            self._send(CutPiece(np.concatenate(self._samples), tuple(self._parts)))
        self._samples, self._parts = [], []

    def _send(self, piece: CutPiece) -> None:
        self._emit(CutPiece(levelled(piece.samples), piece.parts))
