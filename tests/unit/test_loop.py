"""The loop: the effect of each class of error on the work, on readiness and on the commit.

A green run does not prove anything about real outages or real time: clock, store and broker are stand-ins. The loop's
second thread is real here.
"""

import json
import threading
from collections.abc import Callable, Sequence

import pytest

from schemas.outcomes import Outcome
from shared.embedding.canaries import CANARY
from shared.engine.breaker import BreakerLimits
from shared.errors import DeviceLost, Fatal, Unavailable
from shared.records import Record
from shared.stream_settings import BatchSettings
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection, FakeSource, ManualClock
from tests.support.tickets import event, record
from workers.tickets.stages import TicketStages

LEAST_DEAD, PROBE_EVERY_S = BreakerLimits().min_dead_letters, BreakerLimits().probe_every_s


class Script(FakeSource):
    """Hands out its records, and calls `at_end` when all of them are committed."""

    at_end: Callable[[], None]
    expected: int

    def commit(self, records: Sequence[Record]) -> int:
        lost = super().commit(records)
        if len(self.committed) >= self.expected:
            self.at_end()
        return lost


def assembly(
    *records: Record, batch: int = 256, collection: FakeCollection | None = None, clock: ManualClock | None = None
) -> Assembly:
    """Return a worker's parts over these records; it is stopped once all of them are committed."""
    source = Script(waiting=list(records))
    parts = Assembly(
        source=source,
        batch=BatchSettings(max_records=batch),
        collection=collection or FakeCollection(),
        clock=clock or ManualClock(),
    )
    source.expected, source.at_end = len(records), parts.lifecycle.stop
    return parts


def tickets(count: int) -> list[Record]:
    return [record(event(ticket_id=f"T-{at}", body=f"Text {at}."), at) for at in range(count)]


def test_all_records_are_settled_and_committed_in_order() -> None:
    parts = assembly(*tickets(10), batch=3)
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == list(range(10))
    assert len(parts.results()) == 10


def test_the_worker_is_ready_while_it_runs_and_not_before_or_after() -> None:
    parts = assembly(*tickets(1))
    seen: list[dict[str, str]] = []
    parts.reported.when("settle_step_done", lambda: seen.append(parts.lifecycle.not_ready()))
    assert parts.lifecycle.not_ready() == {"worker": "starting"}
    parts.worker().run()
    assert seen[0] == {}
    assert parts.lifecycle.not_ready() == {"worker": "stopping"}


class UnavailableStore(FakeCollection):
    """A store that does not answer its first N calls of one kind, and looks at the worker while it does not."""

    def __init__(self, call: str, times: int) -> None:
        super().__init__()
        self.call, self.times = call, times
        self.look: Callable[[], None] = lambda: None

    def _fail(self, effect: str) -> None:
        super()._fail(effect)
        if effect.startswith(self.call) and self.times:
            self.times -= 1
            self.look()
            raise Unavailable("store", "away")


@pytest.mark.parametrize("call", ["lookup", "search", "upsert", "read_back"])
def test_an_outage_pauses_then_retries_the_same_batch_and_resumes(call: str) -> None:
    parts = assembly(*tickets(3), collection=UnavailableStore(call, 4))
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == [0, 1, 2]
    assert [len(texts) for texts in parts.model.calls] == [3]
    assert parts.effects.count("lookup") == (5 if call in ("lookup", "search") else 1)
    assert parts.effects.count("pause") == 1
    assert parts.effects.count("resume") == 1
    assert len(parts.results()) == 3
    assert parts.reported.named("paused") == [("store",)]
    [(dependency, seconds)] = parts.reported.named("resumed")
    assert dependency == "store"
    assert seconds == pytest.approx(sum(parts.clock.waits))


def test_the_reason_for_not_being_ready_is_shown_during_the_outage_and_not_after_it() -> None:
    store = UnavailableStore("lookup", 2)
    parts = assembly(*tickets(1), collection=store)
    seen: list[dict[str, str]] = []
    store.look = lambda: seen.append(parts.lifecycle.not_ready())
    parts.worker().run()
    assert seen == [{}, {"store": "away"}]
    assert parts.lifecycle.not_ready() == {"worker": "stopping"}


