"""Preparing one thing ahead, on a real thread: never more than one, and failures surface where they can be handled.

A green run does not prove the absence of races; waits here are on events, bounded, and a hang would fail the test.
"""

import threading

import pytest

from shared.engine.overlap import Overlap

PATIENCE_S = 10.0


class Counting:
    """Makes 1, 2, 3, ... and lets a test wait until N of them were begun."""

    def __init__(self, limit: int = 1_000) -> None:
        self.made, self.limit, self.beats = 0, limit, 0
        self.changed = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()

    def make(self) -> int | None:
        self.gate.wait(PATIENCE_S)
        with self.changed:
            if self.made >= self.limit:
                return None
            self.made += 1
            self.changed.notify_all()
            return self.made

    def beat(self) -> None:
        with self.changed:
            self.beats += 1
            self.changed.notify_all()

    def until(self, made: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.made >= made, PATIENCE_S)


def test_exactly_one_item_is_prepared_ahead() -> None:
    counting = Counting()
    overlap = Overlap(counting.make, counting.beat)
    overlap.start()
    assert counting.until(1)
    for expected in (1, 2, 3):
        with counting.changed:  # time for a second one, which must not be made
            assert not counting.changed.wait_for(lambda: counting.made > expected, 0.05)  # noqa: B023  (used at once)
        assert overlap.take(PATIENCE_S) == expected
        assert counting.until(expected + 1)
    overlap.stop()


def test_items_come_in_order() -> None:
    counting = Counting(limit=50)
    overlap = Overlap(counting.make, counting.beat)
    overlap.start()
    assert [overlap.take(PATIENCE_S) for _ in range(50)] == list(range(1, 51))
    overlap.stop()


def test_if_nothing_comes_in_time_nothing_is_returned() -> None:
    counting = Counting()
    counting.gate.clear()
    overlap = Overlap(counting.make, counting.beat)
    overlap.start()
    assert overlap.take(0.0) is None
    counting.gate.set()
    assert overlap.take(PATIENCE_S) == 1
    overlap.stop()


def test_an_exception_is_raised_by_take_and_again() -> None:
    def make() -> int:
        raise ZeroDivisionError

    overlap: Overlap[int] = Overlap(make, lambda: None)
    overlap.start()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            overlap.take(PATIENCE_S)
    overlap.stop()


def test_items_made_before_the_exception_are_handed_over_first() -> None:
    pending = iter([1])
    overlap: Overlap[int] = Overlap(lambda: next(pending), lambda: None)
    overlap.start()
    assert overlap.take(PATIENCE_S) == 1
    with pytest.raises(StopIteration):
        overlap.take(PATIENCE_S)
    overlap.stop()


def test_a_stop_ends_the_thread_and_drops_what_it_made() -> None:
    counting = Counting()
    overlap = Overlap(counting.make, counting.beat)
    overlap.start()
    assert counting.until(1)
    overlap.stop()
    assert counting.made == 1
    assert not overlap._thread.is_alive()


def test_each_item_made_gives_a_heartbeat() -> None:
    counting = Counting(limit=3)
    overlap = Overlap(counting.make, counting.beat)
    overlap.start()
    assert [overlap.take(PATIENCE_S) for _ in range(3)] == [1, 2, 3]
    overlap.stop()
    assert counting.beats >= 3
