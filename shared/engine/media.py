"""Loads the media of a batch, several at a time, while the previous batch is in hand.

A batch waits for a medium no longer than its host usually takes. A fetch that takes longer goes on without the batch: the
record is deferred, and finds the content when it comes back.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import Clock
from shared.engine.snapshots import Item, ItemT
from shared.errors import Deferred, Rejected
from shared.media.fetching.pool import HostPool
from shared.media.patience import Patience
from shared.media.port import Fetcher, MediaContent

LATE_BYTES = 256 << 20
"""Size of the contents that are kept for records which have not come back yet; beyond it, the oldest are dropped."""

LoadedT = TypeVar("LoadedT", bound=Item[Any], contravariant=True)

LOOK_S = 0.02
BEAT_S = 5.0


@runtime_checkable
class ReadsMedia(Protocol):
    """The part of `Stages` that a stream whose events have media supplies too."""

    def read_media(self, item: Any, name: str, content: MediaContent) -> None:
        """Decode the content of one medium and keep what the stream needs of it.

        Several threads call it at once, each with another medium.

        Raises:
            Rejected: the content cannot be used.
        """
        ...


class LoadsMedia(Protocol[LoadedT]):
    """Loads the media of a batch: `MediaLoader` here, or `shared.engine.apart.ApartLoader`."""

    def load(self, items: Sequence[LoadedT]) -> None:
        """Load the media of every item; an item whose media cannot be loaded gets its `media_failure`."""
        ...

    def close(self) -> None:
        """End the threads, and close the fetcher."""
        ...


@runtime_checkable
class ForgetsMedia(Protocol):
    """The part of `LoadsMedia` of a loader that reads media apart from batches."""

    def forget(self, items: Sequence[Any]) -> None:
        """Drop what is read for these items alone: they do not need their media after all."""
        ...


@dataclass(slots=True)
class _Fetch:
    """One fetch.

    Attributes:
        media: The medium.
        host: What it is asked of.
        content: The content, once it is there; None if it is not fetched, because its host is slow.
        is_awaited: Whether the batch waits for it; not if its host was late before, and this fetch finds out about it.
        began_s: When a thread began it, on the monotonic clock.
    """

    media: Media
    host: str
    content: "Future[MediaContent] | None" = None
    is_awaited: bool = True
    began_s: float | None = None


class MediaLoader(Generic[ItemT]):
    """Fetches and decodes media on threads of its own. `load` is called by one thread at a time.

    Args:
        media_of: Returns the media of an event, by the names of its fields.
        stages: Decodes them.
        fetcher: Fetches them.
        pool: The threads; their number is the largest number of contents that are fetched or decoded at once.
        clock: Measures how long hosts take.
        beat: Called while media are being decoded, which may take longer than a heartbeat may be old; see
            `Lifecycle.beat_or_abandon`.
    """

    def __init__(
        self,
        media_of: Callable[[Any], Mapping[str, Media]],
        stages: ReadsMedia,
        fetcher: Fetcher,
        pool: HostPool,
        clock: Clock,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._beat = beat
        self._media_of, self._stages, self._fetcher, self._pool, self._clock = media_of, stages, fetcher, pool, clock
        self._patience = Patience()
        self._late: OrderedDict[Media, _Fetch] = OrderedDict()

    def load(self, items: Sequence[ItemT]) -> None:
        """Load the media of every item; an item whose media cannot be loaded gets its `media_failure`.

        Raises:
            Stopped: a heartbeat has abandoned the work.
        """
        slow = {fetch.host for fetch in self._unfinished()}
        wanted = [(item, name, media) for item in items for name, media in self._media_of(item.event).items()]
        # No more contents than threads are in memory at once, apart from those that are late.
        for begin in range(0, len(wanted), self._pool.parallel):
            self._load(wanted[begin : begin + self._pool.parallel], slow)
        self._drop_oldest()

    def _load(self, wanted: Sequence[tuple[ItemT, str, Media]], slow: set[str]) -> None:
        """Load some media at once. `slow` are the hosts that the batch does not wait for; those found slow are added."""
        fetches = [(item, name, self._begin(name, media, slow)) for item, name, media in wanted]
        for _, _, fetch in fetches:
            self._wait(fetch, slow)
        reading = [
            (item, self._pool.submit("", partial(self._read, item, name, fetch))) for item, name, fetch in fetches
        ]
        for item, read in reading:
            while not read.done():
                wait([read], timeout=BEAT_S)
                self._beat()
            failure = read.result()
            if failure is not None and not isinstance(item.media_failure, Rejected):
                item.media_failure = failure

    def close(self) -> None:
        """End the threads, once they have finished what they fetch, and close the fetcher."""
        self._pool.close()
        self._fetcher.close()

    def _begin(self, name: str, media: Media, slow: set[str]) -> _Fetch:
        """Return the fetch of a medium: one that is late since an earlier batch, or a new one, unless its host is slow.

        Of a host that was late before, one medium is fetched at a time, and the batch does not wait for it.
        """
        late = self._late.pop(media, None)
        if late is not None:
            return late
        fetch = _Fetch(media, self._fetcher.host_of(media))
        if fetch.host not in slow:
            if self._patience.is_suspect(fetch.host):
                slow.add(fetch.host)
                fetch.is_awaited = False
            fetch.content = self._pool.submit(fetch.host, partial(self._fetch, fetch, name))
        return fetch

    def _fetch(self, fetch: _Fetch, name: str) -> MediaContent:
        fetch.began_s = self._clock.monotonic_s()
        content = self._fetcher.fetch(fetch.media, name)
        self._patience.note(fetch.host, self._clock.monotonic_s() - fetch.began_s)
        return content

    def _wait(self, fetch: _Fetch, slow: set[str]) -> None:
        """Wait for a fetch as long as its host usually takes; after that, its host is slow for the rest of the batch."""
        while fetch.content is not None and not fetch.content.done() and fetch.host not in slow:
            began_s, now_s = fetch.began_s, self._clock.monotonic_s()
            if began_s is not None and now_s - began_s >= self._patience.of(fetch.host):
                slow.add(fetch.host)
                self._patience.suspect(fetch.host)
            else:
                wait([fetch.content], timeout=LOOK_S)
                self._beat()

    def _read(self, item: ItemT, name: str, fetch: _Fetch) -> Rejected | Deferred | None:
        """Decode what was fetched; return the failure. A fetch that has begun and is not finished is kept."""
        content = fetch.content
        if content is None or (fetch.is_awaited and content.cancel()):
            return _not_yet(name, fetch.host)
        if not content.done():
            self._late[fetch.media] = fetch
            return _not_yet(name, fetch.host)
        try:
            self._stages.read_media(item, name, content.result())
        except (Rejected, Deferred) as failure:
            failure.__cause__ = failure.__context__ = None
            return failure.with_traceback(None)  # it would hold the content until the next garbage collection
        except CancelledError:  # the loader is being closed
            return _not_yet(name, fetch.host)
        return None

    def _unfinished(self) -> Iterator[_Fetch]:
        return (fetch for fetch in self._late.values() if fetch.content is not None and not fetch.content.done())

    def _drop_oldest(self) -> None:
        """Drop contents that nobody has asked for; their records fetch them again."""
        sizes = {media: _size_bytes(fetch) for media, fetch in self._late.items()}
        total_bytes = sum(sizes.values())
        for media, size_bytes in sizes.items():
            if total_bytes <= LATE_BYTES:
                return
            if size_bytes:
                del self._late[media]
                total_bytes -= size_bytes


def _not_yet(name: str, host: str) -> Deferred:
    detail = f"{host} takes longer than usual; the record does not hold up the others"
    return Deferred(FailureReason.MEDIA_SLOW, name, detail, attempted=False)


def _size_bytes(fetch: _Fetch) -> int:
    content = fetch.content
    if content is None or not content.done() or content.cancelled() or content.exception() is not None:
        return 0
    return len(content.result())
