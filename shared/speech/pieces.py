"""Cuts the speech of one voice into pieces for the recogniser, and maps times within a piece back to the recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.embedding.audio.port import PIECE_S, RATE_HZ, Samples
from shared.speech.activity import Span
from shared.speech.levels import levelled

PIECE = int(PIECE_S * RATE_HZ)
CUT_WITHIN = 8 * RATE_HZ
"""A span that is longer than a piece is cut at its quietest place in these last samples of the piece."""

QUIET = RATE_HZ // 5
EDGE = 3 * RATE_HZ // 10
"""What is shorter is a moment, in which no word fits."""

LONG_PAUSE = RATE_HZ
"""A longer pause between two spans of a piece is shortened to this, not removed: words on both sides of it are not
taken for one phrase, and turns of a dialogue stay apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a piece: `count` samples from `start` of the recording on, or a pause in place of a longer one."""

    start: int
    count: int
    is_pause: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where some words were in the recording.

    Attributes:
        start_s: Where they begin, in seconds.
        end_s: Where they end.
        speech: Samples of speech in between.
    """

    start_s: float
    end_s: float
    speech: int


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

    @property
    def speech_s(self) -> float:
        """Its length without pauses, in seconds."""
        return sum(part.count for part in self.parts if not part.is_pause) / RATE_HZ

    def places(self, start_s: float, end_s: float) -> list[Place]:
        """Return where the words between two times of the piece were in the recording: a place for each side of a pause.

        A place that they reach only for a moment is left out: a recogniser's times are inexact. There is at least one.
        """
        start, end = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
        runs: list[list[tuple[int, int]]] = [[]]
        at = 0
        for part in self.parts:
            first, last = max(start, at), min(end, at + part.count)
            if part.is_pause:
                runs.append([])
            elif first <= last:
                runs[-1].append((part.start + first - at, part.start + last - at))
            at += part.count
        found = [_place(run) for run in runs if run]
        long = [place for place in found if place.speech >= EDGE]
        return long or found[:1] or [Place(self._end_s, self._end_s, 0)]

    def speech_between(self, start_s: float, end_s: float) -> float:
        """Return the seconds of speech between two times of the piece."""
        return self.between(start_s, end_s).speech_s

    def between(self, start_s: float, end_s: float) -> "CutPiece":
        """Return the piece between two of its times."""
        start, end = round(start_s * RATE_HZ), min(len(self.samples), round(end_s * RATE_HZ))
        kept, at = [], 0
        for part in self.parts:
            first, last = max(start, at), min(end, at + part.count)
            if first < last:
                kept.append(Part(part.start + first - at, last - first, part.is_pause))
            at += part.count
        return CutPiece(self.samples[start:end], tuple(kept))

    def halves(self) -> tuple["CutPiece", "CutPiece"]:
        """Return it in two parts, cut at the quietest place of its middle third."""
        third = len(self.samples) // 3
        cut_s = _quietest_s(self.samples, third, len(self.samples) - third)
        return self.between(0, cut_s), self.between(cut_s, self.duration_s)

    @property
    def _end_s(self) -> float:
        return (self.parts[-1].start + self.parts[-1].count) / RATE_HZ


def _quietest_s(samples: Samples, first: int, last: int) -> float:
    """Return the quietest place between two samples, in seconds; there are at least `QUIET` in between."""
    power = samples[first:last] ** 2
    blocks = power[: len(power) // QUIET * QUIET].reshape(-1, QUIET).mean(axis=1)
    return (first + (int(blocks.argmin()) + 0.5) * QUIET) / RATE_HZ


def _place(run: Sequence[tuple[int, int]]) -> Place:
    """Return the place of neighbouring parts, of which those at the ends count only if they are no mere moment."""
    long = [part for part in run if part[1] - part[0] >= EDGE] or run
    return Place(long[0][0] / RATE_HZ, long[-1][1] / RATE_HZ, sum(last - first for first, last in run))


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
            if first == span.start:
                self._begin(span)
            self._take(window[first - self._at : last - self._at], first)
            if span.end > end:
                break
            self._spans.pop(0)
        self._at = end

    def finish(self) -> None:
        """Emit the last piece; there is no further window."""
        self._finish_piece()

    def _begin(self, span: Span) -> None:
        """Begin a new piece if too little of a span would fit; else shorten the pause before it.

        A longer span is cut where it is quietest, because every piece takes as much time as a full one.
        """
        pause = LONG_PAUSE if self._parts and span.start - self._parts_end > LONG_PAUSE else 0
        room = PIECE - self._held - pause
        if span.end - span.start > room and room < CUT_WITHIN:
            self._finish_piece()
        elif pause:
            self._parts.append(Part(span.start - pause, pause, is_pause=True))
            self._samples.append(np.zeros(pause, np.float32))

    @property
    def _parts_end(self) -> int:
        return self._parts[-1].start + self._parts[-1].count

    def _take(self, samples: Samples, start: int) -> None:
        while len(samples):
            some = samples[: PIECE - self._held]
            if self._parts and not self._parts[-1].is_pause and self._parts_end == start:
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
        cut_s = _quietest_s(whole.samples, len(whole.samples) - CUT_WITHIN, len(whole.samples))
        rest = whole.between(cut_s, whole.duration_s)
        self._send(whole.between(0, cut_s))
        self._samples, self._parts = [rest.samples], list(rest.parts)

    def _finish_piece(self) -> None:
        if self._parts:
            self._send(CutPiece(np.concatenate(self._samples), tuple(self._parts)))
        self._samples, self._parts = [], []

    def _send(self, piece: CutPiece) -> None:
        self._emit(CutPiece(levelled(piece.samples), piece.parts))
