"""What the measurement of lag needs of a cluster; `shared.broker.group_lag.KafkaLagReader` is the real reader."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shared.records import TopicPartition


@dataclass(frozen=True, slots=True)
class PartitionLog:
    """The log of a partition.

    Attributes:
        low: Offset of its first record.
        stable: The offset up to which readers of committed records may read.
        high: The offset after its last record; greater than `stable` while a transaction is open.
        retention_ms: How long records are kept; infinite if time deletes none; None if not known.
        is_compacted: Whether records may disappear from its middle.
        fault: Why the offsets are not known; None if they are.
    """

    low: int = 0
    stable: int = 0
    high: int = 0
    retention_ms: float | None = None
    is_compacted: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class GroupLook:
    """A consumer group.

    Attributes:
        name: Its name.
        committed: The committed offsets of the topics that were looked at.
        members: Number of members; None if not known.
        assigned: The topics that are assigned to members; None if not known, or while members join or leave.
        from_beginning: Whether its members start a partition without a commit at its beginning.
        fault: Why the committed offsets are not known; None if they are.
    """

    name: str
    committed: Mapping[TopicPartition, int] = field(default_factory=dict)
    members: int | None = None
    assigned: frozenset[str] | None = None
    from_beginning: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Positions:
    """The offsets of partitions and groups at one time. The ends were read before the commits, so no lag is negative.

    Attributes:
        at_ms: The time in ms since the epoch.
        at_s: The same time on the monotonic clock, in seconds.
        logs: The partitions of the topics that were looked at.
        groups: The groups that exist.
        is_complete: Whether all brokers named their groups.
    """

    at_ms: int
    at_s: float
    logs: Mapping[TopicPartition, PartitionLog]
    groups: Sequence[GroupLook]
    is_complete: bool = True


class Span(NamedTuple):
    """Offsets to scan for records: from `start` up to, and without, `end`."""

    place: TopicPartition
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of a span found; only records that readers of committed records get count.

    Attributes:
        first: Offset of the first record, which may lie after the span; None if none was found.
        first_ms: Its timestamp in ms since the epoch; None if it has none.
        read_to: The offset up to which all records were seen.
        records: Number of records from the first one to `read_to`.
        fault: Why nothing is known; None if the scan worked.
    """

    first: int | None
    first_ms: int | None
    read_to: int
    records: int
    fault: str | None = None


class LagReader(Protocol):
    """Reads the positions of groups and the first records that they have not read; it changes nothing."""

    def positions(self, beat: Callable[[], None]) -> Positions:
        """Return the current positions.

        Args:
            beat: Called between the requests, each of which may take long.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse this user.
        """
        ...

    def scan(self, spans: Sequence[Span]) -> Mapping[Span, Scan]:
        """Return the first record of each span, and the number of records if the span is small."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
