"""The state of a partition, and the numbers of a partition and of a topic, for one group. `docs/lag.md` defines them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.records import TopicPartition


class State(StrEnum):
    """How a group stands in a partition, from harmless to bad."""

    LEFT = "left"
    CAUGHT_UP = "caught_up"
    BEHIND = "behind"
    UNKNOWN = "unknown"
    STUCK = "stuck"
    STALLED = "stalled"
    EXPIRED = "expired"


def worst(states: Iterable[State]) -> State:
    """Return the worst of some states; `left` if nothing is given."""
    order = list(State)
    return max(states, key=order.index, default=State.LEFT)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the state of a partition follows from.

    Attributes:
        waits: Whether a record waits.
        lost: Offsets that were deleted before they were read.
        members: Number of members of the group; None if not known.
        still_s: How long looks have seen records wait behind the same position.
        has_moved: Whether the position moved since the last look.
        commits_alone: Whether the group has been seen to move without members, as readers do that never join it.
    """

    waits: bool
    lost: int
    members: int | None
    still_s: float
    has_moved: bool
    commits_alone: bool


def judge(evidence: Evidence, stuck_after_s: float) -> State:
    """Return the state of a partition whose offsets are known."""
    if evidence.lost:
        return State.EXPIRED
    if not evidence.waits:
        return State.CAUGHT_UP
    has_stopped = not evidence.has_moved and evidence.still_s >= stuck_after_s
    if evidence.members == 0:
        waited_for = has_stopped if evidence.commits_alone else not evidence.has_moved
        return State.STALLED if waited_for else State.BEHIND
    return State.STUCK if has_stopped else State.BEHIND


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The lag of a group in a partition. Of an unknown one, only the state and the reason are known, and sometimes more.

    If only the first unread record of an unknown partition could not be read, the offsets are known, and the age is that of
    the record which was the first one before: the true one is not older.

    Attributes:
        partition: The number of the partition.
        state: The state.
        records: Number of records that the group has not read.
        is_counted: Whether `records` counts records; else it counts offsets, some of which may hold no record.
        committed: The committed offset; None if nothing is committed.
        oldest_ms: When the first of these records was written, or, if it has no timestamp, when it was first seen
            waiting, in ms since the epoch; None if no record waits.
        lost: Offsets that were deleted before they were read.
        held_back: Offsets behind an open transaction, which nobody may read yet.
        produced_per_s: Offsets written per second; None if not known yet.
        consumed_per_s: Offsets read per second; None if not known yet.
        retention_ms: How long records are kept; infinite if time deletes none; None if not known.
        reason: Why the state is unknown; empty if it is known.
        moved_ms: If the group moved since the look before: the time of this look, in ms since the epoch. Until the next
            look its age does not grow, as it reads on; one that has stopped is seen not to move then.
    """

    partition: int
    state: State
    records: int = 0
    is_counted: bool = True
    committed: int | None = None
    oldest_ms: int | None = None
    lost: int = 0
    held_back: int = 0
    produced_per_s: float | None = None
    consumed_per_s: float | None = None
    retention_ms: float | None = None
    reason: str = ""
    moved_ms: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether the state is known."""
        return self.state is not State.UNKNOWN

    @property
    def has_numbers(self) -> bool:
        """Whether the numbers are known."""
        return self.is_known or self.oldest_ms is not None

    def age_s(self, now_ms: float) -> float:
        """Return the age of the first record that the group has not read; 0 if none waits or it is in the future."""
        if self.oldest_ms is None:
            return 0.0
        return max(0.0, ((now_ms if self.moved_ms is None else self.moved_ms) - self.oldest_ms) / 1000)

    def expiry_s(self, now_ms: float) -> float | None:
        """Return the time until retention may delete an unread record; infinite if none waits or none expires.

        None if the retention time is not known. It always counts down, also while the group moves.
        """
        if self.oldest_ms is None:
            return math.inf
        if self.retention_ms is None:
            return None
        return max(0.0, (self.oldest_ms + self.retention_ms - now_ms) / 1000)

    def retention_used(self, now_ms: float) -> float | None:
        """Return the age as a share of the retention time; None if that is not known."""
        if self.oldest_ms is None:
            return 0.0
        return None if self.retention_ms is None else 1000 * self.age_s(now_ms) / max(1.0, self.retention_ms)


