"""Reading pictures that are attached to items: what the model of pictures sees of them, and the text in them."""

import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass

from shared.embedding.port import Pixels
from shared.media.port import MediaContent
from shared.pictures import PictureReader
from shared.reading.port import TextReader

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
        at_once: The most pictures that are decoded and read at once. A decoded one takes up to 48 MiB, and reading it the
            time of the processor; whoever waits for a turn holds only the file.
    """

    def __init__(self, pictures: PictureReader, texts: TextReader, at_once: int) -> None:
        self._pictures, self._texts = pictures, texts
        self._turns, self._is_stopped = threading.BoundedSemaphore(at_once), False

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
            Rejected: the content cannot be decoded, or exceeds a limit.
            CancelledError: reading was stopped before its turn.
        """
        with self._turns:
            if self._is_stopped:
                raise CancelledError
            picture, decoded = self._pictures.read_with_pixels(content, field, READ_SIDE_PX)
            text = self._texts.read(decoded).text
        return AttachedPicture(picture.pixels, text, picture.width_px, picture.height_px)

    def stop(self) -> None:
        """Read no further picture; what is being read is finished."""
        self._is_stopped = True
