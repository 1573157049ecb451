"""What a backfill deferred or dead-lettered keeps its mark until a worker of live traffic has finished it.

A green run does not prove that the topics in between keep the headers: `tests/faults/test_backfill_redone.py` does.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from schemas.failures import BACKFILL_HEADER, INDEX_ONLY_HEADER, FailureReason
from schemas.outcomes import Outcome
from shared.backfill_marks import mark_headers, mark_of
from shared.deadletters.envelope import DeadLetter, read_dead_letter, with_replays, write_dead_letter
from shared.deadletters.replay_message import replay_message
from shared.drift.keys import Keys
from shared.drift.summing import BatchSummer, Provides
from shared.errors import Deferred, Rejected
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.records import Backfill, Deferral, Provenance, Record
from shared.retry.lane import redo_message, write_waiting
from tests.support.audited import World, counts
from tests.support.letters import record_of
from tests.support.streams import TICKET_KIND, Kind, on_each_stream
from tests.unit.test_metrics import SETTLED
from tests.unit.test_summing import NOW, routed, summer, sums_of, unit

GROUP = "backfill-2026"
FULL, POINTS = Backfill(GROUP), Backfill(GROUP, index_only=True)
LIVE = Provenance("tickets", "model")
MARKS = pytest.mark.parametrize("mark", [FULL, POINTS], ids=["full", "index_only"])


def redone(kind: Kind, mark: Backfill | None, offset: int = 0) -> Record:
    return kind.record(kind.event(), offset, topic=kind.redo, headers=mark_headers(mark))


@MARKS
def test_a_mark_is_read_where_millrace_wrote_it_only(mark: Backfill) -> None:
    assert mark_of(redone(TICKET_KIND, mark), "tickets") == mark
    assert mark_of(redone(TICKET_KIND, None), "tickets") is None
    source = replace(redone(TICKET_KIND, mark), topic="tickets")
    assert mark_of(source, "tickets") is None, "a source that writes the header is no backfill"
    assert mark_of(source, "tickets", FULL) == FULL


@MARKS
def test_a_record_that_fails_again_on_its_way_keeps_its_mark(mark: Backfill) -> None:
    first = TICKET_KIND.record(TICKET_KIND.event(), 7)
    failure, deferred = Rejected(FailureReason.MODEL_FAILED, "body", "x", "embed"), _deferral()
    for message in (
        write_dead_letter(first, failure, replace(LIVE, backfill=mark), NOW),
        write_waiting(first, deferred, replace(LIVE, backfill=mark), NOW),
    ):
        back = record_of(redo_message(record_of(message), "tickets"))
        for again in (write_dead_letter(back, failure, LIVE, NOW), write_waiting(back, deferred, LIVE, NOW)):
            assert mark_of(replace(record_of(again), topic="tickets.redo"), "tickets") == mark
            assert [name for name, _ in again.headers].count(BACKFILL_HEADER) == 1
            letter = read_dead_letter(record_of(again))
            assert isinstance(letter, DeadLetter)
            assert mark_of(record_of(replay_message(letter, "tickets", 3)), "tickets") == mark
            assert BACKFILL_HEADER in dict(with_replays(letter, 1))


def _deferral() -> Deferral:
    return Deferral(Deferred(FailureReason.MEDIA_NOT_FOUND, "image", "x"), 1, 5, 1, datetime.now(UTC))


@on_each_stream
def test_a_worker_of_live_traffic_publishes_no_result_for_a_backfill_without_results(kind: Kind) -> None:
    world = World(kind)
    world.settle(redone(kind, POINTS))
    assert world.held("results") == []
    [settled] = world.parts.settle(redone(kind, POINTS, 1))
    assert (settled.outcome, settled.results) == (Outcome.INDEXED, ())
    assert len(world.parts.collection.points) == 1
    findings = world.audit()
    assert findings.clean, findings
    assert counts(findings) == {}


@on_each_stream
def test_the_result_of_a_backfill_that_publishes_is_marked(kind: Kind) -> None:
    world = World(kind)
    world.settle(redone(kind, FULL))
    world.settle(redone(kind, None, 1))
    marks = [dict(each.headers).get(BACKFILL_HEADER) for each in world.held("results")]
    assert marks == [GROUP.encode(), None]
    assert INDEX_ONLY_HEADER not in dict(world.held("results")[0].headers)
    assert world.audit().clean


@MARKS
def test_its_sums_are_backfilled_also_those_of_failures(mark: Backfill) -> None:
    live, again, failed = (routed(number, unit(1, 0, 0, 0)) for number in range(3))
    again, failed = (
        replace(each, record=replace(each.record, topic="tickets.redo", headers=mark_headers(mark)))
        for each in (again, failed)
    )
    failed = replace(failed, outcome=Outcome.DEAD_LETTERED, facts=None, results=())
    found = {each.traffic: (each.items, each.failed) for each in sums_of(summer().messages([live, again, failed], NOW))}
    assert found == {"live": (1, 0), "backfilled": (1, 1)}


def test_everything_that_a_backfill_settles_is_backfilled() -> None:
    provides = Provides("tickets", {"text": "0a1b2c3d"}, {"text": 4}, None, Keys(), b"key", 86_400, backfills=True)
    [sums] = sums_of(BatchSummer(provides, lambda _: None).messages([routed(1, unit(1, 0, 0, 0))], NOW))
    assert (sums.traffic, sums.items) == ("backfilled", 1)


@pytest.mark.parametrize(("mark", "counted"), [(FULL, 0), (POINTS, 0), (None, 1)])
def test_metrics_of_results_do_not_count_it(mark: Backfill | None, counted: int) -> None:
    registry = Registry()
    record = replace(SETTLED.record, topic="tickets.redo", headers=mark_headers(mark))
    Metrics("tickets", registry).results_settled([replace(SETTLED, record=record)], 1_000.0, 50.0)
    lines = [line for line in registry.render().decode().splitlines() if "result_seconds_count" in line]
    assert sum(" 0.0" not in line for line in lines) == (3 if counted else 0)
