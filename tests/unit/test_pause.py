"""Pausing by hand: the loop's reaction, who may request it, and how the command waits.

A green run does not prove that a group leaves a paused worker its partitions (`tests/flow/test_pause.py` checks it),
nor which requests get through a proxy that adds no header to them.
"""

import threading
from collections.abc import Callable

import pytest

from shared.errors import Unavailable
from shared.stream_settings import BatchSettings
from tests.support.assembly import Assembly
from tests.support.fakes import ManualClock
from tests.support.tickets import event, record


class Looking(ManualClock):
    """A clock that lets a test look at the worker at each wait, and ends a run that would wait forever."""

    def __init__(self) -> None:
        super().__init__()
        self.look: Callable[[], None] = lambda: None

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set():
            self.look()
        assert len(self.waits) < 100, "the wait was never ended"
        return super().wait(event, timeout_s)


def assembly(records: int = 6, batch: int = 2) -> tuple[Assembly, Looking]:
    """Return a worker's parts over some tickets, and their clock; the run ends when all are committed."""
    clock = Looking()
    parts = Assembly(clock=clock, batch=BatchSettings(max_records=batch))
    parts.source.waiting = [record(event(ticket_id=f"T-{at}", body=f"Text {at}."), at) for at in range(records)]

    def stop_at_the_end() -> None:
        if len(parts.source.committed) == records:
            parts.lifecycle.stop()

    parts.reported.when("batch_settled", stop_at_the_end)
    return parts, clock


def test_a_paused_worker_reports_it_changes_nothing_and_stays_alive() -> None:
    parts, clock = assembly()
    seen: list[tuple[str | None, bool, list[str]]] = []

    def look() -> None:  # the preparing thread uses real time, so only the loop's own heartbeat is checked
        seen.append((parts.lifecycle.not_ready()["operator"], "process" in parts.lifecycle.stuck(), parts.effects[:]))
        if clock.seconds > 1_500:  # far longer than the limit for a stuck thread
            parts.lifecycle.resume()

    clock.look = look
    clock.wait = lambda event, timeout_s: Looking.wait(clock, event, timeout_s * 400)  # type: ignore[method-assign]  # long waits
    parts.lifecycle.pause()
    parts.worker().run()
    assert len(seen) > 1
    paused = ("paused by hand since 2026-01-01T00:16:40Z", False, ["pause"])
    assert [each for each in seen if each != paused] == []
    assert [each.offset for each in parts.source.committed] == list(range(6)), "all records are settled once it resumes"


def test_the_batch_in_hand_is_committed_first_and_nothing_is_done_twice() -> None:
    parts, clock = assembly()
    committed: list[int] = []

    def look() -> None:
        committed.append(len(parts.source.committed))
        if len(committed) > 5:
            parts.lifecycle.resume()

    def watch(hook: str) -> None:
        if hook == "inputs_embedded" and not parts.source.committed:
            parts.lifecycle.pause()
        if len(parts.source.committed) == 6:
            parts.lifecycle.stop()

    clock.look, parts.reported.watch = look, watch
    parts.worker().run()
    assert set(committed) == {2}
    assert parts.effects.index("commit 2") < parts.effects.index("pause") < parts.effects.index("resume")
    assert [each.offset for each in parts.source.committed] == list(range(6))
    assert len(parts.results()) == 6


def test_the_length_of_a_pause_is_reported() -> None:
    parts, clock = assembly()
    clock.look = lambda: parts.lifecycle.resume() if len(clock.waits) == 8 else None
    parts.lifecycle.pause()
    parts.worker().run()
    assert parts.reported.named("paused") == [("operator",)]
    assert parts.reported.named("resumed") == [("operator", pytest.approx(sum(clock.waits)))]


def test_a_stop_ends_a_pause_at_once_and_commits_nothing() -> None:
    parts, clock = assembly()
    clock.look = lambda: parts.lifecycle.stop() if len(clock.waits) == 3 else None
    parts.lifecycle.pause()
    parts.worker().run()
    assert parts.source.committed == []
    assert len(clock.waits) == 3
    assert parts.lifecycle.not_ready()["worker"] == "stopping"


def test_a_pause_during_an_outage_waits_until_the_batch_is_committed() -> None:
    parts, clock = assembly()
    parts.collection.failures = [Unavailable("store", "away")] * 3
    order: list[str] = []
    parts.reported.watch = lambda hook: order.append(hook) if hook in ("paused", "resumed") else None
    parts.lifecycle.pause_wanted = False
    clock.look = lambda: parts.lifecycle.pause() if not parts.source.committed else parts.lifecycle.stop()
    parts.worker().run()
    assert parts.reported.named("paused") == [("store",), ("operator",)]
    assert order == ["paused", "resumed", "paused", "resumed"]
    assert len(parts.source.committed) == 2
