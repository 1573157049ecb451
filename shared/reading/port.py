"""The interface of what reads the text in a picture. It knows no library and no stream."""

from dataclasses import dataclass
from typing import Protocol

from shared.embedding.port import Pixels


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One row of a picture's text.

    Attributes:
        text: Its words, joined by blanks.
        confidence: How sure the recognition is of its characters, 0 to 1; of several parts, their mean by length.
    """

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ReadText:
    """The text of a picture.

    Attributes:
        lines: Its rows from top to bottom, of the picture as its text is upright.
        turned_degrees: How far the picture had to be turned clockwise for that: 0, 90, 180 or 270.
    """

    lines: tuple[ReadLine, ...]
    turned_degrees: int = 0

    @property
    def text(self) -> str:
        """The rows, joined by line breaks; empty if there is no text."""
        return "\n".join(line.text for line in self.lines)


class TextReader(Protocol):
    """Reads the text in pictures; several threads may call it."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over everything that changes what is read."""
        ...

    def read(self, pixels: Pixels) -> ReadText:
        """Read a picture.

        Args:
            pixels: Shape (height, width, 3), uint8, RGB, of any size from 1 x 1.
        """
        ...
