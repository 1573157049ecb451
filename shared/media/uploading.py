"""Writes media that are too large to be inline where events can refer to them: a bucket, or a folder."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from schemas.media import INLINE_LIMIT_BYTES, Media
from shared.errors import Fatal
from shared.media_settings import MediaSettings


class Uploader(Protocol):
    """Writes contents under names."""

    def put(self, name: str, content: bytes) -> str:
        """Write a content, unless it is there already; return its URI.

        Raises:
            Fatal: it cannot be written.
        """
        ...


class FolderUploader:
    """Writes into a folder; a file appears under its name only when it is complete.

    Args:
        folder: The folder, an absolute path.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> str:
        """Write a file; see `Uploader.put`."""
        target = self._folder / name
        try:
            if not target.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
                part = self._folder / f".{name}.{os.getpid()}.part"
                part.write_bytes(content)
                part.replace(target)
        except OSError as error:
            raise Fatal(f"{target} cannot be written: {error.strerror or type(error).__name__}") from error
        return f"file://{quote(str(target))}"


def uploader_of(settings: MediaSettings) -> Uploader | None:
    """Return what writes to the configured place; None if no place is configured.

    Raises:
        Fatal: the place cannot be used.
    """
    place = settings.upload_to
    if place is None:
        return None
    if place.startswith("file:"):
        return FolderUploader(Path(urlsplit(place).path))
    try:
        from shared.media.fetching.object_uploads import ObjectUploader
    except ImportError as error:
        raise Fatal(f"uploading to {place} needs {error.name}: install millrace[objects]") from error
    return ObjectUploader(place, settings)


def medium_of(content: bytes, digest: str, suffix: str, uploader: Uploader | None) -> Media | None:
    """Return the medium of a content: inline, or uploaded under its digest if it is too large for that.

    Args:
        content: The content.
        digest: Its SHA-256, in hex.
        suffix: The ending of the uploaded file's name, for people; its bytes decide its kind.
        uploader: Writes it; None if no place is configured: the answer for a large content is then None.

    Raises:
        Fatal: it cannot be written.
    """
    if len(content) <= INLINE_LIMIT_BYTES:
        return Media(inline=b64encode(content).decode(), sha256=digest)
    return None if uploader is None else Media(uri=uploader.put(f"{digest}{suffix}", content), sha256=digest)
