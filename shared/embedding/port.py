"""What the stages ask of an embedding model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
"""Vectors as rows: shape (n, dim), float32, each of unit length."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of some texts, in the order of the texts.

    Attributes:
        vectors: Shape (n, dim), float32, rows of unit length.
        windows: How many model windows each text filled; more than 1 means that it was split and pooled.
        tokens: How many tokens were encoded, padding left out.
    """

    vectors: Matrix
    windows: tuple[int, ...]
    tokens: int


class TextModel(Protocol):
    """A loaded text embedding model. Used by one thread at a time."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over all that changes a vector."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed texts of any length, the empty one included.

        A text's vector does not depend on the texts beside it (within rounding).

        Raises:
            DeviceLost: the device is dead; nothing is said about the texts.
            Exception: the model failed on at least one of the texts.
        """
        ...

    def probe(self) -> None:
        """Embed a fixed harmless text, so that a dead device can be told from a poison text.

        Raises:
            DeviceLost: even that fails.
        """
        ...
