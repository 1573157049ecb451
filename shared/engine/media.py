"""Loads the media of a batch, several at a time, while the previous batch is in hand."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Protocol, runtime_checkable

from schemas.media import Media
from shared.engine.snapshots import ItemT
from shared.errors import Deferred, Rejected
from shared.media.fetching.pool import HostPool
from shared.media.port import Fetcher


@runtime_checkable
class ReadsMedia(Protocol):
    """The part of `Stages` that a stream whose events have media supplies too."""

    def read_media(self, item: Any, name: str, content: bytes) -> None:
        """Decode the content of one medium and keep what the stream needs of it, not the content.

        Several threads call it at once, each with another medium.

        Raises:
            Rejected: the content cannot be used.
        """
        ...


class MediaLoader(Generic[ItemT]):
    """Fetches and decodes media on threads of its own.

    Args:
        media_of: Returns the media of an event, by the names of its fields.
        stages: Decodes them.
        fetcher: Fetches them.
        pool: The threads; their number is the largest number of contents that are in memory at once.
    """

    def __init__(
        self, media_of: Callable[[Any], Mapping[str, Media]], stages: ReadsMedia, fetcher: Fetcher, pool: HostPool
    ) -> None:
        self._media_of, self._stages, self._fetcher, self._pool = media_of, stages, fetcher, pool

    def load(self, items: Sequence[ItemT]) -> None:
        """Load the media of every item; an item whose media cannot be loaded gets its `media_failure`."""
        loading = [
            (item, self._pool.submit(self._fetcher.host_of(media), partial(self._load, item, name, media)))
            for item in items
            for name, media in self._media_of(item.event).items()
        ]
        for item, loaded in loading:
            failure = loaded.result()
            if failure is not None and not isinstance(item.media_failure, Rejected):
                item.media_failure = failure

    def close(self) -> None:
        """End the threads, once they have finished what they fetch, and close the fetcher."""
        self._pool.close()
        self._fetcher.close()

    def _load(self, item: ItemT, name: str, media: Media) -> Rejected | Deferred | None:
        try:
            self._stages.read_media(item, name, self._fetcher.fetch(media, name))
        except (Rejected, Deferred) as failure:
            return failure
        return None
