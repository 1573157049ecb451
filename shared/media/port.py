"""What the engine needs to fetch a medium."""

from mmap import mmap
from typing import Protocol, TypeAlias

from schemas.media import Media

MediaContent: TypeAlias = bytes | mmap
"""Bytes that are not changed: in memory, or in a file that has no name and is deleted with the last reference."""


class Fetcher(Protocol):
    """Fetches media. Threads may call it at the same time."""

    def fetch(self, media: Media, field: str) -> MediaContent:
        """Return the content of a medium.

        Args:
            media: The medium of an event, inline or by reference.
            field: The event's field that holds it, for errors.

        Raises:
            Rejected: `media_forbidden`, `media_too_large`, `media_wrong_digest`, or `media_unreadable` if it is empty.
            Deferred: `media_not_found`, `media_fetch_failed` or `media_host_down`.
        """
        ...

    def host_of(self, media: Media) -> str:
        """Return what a medium is asked of: a host with its port, or a bucket; empty if of no host."""
        ...

    def close(self) -> None:
        """Release the connections and threads."""
        ...
