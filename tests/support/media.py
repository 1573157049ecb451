"""A stand-in for the fetching of media, and a medium."""

from base64 import b64decode
from dataclasses import dataclass, field

from schemas.failures import FailureReason
from schemas.media import Media
from shared.errors import Deferred, Rejected

PIXEL = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")
"""A PNG picture of one red pixel."""


@dataclass
class FakeFetcher:
    """Fetches media from a dictionary; a reference that is not in it is not there yet."""

    contents: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, Rejected | Deferred] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def host_of(self, media: Media) -> str:
        """Return the host of a reference."""
        return str(media.uri).split("/")[2] if media.uri else ""

    def close(self) -> None:
        """Do nothing."""

    def fetch(self, media: Media, field: str) -> bytes:
        """Return the content of a medium."""
        if media.content is not None:
            return media.content
        uri = str(media.uri)
        self.asked.append(uri)
        if uri in self.failures:
            raise self.failures[uri]
        if uri not in self.contents:
            raise Deferred(FailureReason.MEDIA_NOT_FOUND, field, "nothing is there")
        return self.contents[uri]
