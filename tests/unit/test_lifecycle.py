"""Liveness, readiness and the request to stop.

A green run does not prove that the threads report their heartbeats often enough under load.
"""

import pytest

from shared.errors import Stopped
from shared.operation.lifecycle import PREPARE, Lifecycle
from tests.support.fakes import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """Yield a clock."""
    return ManualClock()


@pytest.fixture
def lifecycle(clock: ManualClock) -> Lifecycle:
    """Yield a lifecycle in which a thread is stuck after 10 seconds."""
    return Lifecycle(clock, stuck_after_s=10)


def test_it_begins_alive_and_not_ready(lifecycle: Lifecycle) -> None:
    assert lifecycle.stuck() == []
    assert lifecycle.not_ready() == {"worker": "starting"}
    assert not lifecycle.stopping.is_set()


def test_it_is_ready_once_no_reason_against_it_remains(lifecycle: Lifecycle) -> None:
    lifecycle.set_ready("worker")
    assert lifecycle.not_ready() == {}
    lifecycle.set_ready("never set")
    assert lifecycle.not_ready() == {}


def test_each_part_has_its_reason(lifecycle: Lifecycle) -> None:
    lifecycle.set_ready("worker")
    lifecycle.set_not_ready("store", "away")
    lifecycle.set_not_ready("broker", "away too")
    lifecycle.set_ready("store")
    assert lifecycle.not_ready() == {"broker": "away too"}


def test_a_thread_is_stuck_when_its_heartbeat_is_too_old(lifecycle: Lifecycle, clock: ManualClock) -> None:
    lifecycle.set_ready("worker")
    lifecycle.beat("process")
    clock.seconds += 10
    assert lifecycle.stuck() == []
    clock.seconds += 0.1
    assert lifecycle.stuck() == ["process"]
    assert lifecycle.not_ready() == {"process": "stuck"}
    lifecycle.beat("process")
    assert lifecycle.stuck() == []


def test_a_thread_with_its_own_time_limit_is_watched(lifecycle: Lifecycle, clock: ManualClock) -> None:
    last_s = clock.seconds
    lifecycle.watch("poll", lambda: last_s)
    clock.seconds += 11
    lifecycle.beat("process")
    assert lifecycle.stuck() == ["poll"]
    last_s = clock.seconds
    assert lifecycle.stuck() == []


def test_all_stuck_threads_are_reported_in_order(lifecycle: Lifecycle, clock: ManualClock) -> None:
    for thread in ("process", "prepare"):
        lifecycle.beat(thread)
    clock.seconds += 11
    assert lifecycle.stuck() == ["prepare", "process"]


def test_a_stop_is_seen_and_ends_readiness(lifecycle: Lifecycle) -> None:
    lifecycle.set_ready("worker")
    lifecycle.stop()
    assert lifecycle.stopping.is_set()
    assert lifecycle.not_ready() == {"worker": "stopping"}


def test_the_returned_reasons_are_a_copy(lifecycle: Lifecycle) -> None:
    lifecycle.not_ready().clear()
    assert lifecycle.not_ready() == {"worker": "starting"}


def test_a_part_that_is_asked_reports_what_keeps_it_from_working() -> None:
    lifecycle, faults = Lifecycle(ManualClock(), 120), ["no broker"]
    lifecycle.set_ready("worker")
    lifecycle.ask("consumer", lambda: faults[0] if faults else None)
    assert lifecycle.not_ready() == {"consumer": "no broker"}
    faults.clear()
    assert lifecycle.not_ready() == {}


def test_long_work_goes_on_until_the_worker_stops_and_the_batch_in_hand_a_while_longer(clock: ManualClock) -> None:
    lifecycle = Lifecycle(clock, stuck_after_s=10, finish_within_s=5)
    for thread in (PREPARE, "process"):
        lifecycle.beat_or_abandon(thread)
    lifecycle.stop()
    with pytest.raises(Stopped):
        lifecycle.beat_or_abandon(PREPARE)
    clock.seconds += 4.9
    lifecycle.beat_or_abandon("process")
    lifecycle.stop()  # a second request changes nothing
    clock.seconds += 0.1
    with pytest.raises(Stopped):
        lifecycle.beat_or_abandon("process")
    assert lifecycle.stuck() == []
