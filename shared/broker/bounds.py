"""The bounds of a backfill: from which offset to which each partition is read. They stand in the metadata of commits.

`docs/decisions/0039-backfill.md` says why they stand there.
"""

from dataclasses import dataclass
from typing import NamedTuple

MARK = "backfill"
NO_ID = "-"
PARTS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a backfill was asked for at its first start.

    Attributes:
        from_ms: Records at this time or later, in ms since the Unix epoch.
        until_ms: Records before this time.
        is_now: Whether `until_ms` is the moment of the first start.
        index_only: Whether no results are published.
    """

    from_ms: int
    until_ms: int
    is_now: bool
    index_only: bool

    def agrees_with(self, other: "Wanted") -> bool:
        """Return whether both ask for the same; two that end `now` do, because the first start decides when that is."""
        ends = (self.is_now and other.is_now) or (self.until_ms == other.until_ms and self.is_now == other.is_now)
        return self.from_ms == other.from_ms and self.index_only == other.index_only and ends


class Bounds(NamedTuple):
    """The bounds of one partition.

    Attributes:
        first: The offset of the first record.
        end: The offset after the last one.
        wanted: What was asked for.
    """

    first: int
    end: int
    wanted: Wanted


NO_BOUNDS = Bounds(0, 0, Wanted(0, 0, False, False))
"""Those of a partition of which nothing is read."""


class Commit(NamedTuple):
    """A committed offset, and the bounds beside it; None in a group that is not a backfill's."""

    offset: int
    bounds: Bounds | None = None


def write_metadata(topic_id: str | None, bounds: Bounds | None) -> str:
    """Return the metadata of a commit; empty if there is nothing to say."""
    if bounds is None:
        return topic_id or ""
    wanted = bounds.wanted
    flags = f"{'now' if wanted.is_now else 'fixed'} {'points' if wanted.index_only else 'results'}"
    return f"{topic_id or NO_ID} {MARK} {bounds.first} {bounds.end} {wanted.from_ms} {wanted.until_ms} {flags}"


def topic_id_in(metadata: str | None) -> str | None:
    """Return the topic id that the metadata of a commit names; None if it names no id."""
    named = (metadata or "").partition(" ")[0]
    return named if named not in ("", NO_ID) else None


def bounds_in(metadata: str | None) -> Bounds | None:
    """Return the bounds in the metadata of a commit; None if it holds no bounds."""
    parts = (metadata or "").split(" ")
    if len(parts) != PARTS or parts[1] != MARK:
        return None
    numbers, (until, results) = parts[2:6], parts[6:]
    if not all(each.isascii() and each.isdecimal() for each in numbers):
        return None
    first, end, from_ms, until_ms = map(int, numbers)
    return Bounds(first, end, Wanted(from_ms, until_ms, until == "now", results == "points"))
