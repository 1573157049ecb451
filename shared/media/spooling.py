"""Contents that are needed again later: large ones wait in a file, so that memory does not hold those of a whole batch."""

from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile

from typing_extensions import override

from schemas.media import Media
from shared.logs import get_logger
from shared.media.port import Fetcher, MediaContent

SPOOLED_FROM_BYTES = 1 << 20
"""Contents of this size wait in a file; a batch has a limited number of smaller ones."""

log = get_logger("media")


def spooled(content: MediaContent, folder: Path) -> MediaContent:
    """Return a content to keep: a large one in a file, a small one as it is.

    If no file can be written, because the disk is full or read-only, the content stays in memory.

    Args:
        content: The content.
        folder: Where the file is, on a disk.
    """
    if not isinstance(content, bytes) or len(content) < SPOOLED_FROM_BYTES:
        return content
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(content)
            file.flush()
            return mmap(file.fileno(), 0, access=ACCESS_READ)  # it keeps the file open
    except OSError as error:
        log.warning("large content kept in memory", folder=str(folder), error=error.strerror, bytes=len(content))
        return content


class SpoolingFetcher(Fetcher):
    """Fetches by another fetcher, and keeps large contents in files.

    Args:
        fetcher: Fetches the contents.
        folder: Where the files are, on a disk.
    """

    def __init__(self, fetcher: Fetcher, folder: Path) -> None:
        self._fetcher, self._folder = fetcher, folder

    @override
    def fetch(self, media: Media, field: str) -> MediaContent:
        return spooled(self._fetcher.fetch(media, field), self._folder)

    @override
    def host_of(self, media: Media) -> str:
        return self._fetcher.host_of(media)

    @override
    def close(self) -> None:
        self._fetcher.close()
