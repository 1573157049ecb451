"""Loads media that no batch waits for: they are fetched, decoded and read on threads of their own.

A record whose medium has not been read yet is deferred, and finds what was read, or why it failed, when it comes back from
the retry lane. After a restart, its medium is simply read again.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import Clock
from shared.engine.snapshots import ItemT
from shared.engine.stages import ReadsApart
from shared.errors import Deferred, Rejected
from shared.media.fetching.pool import HostPool
from shared.media.port import Fetcher

MOST_MEDIA = 500
"""The most media that are being read, or have been read and wait for their records. A reading takes about 0.2 MB."""

FIRST_TIER, LATER_TIER = 1, 2
"""The tiers in which a record waits whose medium is being read, and one for whose medium there is no room yet: of a large
backlog, few records come back at a time, so that they take little of the worker."""

FORGOTTEN_S = 1_800.0
"""How long a reading waits for its record if others need its place: twice the first waiting times, for a record that
comes back late. Its record may belong to another worker by now."""


@dataclass(slots=True)
class _Reading:
    """A medium that is being read, or has been read.

    Attributes:
        outcome: What was read of it, or why it failed.
        ended_s: When reading ended, on the monotonic clock; None if it has not.
    """

    outcome: "Future[Any]"
    ended_s: float | None = None


class ApartLoader(Generic[ItemT]):
    """Loads media without waiting for them. `load` is called by one thread at a time.

    Args:
        media_of: Returns the media of an event, by the names of its fields.
        stages: Reads them.
        fetcher: Fetches them.
        pool: The threads; each fetches, decodes and reads one medium.
        clock: Measures how long readings wait for their records.
    """

    def __init__(
        self,
        media_of: Callable[[Any], Mapping[str, Media]],
        stages: ReadsApart,
        fetcher: Fetcher,
        pool: HostPool,
        clock: Clock,
    ) -> None:
        self._media_of, self._stages, self._fetcher, self._pool, self._clock = media_of, stages, fetcher, pool, clock
        self._readings: OrderedDict[Media, _Reading] = OrderedDict()

    def load(self, items: Sequence[ItemT]) -> None:
        """Give each item what was read of its media, or begin to read them; then it gets its `media_failure`."""
        for item in items:
            for name, media in self._media_of(item.event).items():
                failure = self._load(item, name, media)
                if failure is not None and not isinstance(item.media_failure, Rejected):
                    item.media_failure = failure

    def close(self) -> None:
        """End the threads, once they have finished what they read, and close the fetcher."""
        self._pool.close()
        self._fetcher.close()

    def _load(self, item: ItemT, name: str, media: Media) -> Rejected | Deferred | None:
        reading = self._readings.get(media)
        if reading is None:
            return _not_yet(name, FIRST_TIER if self._begin(name, media) else LATER_TIER)
        if not reading.outcome.done():
            return _not_yet(name)
        del self._readings[media]  # what fails is tried again, and what a reference means may have changed
        try:
            found = reading.outcome.result()
        except (Rejected, Deferred) as failure:
            failure.__cause__ = failure.__context__ = None
            return failure.with_traceback(None)  # it would hold the content until the next garbage collection
        except CancelledError:  # the loader is being closed
            return _not_yet(name)
        self._stages.use_reading(item, name, found)
        return None

    def _begin(self, name: str, media: Media) -> bool:
        """Begin to read a medium; return whether there was room for another one."""
        if len(self._readings) >= MOST_MEDIA and not self._forget_one():
            return False
        outcome = self._pool.submit(self._fetcher.host_of(media), partial(self._read, name, media))
        reading = self._readings[media] = _Reading(outcome)
        outcome.add_done_callback(lambda _: self._end(reading))
        return True

    def _end(self, reading: _Reading) -> None:
        reading.ended_s = self._clock.monotonic_s()

    def _forget_one(self) -> bool:
        """Drop the reading that has waited longest for its record, if it has waited too long."""
        ended = {media: each.ended_s for media, each in self._readings.items() if each.ended_s is not None}
        oldest = min(ended, key=ended.__getitem__, default=None)
        if oldest is None or self._clock.monotonic_s() - ended[oldest] < FORGOTTEN_S:
            return False
        del self._readings[oldest]
        return True

    def _read(self, name: str, media: Media) -> Any:
        return self._stages.read_apart(self._fetcher.fetch(media, name), name)


def _not_yet(name: str, tier: int = FIRST_TIER) -> Deferred:
    detail = "it is fetched and read while other records are processed"
    return Deferred(FailureReason.MEDIA_SLOW, name, detail, attempted=False, least_tier=tier)