@dataclass(frozen=True, slots=True)
class TopicLag:
    """The lag of a group in a topic.

    Attributes:
        group: The group.
        topic: The topic.
        members: Number of members of the group; None if not known.
        partitions: Its partitions, by number; empty if the group has left.
        reason: Why it has left; empty if it has not.
        on_purpose: Whether records wait in this topic on purpose, as in the retry lane.
    """

    group: str
    topic: str
    members: int | None = None
    partitions: tuple[PartitionLag, ...] = ()
    reason: str = ""
    on_purpose: bool = False

    @property
    def state(self) -> State:
        """The worst state of its partitions."""
        return worst(each.state for each in self.partitions)

    @property
    def known(self) -> list[PartitionLag]:
        """The partitions whose numbers are known."""
        return [each for each in self.partitions if each.has_numbers]

    @property
    def records(self) -> int:
        """Number of records that the group has not read."""
        return sum(each.records for each in self.partitions)

    @property
    def is_counted(self) -> bool:
        """Whether `records` counts records in all partitions."""
        return all(each.is_counted for each in self.partitions)

    @property
    def lost(self) -> int:
        """Offsets that were deleted before they were read."""
        return sum(each.lost for each in self.partitions)

    @property
    def held_back(self) -> int:
        """Offsets behind open transactions."""
        return sum(each.held_back for each in self.partitions)

    @property
    def produced_per_s(self) -> float | None:
        """Offsets written per second; None if not known yet."""
        return _total(each.produced_per_s for each in self.known)

    @property
    def consumed_per_s(self) -> float | None:
        """Offsets read per second; None if not known yet."""
        return _total(each.consumed_per_s for each in self.known)

    def age_s(self, now_ms: float) -> float:
        """Return the age of the oldest record that the group has not read; 0 if none waits."""
        return max((each.age_s(now_ms) for each in self.partitions), default=0.0)

    def expiry_s(self, now_ms: float) -> float | None:
        """Return the least time until retention may delete an unread record; None if not known."""
        return min(_known(each.expiry_s(now_ms) for each in self.known), default=None)

    def retention_used(self, now_ms: float) -> float | None:
        """Return the highest share of the retention time that an unread record has used; None if not known."""
        return max(_known(each.retention_used(now_ms) for each in self.known), default=None)

    @property
    def drain_s(self) -> float | None:
        """Time until all is read at the present rates; infinite if it falls behind.

        None if the rates or one of the partitions are not known: the rest of them says nothing about the whole.
        """
        if any(each.state in (State.STUCK, State.STALLED) for each in self.partitions):
            return math.inf
        if not all(each.is_known for each in self.partitions):
            return None
        if not self.records:
            return 0.0
        produced, consumed = self.produced_per_s, self.consumed_per_s
        if produced is None or consumed is None:
            return None
        return self.records / (consumed - produced) if consumed > produced else math.inf


def _known(values: Iterable[float | None]) -> list[float]:
    return [each for each in values if each is not None]


def _total(rates: Iterable[float | None]) -> float | None:
    known = _known(rates)
    return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class LagReport:
    """What one look found.

    Attributes:
        at_ms: When, in ms since the epoch.
        took_s: How long it took.
        topics: The lag of each group in each of its topics.
        left: Groups that were known or asked for and have no offsets any more, or do not read a topic any more.
        ends: First offset and readable end of each partition.
        produced_per_s: Offsets per second that were written to each topic; without those not known yet.
    """

    at_ms: int
    took_s: float
    topics: tuple[TopicLag, ...]
    left: tuple[TopicLag, ...]
    ends: Mapping[TopicPartition, tuple[int, int]]
    produced_per_s: Mapping[str, float]

    @property
    def state(self) -> State:
        """The worst state."""
        return worst(each.state for each in self.topics)
