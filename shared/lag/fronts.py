"""The first record that a group has not read, remembered: an unchanged partition is not read twice.

A span without records (aborted transactions, markers, compacted gaps) is also remembered, and is scanned only once.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from shared.lag.port import LagReader, PartitionLog, Scan, Span
from shared.records import TopicPartition

COUNTED_OFFSETS = 100
"""Up to this many offsets of a partition are read to count their records. A longer span is given in offsets."""

COMPACTED_FOR_S = 60.0
"""How long an answer about a compacted topic is used: the record may have been removed since."""

Key = tuple[str, TopicPartition]
"""A group and a partition."""


@dataclass(frozen=True, slots=True)
class Front:
    """What lies before a group in a partition.

    Attributes:
        start: The offset from which this holds.
        first: Offset of the first record; None if no record lies before `read_to`.
        first_ms: Its timestamp in ms since the epoch; None if it has none.
        read_to: The offset up to which records were counted.
        records: Number of records from `first` to `read_to`.
        at_s: When it was read, on the monotonic clock.
        fault: Why it is not known; None if it is.
    """

    start: int
    first: int | None
    first_ms: int | None
    read_to: int
    records: int
    at_s: float
    fault: str | None = None

    def holds_at(self, offset: int) -> bool:
        """Return whether this is also what lies before a group at another offset."""
        return self.start <= offset <= (self.read_to if self.first is None else self.first)

    @property
    def next(self) -> int:
        """The offset of the next record, or the first offset that may have one."""
        return self.read_to if self.first is None else self.first

    def lag(self, end: int) -> tuple[int, bool]:
        """Return the records up to an end, and whether they were counted; if not, the number is that of offsets."""
        if self.next >= end:
            return 0, True
        if self.read_to >= end:
            return self.records, True
        return end - self.next, False

    def needed(self, end: int) -> int | None:
        """Return the offset at which a scan up to an end must continue; None if no scan is needed."""
        if self.first is None:
            return self.read_to if self.read_to < end else None
        is_counted = self.read_to >= end or end - self.first > COUNTED_OFFSETS
        return None if is_counted or self.first >= end else max(self.first, self.read_to)


class Fronts:
    """Finds the first record that each group has not read, and remembers it.

    Args:
        reader: Scans the partitions.
    """

    def __init__(self, reader: LagReader) -> None:
        self._reader = reader
        self._known: dict[Key, Front] = {}

    def passed(self, key: Key, committed: int) -> int | None:
        """Return the offset up to which no record is known to follow a commit; None if nothing is remembered about it."""
        known = self._known.get(key)
        return known.next if known is not None and known.holds_at(committed) else None

    def forget(self, places: Collection[TopicPartition]) -> None:
        """Forget what lies in some partitions."""
        self._known = {key: front for key, front in self._known.items() if key[1] not in places}

    def find(
        self, starts: Mapping[Key, int], logs: Mapping[TopicPartition, PartitionLog], at_s: float
    ) -> dict[Key, Front]:
        """Return what lies before each group, and forget all others.

        Args:
            starts: The offset at which each group reads on.
            logs: The partitions.
            at_s: The time on the monotonic clock.
        """
        kept: dict[Key, Front] = {}
        missing: dict[Key, Span] = {}
        for key, start in starts.items():
            place = key[1]
            log = logs[place]
            known = self._usable(key, start, log, at_s)
            begin = start if known is None and start < log.stable else None
            if known is not None:
                kept[key], begin = known, known.needed(log.stable)
            elif begin is None:
                kept[key] = Front(start, None, None, start, 0, at_s)
            if begin is not None:
                missing[key] = Span(place, begin, log.stable)
        scans = self._reader.scan(list(dict.fromkeys(missing.values()))) if missing else {}
        for key, span in missing.items():
            kept[key] = _continued(kept.get(key), span, scans[span], at_s)
        self._known = {key: front for key, front in kept.items() if front.fault is None}
        return kept

    def _usable(self, key: Key, start: int, log: PartitionLog, at_s: float) -> Front | None:
        known = self._known.get(key)
        if known is None or not known.holds_at(start) or known.next > log.high:
            return None
        return None if log.is_compacted and at_s - known.at_s > COMPACTED_FOR_S else known


def _continued(known: Front | None, span: Span, scan: Scan, at_s: float) -> Front:
    if scan.fault is not None and (known is None or known.first is None):
        return Front(span.start, None, None, span.start, 0, at_s, scan.fault)
    if known is None:
        return Front(span.start, scan.first, scan.first_ms, scan.read_to, scan.records, at_s)
    if scan.fault is not None:
        return known
    if known.first is None:
        return replace(
            known, first=scan.first, first_ms=scan.first_ms, read_to=scan.read_to, records=scan.records, at_s=at_s
        )
    return replace(known, read_to=scan.read_to, records=known.records + scan.records)
