"""A stand-in for a cluster whose groups are measured: a test sets its offsets and records, and counts what is read."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.lag.fronts import COUNTED_OFFSETS
from shared.lag.port import GroupLook, LagReader, PartitionLog, Positions, Scan, Span
from shared.records import TopicPartition
from tests.support.fakes import ManualClock

ONLY = TopicPartition("orders", 0)


@dataclass
class LagCluster(LagReader):
    """Partitions with the records that readers may read: offsets and times in ms; None for a time means it has none.

    Attributes:
        clock: The time.
        logs: The partitions.
        records: The readable records of each partition.
        groups: The groups, by name.
        is_complete: Whether all brokers answer.
        fault: A fault of each scan.
        scanned: The spans that were scanned.
        took_s: How long each look takes.
    """

    clock: ManualClock
    logs: dict[TopicPartition, PartitionLog] = field(default_factory=dict)
    records: dict[TopicPartition, dict[int, int | None]] = field(default_factory=dict)
    groups: dict[str, GroupLook] = field(default_factory=dict)
    is_complete: bool = True
    fault: str | None = None
    scanned: list[Span] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def now_ms(self) -> int:
        """The time in ms since the epoch."""
        return round(self.clock.now().timestamp() * 1000)

    def write(self, count: int, place: TopicPartition = ONLY, age_s: float = 0.0, step: int = 1) -> None:
        """Append records of an age; with a step above 1, there are gaps between them."""
        log = self.logs.get(place, PartitionLog())
        at_ms = self.now_ms - round(1000 * age_s)
        new = {log.high + step * at: at_ms for at in range(count)}
        self.records.setdefault(place, {}).update(new)
        self.set_log(place, stable=log.high + step * count, high=log.high + step * count)

    def set_log(self, place: TopicPartition = ONLY, **changes: object) -> None:
        """Change a partition."""
        log = self.logs.get(place, PartitionLog())
        values = {name: getattr(log, name) for name in PartitionLog.__dataclass_fields__}
        self.logs[place] = PartitionLog(**values | changes)

    def group(self, name: str = "g", members: int | None = 1, **changes: object) -> None:
        """Set a group."""
        known = self.groups.get(name, GroupLook(name))
        values = {each: getattr(known, each) for each in GroupLook.__dataclass_fields__}
        self.groups[name] = GroupLook(**values | {"members": members} | changes)

    def commit(self, offset: int, place: TopicPartition = ONLY, name: str = "g") -> None:
        """Commit an offset."""
        known = self.groups.get(name, GroupLook(name, members=1))
        self.group(name, known.members, committed={**known.committed, place: offset})

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.wait(threading.Event(), seconds)

    def positions(self, beat: Callable[[], None]) -> Positions:
        """Return the positions."""
        beat()
        self.clock.seconds += self.took_s
        groups = list(self.groups.values())
        return Positions(self.now_ms, self.clock.monotonic_s(), dict(self.logs), groups, self.is_complete)

    def scan(self, spans: Sequence[Span]) -> Mapping[Span, Scan]:
        """Scan the records as the real reader does."""
        self.scanned += spans
        return {span: self._scan(span) for span in spans}

    def close(self) -> None:
        """Do nothing."""

    def _scan(self, span: Span) -> Scan:
        if self.fault is not None:
            return Scan(None, None, span.start, 0, self.fault)
        found = sorted(offset for offset in self.records.get(span.place, {}) if offset >= span.start)
        if not found:
            return Scan(None, None, max(span.end, self.logs[span.place].stable), 0)
        first = found[0]
        if first >= span.end:
            return Scan(first, self.records[span.place][first], first, 0)
        if span.end - first > COUNTED_OFFSETS:
            return Scan(first, self.records[span.place][first], first + 1, 1)
        counted = sum(offset < span.end for offset in found)
        return Scan(first, self.records[span.place][first], span.end, counted)
