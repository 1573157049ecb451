"""Gathering: what ends a poll batch.

A green run does not prove how long a real broker takes; the clock is moved by the source here.
"""

import pytest

from shared.engine.gather import IDLE_WAIT_S, Cost, Gatherer
from shared.records import Record
from shared.stream_settings import BatchSettings
from tests.support.assembly import RecordingObserver
from tests.support.fakes import ManualClock
from tests.support.tickets import event, record


class Trickle:
    """A source that returns some records per call; a call takes time, and an empty one takes its whole time limit."""

    def __init__(self, clock: ManualClock, portions: list[list[Record]], seconds: float = 0.0) -> None:
        self.clock, self.portions, self.seconds = clock, portions, seconds
        self.asked: list[tuple[int, float]] = []

    def take(self, limit: int, wait_s: float) -> list[Record]:
        self.asked.append((limit, round(wait_s, 6)))
        if not self.portions:
            self.clock.seconds += wait_s
            return []
        self.clock.seconds += self.seconds
        given, self.portions[0] = self.portions[0][:limit], self.portions[0][limit:]
        if not self.portions[0]:
            self.portions.pop(0)
        return given

    def hold(self, records: object) -> list[Record]:
        raise AssertionError

    def commit(self, records: object) -> int:
        raise AssertionError

    def release(self) -> None:
        raise AssertionError

    def pause(self) -> None:
        raise AssertionError

    def resume(self) -> None:
        raise AssertionError

    def close(self) -> None:
        raise AssertionError


def records(count: int, start: int = 0) -> list[Record]:
    return [record(event(), at, value=b"x" * 10) for at in range(start, start + count)]


def gatherer(source: Trickle, reported: RecordingObserver | None = None, **limits: float) -> Gatherer:
    given = {"max_records": 4, "max_tokens": 1_000, "max_wait_s": 1.0} | limits
    settings = BatchSettings(**given)  # type: ignore[arg-type]  # whole numbers where they belong
    cost = Cost(lambda record: len(record.value or b""), "tokens")
    observer = reported or RecordingObserver()
    return Gatherer(source, settings, cost, source.clock, observer)  # type: ignore[arg-type]  # a part of a source


def offsets(batch: list[Record]) -> list[int]:
    return [each.offset for each in batch]


def test_the_count_ends_a_batch_and_the_rest_is_in_the_next() -> None:
    source = Trickle(ManualClock(), [records(6)])
    cutter = gatherer(source)
    assert offsets(cutter.gather()) == [0, 1, 2, 3]
    assert offsets(cutter.gather()) == [4, 5]


def test_the_cost_ends_a_batch_and_what_was_read_is_kept_in_order() -> None:
    source = Trickle(ManualClock(), [records(6)])
    cutter = gatherer(source, max_tokens=25)
    assert [offsets(cutter.gather()) for _ in range(3)] == [[0, 1], [2, 3], [4, 5]]


def test_a_record_above_the_cost_is_a_batch_of_its_own() -> None:
    source = Trickle(ManualClock(), [records(3)])
    cutter = gatherer(source, max_tokens=5)
    assert [offsets(cutter.gather()) for _ in range(3)] == [[0], [1], [2]]


def test_the_wait_ends_a_batch() -> None:
    source = Trickle(ManualClock(), [records(1), records(1, 1), records(1, 2)], seconds=0.6)
    cutter = gatherer(source)
    assert offsets(cutter.gather()) == [0, 1, 2]
    assert [wait for _, wait in source.asked] == [IDLE_WAIT_S, 1.0, 0.4]
    assert cutter.gather() == []


def test_a_first_record_waits_no_longer_than_allowed() -> None:
    clock = ManualClock()
    source = Trickle(clock, [records(1)])
    start = clock.seconds
    assert offsets(gatherer(source).gather()) == [0]
    assert clock.seconds - start == pytest.approx(1.0)


def test_without_a_wait_the_available_records_are_the_batch() -> None:
    source = Trickle(ManualClock(), [records(2)])
    assert offsets(gatherer(source, max_wait_s=0).gather()) == [0, 1]


def test_no_records_give_an_empty_batch_after_a_short_wait() -> None:
    clock, reported = ManualClock(), RecordingObserver()
    source = Trickle(clock, [])
    start = clock.seconds
    assert gatherer(source, reported).gather() == []
    assert clock.seconds - start == pytest.approx(IDLE_WAIT_S)
    assert reported.named("batch_gathered") == []


def test_no_more_records_are_requested_than_fit() -> None:
    source = Trickle(ManualClock(), [records(3), records(3, 3)])
    assert offsets(gatherer(source).gather()) == [0, 1, 2, 3]
    assert [limit for limit, _ in source.asked] == [4, 1]


def test_the_observer_receives_the_size_and_the_wait() -> None:
    reported = RecordingObserver()
    source = Trickle(ManualClock(), [records(1)])
    gatherer(source, reported).gather()
    assert reported.named("batch_gathered") == [(1, pytest.approx(1.0))]