def test_the_waits_are_no_longer_than_the_back_off_allows() -> None:
    parts = assembly(*tickets(1), collection=UnavailableStore("lookup", 30))
    parts.worker().run()
    assert parts.clock.waits
    assert sum(parts.clock.waits) <= 30 * 5.0
    assert max(parts.clock.waits) <= 1.0


def test_each_dependency_in_turn_is_named() -> None:
    parts = assembly(*tickets(1), collection=UnavailableStore("lookup", 1))
    parts.source.failures = [Unavailable("broker", "no commit")]
    seen: list[dict[str, str]] = []
    parts.reported.when("paused", lambda: seen.append(parts.lifecycle.not_ready()))
    parts.worker().run()
    assert parts.reported.named("paused") == [("store",), ("broker",)]
    assert [list(reasons) for reasons in seen] == [["store"], ["broker"]]
    assert parts.source.committed != []


def test_a_newer_schema_pauses_and_commits_nothing() -> None:
    parts = assembly(record(event(schema_version=2)))
    parts.reported.when("paused", parts.lifecycle.stop)
    parts.worker().run()
    assert parts.source.committed == []
    assert parts.sink.delivered == []
    assert "schema_version 2" in parts.lifecycle.not_ready()["schema"]


def test_a_stop_during_an_outage_ends_without_a_commit() -> None:
    store = UnavailableStore("upsert", 1_000_000)
    parts = assembly(*tickets(2), collection=store)

    def stop_later() -> None:
        if len(parts.clock.waits) > 5:
            parts.lifecycle.stop()

    store.look = stop_later
    parts.worker().run()
    assert parts.source.committed == []
    assert parts.sink.delivered == []


def test_a_stop_finishes_the_batch_in_hand() -> None:
    parts = assembly(*tickets(2))
    parts.reported.when("inputs_embedded", parts.lifecycle.stop)
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == [0, 1]


@pytest.mark.parametrize("error", [DeviceLost("gone"), Fatal("wrong configuration")])
def test_an_error_that_waiting_cannot_fix_ends_the_run_and_blames_no_record(error: Fatal) -> None:
    parts = assembly(*tickets(2))
    parts.model.dead = error
    with pytest.raises(Fatal):
        parts.worker().run()
    assert parts.source.committed == []
    assert parts.sink.delivered == []
    assert parts.lifecycle.stopping.is_set()
    assert "worker" in parts.lifecycle.not_ready()


def test_a_bug_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = assembly(*tickets(1))

    def content(_: object, item: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TicketStages, "content", content)  # a bug in a stage
    with pytest.raises(ZeroDivisionError):
        parts.worker().run()
    assert parts.source.committed == []


def test_a_failure_of_the_preparing_thread_ends_the_run() -> None:
    parts = assembly(*tickets(1))

    def take(limit: int, wait_s: float) -> list[Record]:
        raise Fatal("consuming has failed")

    parts.source.take = take  # type: ignore[method-assign]  # the poll thread is dead
    with pytest.raises(Fatal, match="consuming has failed"):
        parts.worker().run()


def test_records_of_a_lost_partition_are_dropped() -> None:
    parts = assembly(*tickets(4))
    parts.source.lost = {1, 2}
    source = parts.source
    assert isinstance(source, Script)
    source.expected = 2
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == [0, 3]
    assert [result.ticket_id for result in parts.results()] == ["T-0", "T-3"]
    assert parts.reported.named("records_abandoned") == [(2,)]


def test_records_lost_during_an_outage_are_dropped_from_the_batch_in_hand() -> None:
    store = UnavailableStore("upsert", 1)
    parts = assembly(*tickets(3), collection=store)
    source = parts.source
    assert isinstance(source, Script)
    source.expected = 2
    store.look = lambda: source.lost.add(1)
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == [0, 2]
    assert parts.effects.count("upsert 2") == 1
    ledger = json.loads(parts.delivered("tickets.outcomes")[0].value or b"")
    assert [(span["first"], span["last"]) for span in ledger["ranges"]] == [(0, 0), (2, 2)]


def test_a_batch_lost_completely_is_not_settled() -> None:
    parts = assembly(*tickets(3), batch=2)
    parts.source.lost = {0, 1}
    source = parts.source
    assert isinstance(source, Script)
    source.expected = 1
    parts.worker().run()
    assert [each.offset for each in parts.source.committed] == [2]


