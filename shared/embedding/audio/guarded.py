"""What recognisers by Whisper share, whatever library computes: a dead device is distinguished from a poison piece.

It imports no model, so that each library stays in its own adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from shared.embedding.audio.port import RATE_HZ, Piece, Recognised, States
from shared.embedding.registry import SpeechCard
from shared.errors import DeviceLost

FoundT = TypeVar("FoundT", States, Recognised)
ENGLISH = "en"

NO_REPEAT_TOKENS = 4
"""How a piece is recognised of which the first attempt repeated itself: no such number of tokens occurs twice."""


class GuardedRecogniser(ABC):
    """A loaded Whisper model, of which the adapter says how it recognises; see `Recogniser`.

    Args:
        card: The row of the model.
    """

    languages: frozenset[str]

    def __init__(self, card: SpeechCard) -> None:
        self._card = card

    @property
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes a transcript."""
        return self._card.fingerprint

    @property
    def dim(self) -> int:
        """Width of the encoder's states."""
        return self._card.dim

    def recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Recognise pieces. Each is encoded alone in its window, so that the others do not change it.

        Raises:
            DeviceLost: the device is dead.
            Exception: the model failed on at least one of the pieces.
        """
        return self._guarded(self._recognise, pieces)

    def encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Return the encoder's states of some pieces, without those of the padding.

        Raises:
            DeviceLost: the device is dead.
            Exception: the model failed on at least one of the pieces.
        """
        return self._guarded(self._encode, pieces)

    def probe(self) -> None:
        """Recognise a second of silence.

        Raises:
            DeviceLost: this fails.
        """
        try:
            self._recognise([Piece(np.zeros(RATE_HZ, np.float32), ENGLISH)])
        except Exception as error:
            raise DeviceLost(f"the model fails on silence: {error}") from error

    def _guarded(self, compute: Callable[[Sequence[Piece]], list[FoundT]], pieces: Sequence[Piece]) -> list[FoundT]:
        if not pieces:
            return []
        try:
            return compute(pieces)
        except RuntimeError as error:
            if self._is_dead(error):
                raise DeviceLost(str(error)) from error
            raise

    @abstractmethod
    def _encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Return the states of at least one piece."""

    @abstractmethod
    def _recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Recognise at least one piece."""

    @staticmethod
    @abstractmethod
    def _is_dead(error: RuntimeError) -> bool:
        """Return whether an error of the library means that the device is dead."""
