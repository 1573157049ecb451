"""Loads media that no batch waits for: they are fetched, decoded and read on threads of their own.

A record whose medium has not been read yet is deferred, and finds what was read, or why it failed, when it comes back from
the retry lane. After a restart, its medium is simply read again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from threading import Lock
from typing import Any, Generic
from uuid import UUID

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import Clock
from shared.engine.snapshots import ItemT
from shared.engine.stages import ReadsApart
from shared.errors import Deferred, MillraceError, Rejected
from shared.media.fetching.pool import HostPool
from shared.media.port import Fetcher

MOST_MEDIA = 500
"""The most media that are being read, or have been read and wait for their records. A reading takes about 0.15 MB. Of what
failed, nothing is held, so it is not counted."""

INLINE_CHARS = 64 << 20
"""The most characters of inline contents, in base64, that wait to be read: 67 MB."""

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
        inline_chars: Size of its content, if that is inline and has not been read yet.
        records: The records that wait for it: the point and version of each.
        ended_s: When reading ended, on the monotonic clock; None if it has not.
        has_failed: Whether reading failed.
    """

    outcome: "Future[Any]"
    inline_chars: int
    records: set[tuple[UUID, int]] = field(default_factory=set)
    ended_s: float | None = None
    has_failed: bool = False


class ApartLoader(Generic[ItemT]):
    """Loads media without waiting for them. Several threads may call it.

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
        self._readings: dict[str, _Reading] = {}
        self._lock = Lock()

    def load(self, items: Sequence[ItemT]) -> None:
        """Give each item what was read of its media, or begin to read them; then it gets its `media_failure`.

        A reading is given to every item of one call that refers to the same medium, and then dropped: what fails is tried
        again, and what a reference means may have changed.
        """
        with self._lock:
            used = set[str]()
            for item in items:
                for name, media in self._media_of(item.event).items():
                    failure = self._load(item, name, media, used)
                    if failure is not None and not isinstance(item.media_failure, Rejected):
                        item.media_failure = failure
            for key in used:
                self._readings.pop(key, None)

    def forget(self, items: Sequence[ItemT]) -> None:
        """Drop the readings that only these items wait for: they do not need their media after all."""
        with self._lock:
            for item in items:
                for media in self._media_of(item.event).values():
                    key = _key(media)
                    reading = self._readings.get(key)
                    if reading is None:
                        continue
                    reading.records.discard((item.point_id, item.version))
                    if not reading.records:
                        reading.outcome.cancel()
                        del self._readings[key]

    def close(self) -> None:
        """End the threads, once they have finished what they fetch or read at this moment, and close the fetcher."""
        self._stages.stop_reading()
        self._pool.close()
        self._fetcher.close()

    def _load(self, item: ItemT, name: str, media: Media, used: set[str]) -> Rejected | Deferred | None:
        key = _key(media)
        reading = self._readings.get(key)
        if reading is None:
            reading = self._begin(key, name, media)
            if reading is None:
                return _not_yet(name, LATER_TIER)
            reading.records.add((item.point_id, item.version))
            return _not_yet(name)
        if not reading.outcome.done():
            reading.records.add((item.point_id, item.version))
            return _not_yet(name)
        used.add(key)
        try:
            found = reading.outcome.result()
        except (Rejected, Deferred) as failure:
            return _bare(failure)
        except CancelledError:  # the loader is being closed
            return _not_yet(name)
        self._stages.use_reading(item, name, found)
        return None

    def _begin(self, key: str, name: str, media: Media) -> _Reading | None:
        """Begin to read a medium; return None if there is no room for another one."""
        size = len(media.inline or "")
        if not self._has_room(size):
            return None
        outcome = self._pool.submit(self._fetcher.host_of(media), partial(self._read, name, media))
        reading = self._readings[key] = _Reading(outcome, size)
        outcome.add_done_callback(lambda _: self._end(reading))
        return reading

    def _end(self, reading: _Reading) -> None:
        """Note the end of a reading; called by the thread that has read it."""
        outcome = reading.outcome
        error = None if outcome.cancelled() else outcome.exception()
        if isinstance(error, Rejected | Deferred):
            _bare(error)
        reading.has_failed = error is not None or outcome.cancelled()
        reading.inline_chars, reading.ended_s = 0, self._clock.monotonic_s()

    def _has_room(self, inline_chars: int) -> bool:
        """Return whether another medium can be read, once those are dropped that have waited too long for their records."""
        if len(self._readings) >= MOST_MEDIA:
            before_s = self._clock.monotonic_s() - FORGOTTEN_S
            self._readings = {
                key: each for key, each in self._readings.items() if each.ended_s is None or each.ended_s > before_s
            }
        counted = sum(not each.has_failed for each in self._readings.values())
        waiting = sum(each.inline_chars for each in self._readings.values()) if inline_chars else 0
        return counted < MOST_MEDIA and waiting + inline_chars <= INLINE_CHARS

    def _read(self, name: str, media: Media) -> Any:
        try:
            return self._stages.read_apart(self._fetcher.fetch(media, name), name)
        except (MillraceError, CancelledError):
            raise
        except Exception as error:  # one medium must not end the worker again and again
            raise _failure_of(name, error) from error


def _failure_of(name: str, error: Exception) -> Rejected | Deferred:
    """Return what an unexpected error of reading means for the record: it is tried again if memory was short."""
    kind = type(error).__name__
    if _is_out_of_memory(error):
        return Deferred(FailureReason.MODEL_FAILED, name, f"memory was too short to read it ({kind})")
    return Rejected(FailureReason.MODEL_FAILED, name, f"reading it failed with {kind}", "read")


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether an allocation failed: ONNX Runtime and OpenCV say so in the message of errors of their own."""
    return isinstance(error, MemoryError) or "alloc" in str(error).lower()


def _bare(failure: Rejected | Deferred) -> Rejected | Deferred:
    """Return a failure without its traceback, which would hold the content until the next garbage collection."""
    failure.__cause__ = failure.__context__ = None
    return failure.with_traceback(None)


def _key(media: Media) -> str:
    """Return the digest of a medium, because an inline one holds its content."""
    return sha256(media.model_dump_json().encode()).hexdigest()


def _not_yet(name: str, tier: int = FIRST_TIER) -> Deferred:
    """Return that a medium was not tried yet; the record is not given up for it, however long it has waited."""
    detail = "it is fetched and read while other records are processed"
    return Deferred(FailureReason.MEDIA_SLOW, name, detail, attempted=False, least_tier=tier, expires=False)
