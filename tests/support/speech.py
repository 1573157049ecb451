"""A stand-in for a recogniser of speech, whose answers a test decides, and sounds that it distinguishes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.embedding.audio.port import RATE_HZ, Phrase, Piece, Recognised, Recogniser, States, states_of
from shared.speech.pieces import CutPiece, Part

AFTER_TEXT = -1.0
"""The value of the samples after a text."""


def piece_of(mark: int, seconds: float, start_s: float = 0.0) -> CutPiece:
    """Return a piece whose samples all have one value, by which `FakeRecogniser` recognises it."""
    samples = np.full(round(seconds * RATE_HZ), mark / 100, np.float32)
    return CutPiece(samples, (Part(round(start_s * RATE_HZ), len(samples)),))


def spoken_piece(text: str, seconds: float) -> CutPiece:
    """Return a piece whose samples hold a text, which `text_in` finds.

    Raises:
        ValueError: the text needs more samples than these seconds have.
    """
    held = np.frombuffer(text.encode(errors="surrogatepass"), np.uint8)
    samples = np.full(round(seconds * RATE_HZ), AFTER_TEXT, np.float32)
    if len(held) >= len(samples):
        raise ValueError(f"a text of {len(held)} bytes does not fit into {seconds} s")
    samples[: len(held)] = held / 256
    return CutPiece(samples, (Part(0, len(samples)),))


def text_in(piece: Piece) -> str:
    """Return the text that the samples of a piece hold."""
    length = int(np.argmax(piece.samples == AFTER_TEXT))
    return (piece.samples[:length] * 256).astype(np.uint8).tobytes().decode(errors="surrogatepass")


def mark_of(piece: Piece) -> int:
    """Return the mark of a piece."""
    return round(float(piece.samples[0]) * 100)


def said(text: str, seconds: float, language: str = "en", share: float = 1.0) -> Recognised:
    """Return what is recognised if one phrase fills a piece."""
    phrases = (Phrase(0.0, seconds, text),) if text else ()
    return Recognised(phrases, language, share, no_speech=0.0, log_probability=-0.2)


@dataclass
class FakeRecogniser:
    """Answers by the mark of a piece.

    Attributes:
        answer: Returns what is recognised in a piece, or raises.
        batches: The marks of each call.
        pieces: All pieces in the order of the calls.
    """

    answer: Callable[[Piece], Recognised] = lambda piece: said(
        f"text {mark_of(piece)}", len(piece.samples) / RATE_HZ, piece.language or "en"
    )
    languages: frozenset[str] = frozenset({"en", "fr"})
    fingerprint: str = "5bee0000"
    dim: int = 4
    batches: list[list[int]] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    probes: int = 0

    def recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Answer for each piece."""
        self.batches.append([mark_of(piece) for piece in pieces])
        self.pieces += pieces
        return [self.answer(piece) for piece in pieces]

    def encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Return states that depend on the mark of each piece."""
        waves = np.arange(1, self.dim + 1, dtype=np.float32)
        return [np.tile(np.sin(waves * (1 + mark_of(piece))), (states_of(piece), 1)) for piece in pieces]

    def probe(self) -> None:
        """Count the call."""
        self.probes += 1


@dataclass
class Counting(Recogniser):
    """Passes pieces on to a recogniser, and counts them.

    Attributes:
        inner: The recogniser.
        seconds: The length of each piece that was recognised, in seconds.
    """

    inner: Recogniser
    seconds: list[float] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """Its fingerprint."""
        return self.inner.fingerprint

    @property
    def languages(self) -> frozenset[str]:
        """Its languages."""
        return self.inner.languages

    @property
    def dim(self) -> int:
        """The width of its states."""
        return self.inner.dim

    def encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Let it encode."""
        return self.inner.encode(pieces)

    def recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Count, and let it recognise."""
        self.seconds += [len(piece.samples) / RATE_HZ for piece in pieces]
        return self.inner.recognise(pieces)

    def probe(self) -> None:
        """Let it recognise its harmless piece."""
        self.inner.probe()
