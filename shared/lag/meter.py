"""Measures the lag of groups again and again: positions, first records and their history become reports."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.clock import Clock
from shared.lag.fronts import Front, Fronts, Key
from shared.lag.history import History, Motion
from shared.lag.port import GroupLook, LagReader, PartitionLog, Positions
from shared.lag.presence import Presence, Reading
from shared.lag.states import Evidence, LagReport, PartitionLag, State, TopicLag, judge
from shared.records import TopicPartition

MISSED_LOOKS = 3
"""After the time of this number of looks without one, a history starts again."""

LEAST_GAP_S = 30.0
NO_COMMIT = "the group has not committed an offset here, so where it starts is not known"
BEYOND_END = (
    "the committed offset lies behind the end of the log: the topic was made again, or the brokers lost records"
)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A partition that a group reads.

    Attributes:
        log: The partition.
        committed: The committed offset; None if nothing is committed.
        start: Where the group reads on.
        passed: The offset of the first record at or after the commit, as far as it was known before this look.
        is_beyond: Whether the committed offset is behind the end of the log.
    """

    log: PartitionLog
    committed: int | None
    start: int
    passed: int
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
        longest_gap_s = max(LEAST_GAP_S, MISSED_LOOKS * interval_s)
        self._presence, self._fronts = Presence(expected), Fronts(reader)
        self._read, self._written = History[Key](longest_gap_s), History[TopicPartition](longest_gap_s)
        self._committed: dict[Key, int] = {}
        self._without_members: set[str] = set()
        self._commits_alone: set[str] = set()

    def measure(self) -> LagReport:
        """Look once.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse this user.
        """
        began_s = self._clock.monotonic_s()
        positions = self._reader.positions()
        written = self._write_rates(positions)
        readings, left = self._presence.update(positions)
        subjects = {key: found for each in readings for key, found in self._subjects(each, positions.logs).items()}
        starts = {key: subject.start for key, subject in subjects.items()}
        fronts = self._fronts.find(starts, positions.logs, positions.at_s)
        topics = []
        for each in readings:
            moves = self._moves(each, subjects, fronts, positions)
            for topic, places in each.places.items():
                found = [
                    self._partition(each.group, place, subjects, fronts, moves)
                    if (each.group.name, place) in subjects
                    else _unknown(place, each.group.fault or positions.logs[place].fault)
                    for place in places
                ]
                rated = [_with_rate(lag, written.get(place)) for lag, place in zip(found, places, strict=True)]
                topics.append(
                    TopicLag(
                        each.group.name, topic, each.group.members, tuple(rated), on_purpose=topic in self._on_purpose
                    )
                )
        self._read.keep(fronts.keys())
        self._committed = {key: each.committed for key, each in subjects.items() if each.committed is not None}
        ends = {place: (log.low, log.stable) for place, log in positions.logs.items() if log.fault is None}
        took_s = self._clock.monotonic_s() - began_s
        return LagReport(positions.at_ms, took_s, tuple(topics), tuple(left), ends, _by_topic(written))

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def _write_rates(self, positions: Positions) -> dict[TopicPartition, float | None]:
        rates = {
            place: self._written.add(place, log.stable, positions.at_s, positions.at_ms).per_s
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
                is_beyond = committed is not None and self._committed.get(key, -1) > log.high
                begin = log.low if committed is None or is_beyond else committed
                found[key] = _Subject(log, committed, max(begin, log.low), self._fronts.passed(key, begin), is_beyond)
        return found

    def _moves(
        self, reading: Reading, subjects: Mapping[Key, _Subject], fronts: Mapping[Key, Front], positions: Positions
    ) -> dict[Key, Motion]:
        """Add the group's positions to the history, and notice if it moves although it has no members."""
        group, moves = reading.group, {}
        for place in (each for places in reading.places.values() for each in places):
            key = (group.name, place)
            if key in subjects and fronts[key].fault is None:
                subject = subjects[key]
                offset = -1 if subject.committed is None else subject.committed
                waits = fronts[key].next < subject.log.stable
                moves[key] = self._read.add(key, offset, positions.at_s, positions.at_ms, waits)
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
            return _unknown(place, front.fault)
        records, is_counted = front.lag(log.stable)
        if subject.committed is None and records and not group.from_beginning:
            return _unknown(place, NO_COMMIT)
        if subject.is_beyond and not group.from_beginning:
            return _unknown(place, BEYOND_END)
        lost = 0 if subject.committed is None or subject.is_beyond else max(0, log.low - subject.passed)
        motion = moves[key]
        evidence = Evidence(
            records > 0, lost, group.members, motion.still_s, motion.has_moved, group.name in self._commits_alone
        )
        waits_since_ms = motion.still_since_ms if front.first_ms is None else front.first_ms
        return PartitionLag(
            place.partition,
            judge(evidence, math.inf if place.topic in self._on_purpose else self._stuck_after_s),
            records,
            is_counted,
            subject.committed,
            waits_since_ms if records else None,
            lost,
            max(0, log.high - log.stable),
            consumed_per_s=motion.per_s,
            retention_ms=log.retention_ms,
        )


def _unknown(place: TopicPartition, reason: str | None) -> PartitionLag:
    return PartitionLag(place.partition, State.UNKNOWN, reason=reason or "")


def _with_rate(lag: PartitionLag, per_s: float | None) -> PartitionLag:
    return replace(lag, produced_per_s=per_s) if lag.is_known else lag


def _by_topic(rates: Mapping[TopicPartition, float | None]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for place, rate in rates.items():
        if rate is not None:
            totals[place.topic] += rate
    return dict(totals)
