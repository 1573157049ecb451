"""A response's body as it arrives: decompressed if the server compressed it, and never more than the limit."""

import zlib
from collections.abc import Iterable
from io import BytesIO

from shared.media.fetching.failures import Failed, too_large

GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
GZIP_MAGIC = b"\x1f\x8b"
STEP_BYTES = 1 << 20
IDENTITY = ("", "identity")
COMPRESSED = ("gzip", "x-gzip", "deflate")


class Inflater:
    """Decompresses gzip (one or more members) and deflate in pieces of at most 1 MiB."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP_OR_ZLIB)

    def pieces(self, data: bytes) -> Iterable[bytes]:
        """Yield the decompressed content of the next piece of the body; it can be any number of times larger.

        Raises:
            Failed: the data are not valid.
        """
        while data:
            if self._stream.eof:
                if not data.startswith(GZIP_MAGIC[: len(data)]):
                    raise Failed("the compressed body is followed by other bytes")
                self._stream = zlib.decompressobj(GZIP_OR_ZLIB)
            try:
                yield self._stream.decompress(data, STEP_BYTES)
            except zlib.error as error:
                raise Failed(f"the body is not valid gzip or deflate data: {error}") from None
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def check_end(self) -> None:
        """Check that the data are complete.

        Raises:
            Failed: they are not.
        """
        if not self._stream.eof:
            raise Failed("the compressed body is incomplete")


def read_body(pieces: Iterable[bytes], encoding: str, limit_bytes: int) -> bytes:
    """Return a whole body.

    Args:
        pieces: The body as it arrives.
        encoding: The value of `Content-Encoding`, in lower case; empty if absent.
        limit_bytes: Most bytes, of what arrives and of what it decompresses to.

    Raises:
        Refused: it has more bytes.
        Failed: the encoding is unknown, or the data are damaged.
    """
    if encoding not in IDENTITY + COMPRESSED:
        raise Failed("the body is compressed in a way that was not asked for", by_host=False)
    inflater = Inflater() if encoding in COMPRESSED else None
    content = BytesIO()
    received_bytes = 0
    for piece in pieces:
        received_bytes += len(piece)
        if received_bytes > limit_bytes:
            raise too_large(limit_bytes)
        for part in (piece,) if inflater is None else inflater.pieces(piece):
            content.write(part)
            if content.tell() > limit_bytes:
                raise too_large(limit_bytes)
    if inflater is not None:
        inflater.check_end()
    return content.getvalue()
