"""Measures the lag of groups again and again: positions, first records and their history become reports."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.clock import Clock
from shared.lag.fronts import Front, Fronts, Key
from shared.lag.history import MISSED_LOOKS, History, Motion
from shared.lag.port import GroupLook, LagReader, PartitionLog, Positions
from shared.lag.presence import Presence, Reading
from shared.lag.states import Evidence, LagReport, PartitionLag, State, TopicLag, judge
from shared.records import TopicPartition

LEAST_PAUSE_S = 30.0
NO_TOPIC = TopicPartition("", -1)
"""Stands for what a group reads that could not be asked and that was not seen before."""

NO_COMMIT = "the group has not committed an offset here, so where it starts is not known"
BEYOND_END = (
    "the committed offset lies beyond the end of the log: the topic was made again, or the brokers lost records"
)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A partition that a group reads.

    Attributes:
        log: The partition.
        committed: The committed offset; None if nothing is committed.
        start: Where the group reads on.
        lost: Offsets that were deleted before they were read.
        is_beyond: Whether the committed offset is beyond the end of the log.
    """

    log: PartitionLog
    committed: int | None
    start: int
    lost: int
    is_beyond: bool


class LagMeter:
    """Measures lag; each look adds to the history that rates and `stuck` need. Used by one thread.

    Args:
        reader: Reads the cluster.
        clock: Measures how long a look takes.
        interval_s: The usual time between two looks.
        stuck_after_s: How long a position may stand still before it is stuck.
        expected: Names of groups that are reported as left if they do not exist.
        on_purpose: Topics in which records wait on purpose, so that nobody is stuck there.
    """

    def __init__(
        self,
        reader: LagReader,
        clock: Clock,
        interval_s: float,
        stuck_after_s: float,
        expected: Sequence[str] = (),
        on_purpose: frozenset[str] = frozenset(),
    ) -> None:
        self._on_purpose = on_purpose
        self._reader, self._clock, self._stuck_after_s = reader, clock, stuck_after_s
        longest_pause_s = max(LEAST_PAUSE_S, MISSED_LOOKS * interval_s)
        self._presence, self._fronts = Presence(expected), Fronts(reader)
        self._read, self._written = History[Key](longest_pause_s), History[TopicPartition](longest_pause_s)
        self._last: dict[Key, _Subject] = {}
        self._oldest_ms: dict[Key, int] = {}
        self._logs: Mapping[TopicPartition, PartitionLog] = {}
        self._ended_s: float | None = None
        self._without_members: set[str] = set()
        self._commits_alone: set[str] = set()

    def measure(self, beat: Callable[[], None] = lambda: None) -> LagReport:
        """Look once.

        Args:
            beat: Called between the requests, each of which may take long.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse this user.
        """
        began_s = self._clock.monotonic_s()
        positions = self._reader.positions(beat)
        beat()
        paused_s = began_s - (began_s if self._ended_s is None else self._ended_s)
        self._read.begin(positions.at_s, positions.at_ms, paused_s)
        self._written.begin(positions.at_s, positions.at_ms, paused_s)
        self._fronts.forget(_made_again(self._logs, positions.logs))
        written = self._write_rates(positions)
        readings, left = self._presence.update(positions)
        subjects = {key: found for each in readings for key, found in self._subjects(each, positions.logs).items()}
        starts = {key: subject.start for key, subject in subjects.items()}
        fronts = self._fronts.find(starts, positions.logs, positions.at_s)
        beat()
        topics = [
            TopicLag(each.group.name, topic, each.group.members, found, on_purpose=topic in self._on_purpose)
            for each in readings
            for topic, found in self._topics(each, subjects, fronts, positions.logs, written)
        ]
        self._remember(subjects, topics, readings, positions)
        ends = {place: (log.low, log.stable) for place, log in positions.logs.items() if log.fault is None}
        self._ended_s = self._clock.monotonic_s()
        took_s = self._ended_s - began_s
        return LagReport(positions.at_ms, took_s, tuple(topics), tuple(left), ends, _by_topic(written))

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def _topics(
        self,
        reading: Reading,
        subjects: Mapping[Key, _Subject],
        fronts: Mapping[Key, Front],
        logs: Mapping[TopicPartition, PartitionLog],
        written: Mapping[TopicPartition, float | None],
    ) -> Iterator[tuple[str, tuple[PartitionLag, ...]]]:
        """Yield the topics of a group with the lag in their partitions."""
        group, moves = reading.group, self._moves(reading, subjects, fronts)
        if not reading.places:
            yield NO_TOPIC.topic, (_unknown(NO_TOPIC, group.fault),)
        for topic, places in reading.places.items():
            found = [
                self._partition(group, place, subjects, fronts, moves)
                if (group.name, place) in subjects
                else _unknown(place, group.fault or logs[place].fault)
                for place in places
            ]
            yield topic, tuple(_with_rate(lag, written.get(place)) for lag, place in zip(found, places, strict=True))

    def _remember(
        self,
        subjects: Mapping[Key, _Subject],
        topics: Sequence[TopicLag],
        readings: Sequence[Reading],
        positions: Positions,
    ) -> None:
        """Keep what the next look needs of this one, and forget all else."""
        self._read.keep(subjects.keys())
        read = {(each.group.name, topic) for each in readings for topic in each.places}
        kept = {key: last for key, last in self._last.items() if (key[0], key[1].topic) in read}
        self._last = kept | dict(subjects)
        self._logs = {
            place: log if log.fault is None else self._logs.get(place, log) for place, log in positions.logs.items()
        }
        self._oldest_ms = {
            (topic.group, TopicPartition(topic.topic, each.partition)): each.oldest_ms
            for topic in topics
            for each in topic.known
            if each.oldest_ms is not None
        }
        names = {each.group.name for each in readings}
        self._without_members &= names
        self._commits_alone &= names

    def _write_rates(self, positions: Positions) -> dict[TopicPartition, float | None]:
        rates = {
            place: self._written.add(place, log.stable).per_s
            for place, log in positions.logs.items()
            if log.fault is None
        }
        self._written.keep(rates.keys())
        return rates

    def _subjects(self, reading: Reading, logs: Mapping[TopicPartition, PartitionLog]) -> dict[Key, _Subject]:
        group = reading.group
        if group.fault is not None:
            return {}
        found = {}
        for place in (each for places in reading.places.values() for each in places):
            key, log, committed = (group.name, place), logs[place], group.committed.get(place)
            if log.fault is None:
                # A commit is read after the end, so one that is newer than the end may be right; an older one is not.
                last = self._last.get(key)
                last_commit = None if last is None else last.committed
                is_beyond = committed is not None and last_commit is not None and last_commit > log.high
                begin = log.low if committed is None or is_beyond else committed
                lost = self._lost(key, begin, log) if begin < log.low else 0
                found[key] = _Subject(log, committed, max(begin, log.low), lost, is_beyond)
        return found

    def _lost(self, key: Key, begin: int, log: PartitionLog) -> int:
        """Return how many offsets were deleted before the group read them, but for those known to hold no record.

        A group that commits the offset after its last record leaves the marker of its transaction unread for ever. If the
        log is then deleted up to its end, nothing shows any more what that one offset was. Each quiet group would have
        lost data whenever a measurement begins, so it counts only if a look has seen a record there.
        """
        last, lost = self._last.get(key), 0
        if last is not None and last.committed == begin:
            begin, lost = last.start, last.lost
        passed = self._fronts.passed(key, begin)
        new = max(0, log.low - (begin if passed is None else passed))
        may_be_marker = passed is None and new == 1 and log.low == log.high
        return lost if may_be_marker else lost + new

    def _moves(
        self, reading: Reading, subjects: Mapping[Key, _Subject], fronts: Mapping[Key, Front]
    ) -> dict[Key, Motion]:
        """Add the group's positions to the history, and notice if it moves although it has no members."""
        group, moves = reading.group, {}
        for place in (each for places in reading.places.values() for each in places):
            key = (group.name, place)
            if key in subjects and fronts[key].fault is None:
                subject = subjects[key]
                waits = fronts[key].next < subject.log.stable
                moves[key] = self._read.add(key, subject.committed, waits)
        if group.members:
            self._commits_alone.discard(group.name)
            self._without_members.discard(group.name)
        elif group.members == 0:
            if group.name in self._without_members and any(each.has_moved for each in moves.values()):
                self._commits_alone.add(group.name)
            self._without_members.add(group.name)
        return moves

    def _partition(
        self,
        group: GroupLook,
        place: TopicPartition,
        subjects: Mapping[Key, _Subject],
        fronts: Mapping[Key, Front],
        moves: Mapping[Key, Motion],
    ) -> PartitionLag:
        key = (group.name, place)
        subject, front = subjects[key], fronts[key]
        log = subject.log
        if front.fault is not None:
            return self._without_front(key, subject, front.fault)
        records, is_counted = front.lag(log.stable)
        if subject.committed is None and records and not group.from_beginning:
            return _unknown(place, NO_COMMIT)
        if subject.is_beyond and not group.from_beginning:
            return _unknown(place, BEYOND_END)
        motion = moves[key]
        evidence = Evidence(
            records > 0,
            subject.lost,
            group.members,
            motion.still_s,
            motion.has_moved,
            group.name in self._commits_alone,
        )
        waits_since_ms = motion.still_since_ms if front.first_ms is None else front.first_ms
        return PartitionLag(
            place.partition,
            judge(evidence, math.inf if place.topic in self._on_purpose else self._stuck_after_s),
            records,
            is_counted,
            subject.committed,
            waits_since_ms if records else None,
            subject.lost,
            max(0, log.high - log.stable),
            consumed_per_s=motion.per_s,
            retention_ms=log.retention_ms,
            moved_ms=self._read.at_ms if motion.has_moved else None,
        )

    def _without_front(self, key: Key, subject: _Subject, fault: str) -> PartitionLag:
        """Return what is known without the first unread record: it is not older than the one that was first before."""
        unknown, oldest_ms = _unknown(key[1], fault), self._oldest_ms.get(key)
        if oldest_ms is None or subject.committed is None:
            return unknown
        log = subject.log
        return replace(
            unknown,
            records=log.stable - subject.start,
            is_counted=False,
            committed=subject.committed,
            oldest_ms=oldest_ms,
            lost=subject.lost,
            held_back=max(0, log.high - log.stable),
            retention_ms=log.retention_ms,
        )


def _unknown(place: TopicPartition, reason: str | None) -> PartitionLag:
    return PartitionLag(place.partition, State.UNKNOWN, reason=reason or "")


def _made_again(
    before: Mapping[TopicPartition, PartitionLog], now: Mapping[TopicPartition, PartitionLog]
) -> set[TopicPartition]:
    """Return the partitions whose offsets went back: their topic was made again, or the brokers lost records."""
    both = ((place, before[place], log) for place, log in now.items() if place in before and log.fault is None)
    return {
        place for place, last, log in both if log.low < last.low or log.stable < last.stable or log.high < last.high
    }


def _with_rate(lag: PartitionLag, per_s: float | None) -> PartitionLag:
    return replace(lag, produced_per_s=per_s) if lag.is_known else lag


def _by_topic(rates: Mapping[TopicPartition, float | None]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for place, rate in rates.items():
        if rate is not None:
            totals[place.topic] += rate
    return dict(totals)