class Impatient(ManualClock):
    """A clock that ends a run which would wait forever."""

    at_end: Callable[[], None]

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if len(self.waits) > 50:
            self.at_end()
        return super().wait(event, timeout_s)


def test_a_worker_is_not_delayed_by_a_newer_record_that_another_worker_took_over() -> None:
    newer = record(event(ticket_id="T-9", schema_version=2), 7, partition=1)
    parts = assembly(newer, *tickets(1), clock=Impatient())
    source, clock = parts.source, parts.clock
    assert isinstance(source, Script)
    assert isinstance(clock, Impatient)
    source.expected, clock.at_end = 1, parts.lifecycle.stop
    parts.reported.when("paused", lambda: source.lost.add(7))  # the group moves the partition during the pause
    parts.worker().run()
    assert parts.reported.named("paused") == [("schema",)]
    assert [each.offset for each in parts.source.committed] == [0]


def test_a_replay_that_fails_again_delays_nothing() -> None:
    invalid = [record({"nonsense": at}, at, topic="tickets.redo") for at in range(LEAST_DEAD)]
    good = [record(event(ticket_id=f"T-{at}"), at) for at in range(LEAST_DEAD, LEAST_DEAD + 20)]
    parts = assembly(*invalid, *good, batch=20)
    parts.worker().run()
    assert parts.reported.named("paused") == []
    assert parts.source.committed[-1].offset == LEAST_DEAD + 19


def test_invalid_records_open_the_breaker_and_good_records_close_it() -> None:
    invalid = [record({"nonsense": at}, at) for at in range(LEAST_DEAD)]
    good = [record(event(ticket_id=f"T-{at}"), at) for at in range(LEAST_DEAD, LEAST_DEAD + 20)]
    parts = assembly(*invalid, *good, batch=20)
    seen: list[dict[str, str]] = []
    parts.reported.when("paused", lambda: seen.append(parts.lifecycle.not_ready()))
    parts.worker().run()
    assert parts.reported.named("paused") == [("breaker",)]
    assert parts.reported.named("resumed") == [("breaker", PROBE_EVERY_S)]
    assert list(seen[0]) == ["breaker"]
    assert sum(parts.clock.waits) == pytest.approx(PROBE_EVERY_S)
    settled = [outcomes for outcomes, _ in parts.reported.named("batch_settled")]
    assert settled[-1] == {Outcome.ROUTED: 20}
    assert parts.lifecycle.not_ready() == {"worker": "stopping"}


def test_a_consumer_failure_during_an_outage_ends_the_worker() -> None:
    collection = FakeCollection(failures=[Unavailable("store", "gone")] * 1_000)
    parts = assembly(*tickets(1), collection=collection)
    parts.reported.when("paused", lambda: setattr(parts.source, "failed", Fatal("consuming has failed")))
    with pytest.raises(Fatal, match="consuming has failed"):
        parts.worker().run()
    assert parts.source.committed == []


def test_vectors_are_computed_once_ahead_of_their_batch() -> None:
    parts = assembly(*tickets(4), batch=2)
    parts.worker().run()
    assert sorted(map(len, parts.model.calls)) == [2, 2]
    assert len(parts.source.committed) == 4


def test_vectors_computed_before_a_doubt_are_computed_again() -> None:
    parts = assembly(*tickets(2))
    faults = [Unavailable(CANARY, "it answers otherwise than before")]

    def keep() -> None:
        if parts.model.calls and faults:
            raise faults.pop()

    parts.upkeep = keep
    parts.pipeline.ahead.trust()  # before the prepare thread begins
    parts.worker().run()
    assert [len(call) for call in parts.model.calls] == [2, 2]
    assert len(parts.source.committed) == 2


def test_a_topic_that_is_read_again_is_embedded_ahead_once_at_most() -> None:
    first = assembly(*tickets(6), batch=2)
    first.worker().run()
    again = assembly(*tickets(6), batch=2, collection=first.collection)
    again.worker().run()
    assert len(again.source.committed) == 6
    assert len(again.model.calls) <= 2, "the batch in hand and the one that was prepared beside it"
