"""What the engine needs to fetch a medium."""

from typing import Protocol

from schemas.media import Media


class Fetcher(Protocol):
    """Fetches media. Threads may call it at the same time."""

    def fetch(self, media: Media, field: str) -> bytes:
        """Return the content of a medium.

        Args:
            media: The medium of an event, inline or by reference.
            field: The event's field that holds it, for errors.

        Raises:
            Rejected: it can never be fetched: it is forbidden, too large, or not what the event says.
            Deferred: it is not there yet, or could not be fetched this time.
        """
        ...
