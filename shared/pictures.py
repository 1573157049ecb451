"""Reading the pictures of a stream: decoded by a child process, prepared for the model, hashed to find the same picture."""

from dataclasses import dataclass

from shared.embedding.port import Pixels
from shared.embedding.registry import ImageCard
from shared.media.decoding.decoder import Decoder
from shared.media.decoding.replies import Picture
from shared.media.perceptual import PictureHashes, hash_picture
from shared.media.port import MediaContent


@dataclass(frozen=True, slots=True, eq=False)
class ReadPicture:
    """A picture that has been read.

    Attributes:
        pixels: What the model sees: shape (crop_px, crop_px, 3), uint8, RGB.
        hashes: Its perceptual hashes.
        width_px: The width that its file states, before it is turned upright.
        height_px: The height that its file states.
    """

    pixels: Pixels
    hashes: PictureHashes
    width_px: int
    height_px: int


class PictureReader:
    """Reads pictures; several threads call it at once, each with another picture.

    Args:
        decoder: Decodes them, in child processes.
        card: The card of the model that they are prepared for.
    """

    def __init__(self, decoder: Decoder, card: ImageCard) -> None:
        self._decoder, self._card = decoder, card

    def read(self, content: MediaContent, field: str) -> ReadPicture:
        """Read a picture.

        Args:
            content: The bytes of the file.
            field: The event's field that holds it, for errors.

        Raises:
            Rejected: the content cannot be decoded, or exceeds a limit.
        """
        return self._read(self._decoder.picture(content, field))

    def read_with_pixels(self, content: MediaContent, field: str, side_px: int) -> tuple[ReadPicture, Pixels]:
        """Read a picture as `read` does, and return its decoded pixels too: they may be finer than those for the model.

        Args:
            content: The bytes of the file.
            field: The event's field that holds it, for errors.
            side_px: The longest side of the decoded pixels.

        Returns:
            The picture, and its pixels of shape (height, width, 3), uint8, RGB, upright.

        Raises:
            Rejected: the content cannot be decoded, or exceeds a limit.
        """
        decoded = self._decoder.picture(content, field)
        is_whole = max(decoded.pixels.shape) >= max(decoded.original_width_px, decoded.original_height_px)
        has_fitted = is_whole or max(decoded.pixels.shape) >= side_px
        finer = decoded if has_fitted else self._decoder.picture(content, field, side_px)
        return self._read(decoded), finer.pixels

    def _read(self, decoded: Picture) -> ReadPicture:
        return ReadPicture(
            self._prepared(decoded.pixels),
            hash_picture(decoded.pixels),
            decoded.original_width_px,
            decoded.original_height_px,
        )

    def pixels(self, content: MediaContent, field: str) -> Pixels:
        """Return only what the model sees of a picture; see `read`.

        Raises:
            Rejected: the content cannot be decoded, or exceeds a limit.
        """
        return self._prepared(self._decoder.picture(content, field).pixels)

    def _prepared(self, decoded: Pixels) -> Pixels:
        from shared.embedding.image.pixels import prepare_picture  # here, since only these streams need the extra of it

        return prepare_picture(decoded, self._card)
