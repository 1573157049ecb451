"""Reading pictures that are attached to items: what the model of pictures sees of them, and the text in them."""

import threading
from dataclasses import dataclass

from schemas.failures import FailureReason
from shared.embedding.port import Pixels
from shared.errors import MillraceError, Rejected
from shared.media.port import MediaContent
from shared.pictures import PictureReader
from shared.reading.port import ReadText, TextReader

LEAST_CONFIDENCE = 0.5
"""Lines of which the reader is less sure are left out: they are mostly patterns that look like text."""

READ_SIDE_PX = 4_096
"""Text is read in a picture with a longer side of at most this; at the usual 2,048 pixels, the text of a screenshot of
3,840 x 2,160 pixels would have half of its height."""


@dataclass(frozen=True, slots=True, eq=False)
class AttachedPicture:
    """A picture that has been read.

    Attributes:
        pixels: What the model sees: shape (crop_px, crop_px, 3), uint8, RGB.
        text: The text in it, as it was read: it may hold personal data.
        width_px: The width that its file states, before it is turned upright.
        height_px: The height that its file states.
    """

    pixels: Pixels
    text: str
    width_px: int
    height_px: int


class AttachedPictureReader:
    """Reads pictures; several threads call it at once, each with another picture.

    Args:
        pictures: Decodes them, and prepares them for the model.
        texts: Reads the text in them.
        at_once: The most pictures whose text is read at once, because that takes the time of the processor.
    """

    def __init__(self, pictures: PictureReader, texts: TextReader, at_once: int) -> None:
        self._pictures, self._texts = pictures, texts
        self._turns = threading.BoundedSemaphore(at_once)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of what reads the text."""
        return self._texts.fingerprint

    def read(self, content: MediaContent, field: str) -> AttachedPicture:
        """Read a picture.

        Args:
            content: The bytes of the file.
            field: The event's field that holds it, for errors.

        Raises:
            Rejected: the content cannot be decoded, exceeds a limit, or makes the reader of text fail.
        """
        picture, decoded = self._pictures.read_with_pixels(content, field, READ_SIDE_PX)
        found = self._text_in(decoded, field)
        return AttachedPicture(picture.pixels, _sure(found), picture.width_px, picture.height_px)

    def _text_in(self, pixels: Pixels, field: str) -> ReadText:
        try:
            with self._turns:
                return self._texts.read(pixels)
        except MillraceError:
            raise
        except Exception as error:  # one picture must not end the worker again and again
            detail = f"reading the text in it failed with {type(error).__name__}"
            raise Rejected(FailureReason.MODEL_FAILED, field, detail, "read") from error


def _sure(found: ReadText) -> str:
    """Return the lines of which the reader is sure enough."""
    return "\n".join(line.text for line in found.lines if line.confidence >= LEAST_CONFIDENCE)
