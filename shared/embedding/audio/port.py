"""The interface of a speech recogniser: pieces of speech in, phrases with times out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
STATE_SAMPLES = 320
"""Samples from one state of Whisper's encoder to the next: it has 1,500 states in 30 seconds (Radford et al. 2022, section
2.2)."""

PIECE_S = 30.0
"""The longest piece: the window of Whisper (Radford et al. 2022, section 2.2)."""

Samples: TypeAlias = NDArray[np.float32]
"""Shape (n,), one channel at `RATE_HZ`, between -1 and 1."""

States: TypeAlias = NDArray[np.float32]
"""The states of the encoder over a piece: shape (states, dim)."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of one speaker's speech.

    Attributes:
        samples: At most `PIECE_S` seconds.
        language: Its language, a primary BCP 47 subtag; None if the recogniser is to detect it.
        avoids_repetition: Whether the recogniser must not repeat itself, because it did so at the first attempt.
    """

    samples: Samples
    language: str | None = None
    avoids_repetition: bool = False


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some words of a piece.

    Attributes:
        start_s: Where it begins, in seconds from the start of the piece.
        end_s: Where it ends.
        text: The words, with punctuation.
    """

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was recognised in a piece.

    Attributes:
        phrases: The phrases in the order of their times.
        language: The language that was used: the given or the detected one.
        language_share: The probability of the detected language; 1 for a given one.
        no_speech: The recogniser's probability that the piece holds no speech.
        log_probability: Mean log probability of the tokens.
        is_cut: Whether the text ends because the recogniser returns no more tokens, and not where the piece ends.
    """

    phrases: tuple[Phrase, ...]
    language: str
    language_share: float
    no_speech: float
    log_probability: float
    is_cut: bool = False


def states_of(piece: Piece) -> int:
    """Return the number of states that a piece has without its padding."""
    return -(-len(piece.samples) // STATE_SAMPLES)


class Recogniser(Protocol):
    """A loaded model of speech. It is used by one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes a transcript."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """The languages that it recognises, as primary BCP 47 subtags."""
        ...

    @property
    def dim(self) -> int:
        """Width of the encoder's states."""
        ...

    def encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Return the encoder's states of some pieces, several at once; those of one do not depend on the others.

        Raises:
            DeviceLost: the device is dead.
            Exception: the model failed on at least one of the pieces.
        """
        ...

    def recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Recognise pieces, several at once. What is recognised in one does not depend on the others.

        Raises:
            DeviceLost: the device is dead; the pieces may be valid.
            Exception: the model failed on at least one of the pieces.
        """
        ...

    def probe(self) -> None:
        """Recognise a fixed harmless piece, to distinguish a dead device from a poison piece.

        Raises:
            DeviceLost: even the harmless piece fails.
        """
        ...
