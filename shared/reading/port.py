"""What reads the text in a picture."""

from dataclasses import dataclass
from typing import Protocol

from shared.embedding.port import Pixels


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line of text that was read in a picture.

    Attributes:
        text: The text as it was read; it may hold personal data.
        confidence: How sure the reader is of it, from 0 to 1.
    """

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class ReadText:
    """The text that was read in a picture.

    Attributes:
        lines: Its lines in reading order.
        turned_degrees: By how much the picture was turned before it was read.
    """

    lines: tuple[ReadLine, ...]
    turned_degrees: int = 0

    @property
    def text(self) -> str:
        """All lines, one below the other."""
        return "\n".join(line.text for line in self.lines)


class TextReader(Protocol):
    """Reads the text in pictures."""

    @property
    def fingerprint(self) -> str:
        """8 hex digits over all that changes what is read."""
        ...

    def read(self, pixels: Pixels) -> ReadText:
        """Return the text in a picture.

        Args:
            pixels: The picture, shape (height, width, 3), uint8, RGB, upright as its EXIF data say.
        """
        ...
