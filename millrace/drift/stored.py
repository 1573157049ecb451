"""Reads decided items of a stream's collection: a sample of a period, or the newest ones."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from millrace.drift.rows import DecidedItem, decided_item, is_decided
from shared.engine.snapshots import DECISION_FIELD, MOMENT
from shared.engine.stream import Stream
from shared.vectorstore.port import Collection

LOOKED_UP_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Period:
    """The items that a reference is built from.

    Attributes:
        since: When the first of them may have happened; None for any time.
        until: The moment before which the last of them happened; None for any time.
        limit: The largest number of items. Of more items, a sample of the whole period is taken; without a beginning,
            the newest ones.
    """

    since: datetime | None
    until: datetime | None
    limit: int

    def holds(self, moment: datetime) -> bool:
        """Return whether the period holds a moment."""
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


def rank_of(period: Period, moment: float, identity: bytes) -> float:
    """Return what decides which items are taken if there are too many: those with the largest rank.

    A digest of its identity gives each item of a period the same chance, in whatever order items are read.

    Args:
        period: The period.
        moment: When the item happened, in seconds.
        identity: What distinguishes it from the others.
    """
    if period.since is None:
        return moment
    return float(int.from_bytes(blake2b(identity, digest_size=6).digest()))


def chosen_decided(
    stream: Stream[Any, Any], collection: Collection, period: Period, advance: Callable[[int], None]
) -> list[UUID]:
    """Return the ids of decided items of a period, the newest first. Tombstones and other points are left out.

    Args:
        stream: The stream.
        collection: Its collection.
        period: Which items are taken.
        advance: Is called with the number of points that were read.

    Raises:
        Unavailable: the store cannot be read.
    """
    fields = ("tenant_id", stream.id_field, "occurred_at", "deleted", DECISION_FIELD)
    held: list[tuple[float, datetime, UUID]] = []
    for which, payload in collection.scroll(fields):
        advance(1)
        if not stream.points.is_ours(which, payload) or not is_decided(payload):
            continue
        moment = _moment(payload)
        if moment is None or not period.holds(moment):
            continue
        entry = (rank_of(period, moment.timestamp(), which.bytes), moment, which)
        if len(held) < period.limit:
            heapq.heappush(held, entry)
        else:
            heapq.heappushpop(held, entry)
    return [which for _, _, which in sorted(held, key=lambda each: each[1:], reverse=True)]


def read_decided(
    stream: Stream[Any, Any], collection: Collection, ids: list[UUID], advance: Callable[[int], None]
) -> Iterator[DecidedItem]:
    """Yield the items of these ids; those that were deleted or overwritten since are left out.

    Raises:
        Unavailable: the store cannot be read.
        Fatal: a point has no valid version.
    """
    for start in range(0, len(ids), LOOKED_UP_AT_ONCE):
        chunk = ids[start : start + LOOKED_UP_AT_ONCE]
        stored = collection.lookup(chunk)
        for which in chunk:
            if which in stored:
                item = decided_item(stream, which, stored[which].payload, stored[which].vectors)
                if item is not None:
                    yield item
        advance(len(chunk))


def _moment(payload: Mapping[str, object]) -> datetime | None:
    try:
        return MOMENT.validate_python(payload.get("occurred_at"))
    except ValidationError:
        return None
