"""The pipeline's rule: one outcome per record, in order, whatever the records are, and no work done twice.

A green run does not prove anything about the real store's guard, about the model, or about the published results: it
shows the decisions of the pipeline, over a store in memory.
"""

from collections.abc import Sequence

import pytest

from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from schemas.points import point_id
from shared.errors import DeviceLost, NewerSchema, Unavailable
from shared.records import Settled
from shared.vectorstore.port import Hit, Query
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection
from tests.support.tickets import deleted, event, record


def outcomes(settled: list[Settled]) -> list[Outcome]:
    return [each.outcome for each in settled]


def test_every_record_has_one_outcome_in_order() -> None:
    records = [
        record(event(ticket_id="T-1"), 0),
        record({"nonsense": 1}, 1),
        record(event(ticket_id="T-2", reason="solved", resolution="Sent again."), 2),
        record(event(ticket_id="T-3", subject="POISON"), 3),
        record(deleted(ticket_id="T-4"), 4),
        record(event(ticket_id="T-1"), 5),
    ]
    settled = Assembly().process(*records)
    assert [each.record for each in settled] == records
    assert outcomes(settled) == [
        Outcome.ROUTED,
        Outcome.DEAD_LETTERED,
        Outcome.INDEXED,
        Outcome.DEAD_LETTERED,
        Outcome.DELETED,
        Outcome.SUPERSEDED,
    ]


def test_an_empty_batch_is_no_error() -> None:
    assert Assembly().process() == []


def test_only_the_newest_version_in_a_batch_is_written() -> None:
    parts = Assembly()
    settled = parts.process(*(record(event(event_version=v, body=f"v{v}"), at) for at, v in enumerate([2, 3, 1])))
    assert outcomes(settled) == [Outcome.SUPERSEDED, Outcome.ROUTED, Outcome.SUPERSEDED]
    assert [each.point.version for each in settled if each.point] == [3]


def test_versions_of_different_tickets_do_not_affect_each_other() -> None:
    first, second, third = event(), event(ticket_id="T-2", event_version=9), event(tenant_id="other", event_version=5)
    settled = Assembly().process(record(first, 0), record(second, 1), record(third, 2))
    assert outcomes(settled) == [Outcome.ROUTED] * 3
    assert len({each.point_id for each in settled}) == 3


def test_a_version_older_than_the_store_is_superseded_and_not_embedded() -> None:
    parts = Assembly()
    parts.settle(record(event(event_version=5)))
    parts.model.calls.clear()
    settled = parts.process(record(event(event_version=4, body="An older text."), 1))
    assert outcomes(settled) == [Outcome.SUPERSEDED]
    assert parts.model.calls == []


def test_equal_versions_with_the_same_content_are_no_conflict() -> None:
    parts = Assembly()
    settled = parts.process(record(event(event_id="a"), 0), record(event(event_id="b"), 1))
    assert outcomes(settled) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert parts.reported.named("version_conflict") == []


def test_of_equal_versions_in_a_batch_the_first_wins_and_the_conflict_is_counted() -> None:
    parts = Assembly()
    settled = parts.process(record(event(), 0), record(event(body="Another text."), 1))
    assert outcomes(settled) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert parts.reported.named("version_conflict") == [(1,)]


def test_a_stored_version_with_other_content_is_a_conflict_and_stays() -> None:
    parts = Assembly()
    parts.settle(record(event()))
    settled = parts.settle(record(event(body="Another text."), 1))
    assert parts.reported.named("version_conflict") == [(1,)]
    assert settled[0].point is None
    assert parts.collection.points[point_id("acme", "tickets", "T-1")].payload["body"] == event()["body"]


def test_a_stored_version_with_the_same_content_is_a_repeat_and_no_conflict() -> None:
    parts = Assembly()
    parts.settle(record(event()))
    settled = parts.settle(record(event(), 1))
    assert outcomes(settled) == [Outcome.ROUTED]
    assert settled[0].point is None
    assert parts.reported.named("version_conflict") == []


def test_a_poison_text_falls_back_to_the_next_older_version() -> None:
    parts = Assembly()
    settled = parts.settle(
        record(event(event_version=1, body="One."), 0),
        record(event(event_version=2, body="Two."), 1),
        record(event(event_version=3, body="POISON"), 2),
    )
    assert outcomes(settled) == [Outcome.SUPERSEDED, Outcome.ROUTED, Outcome.DEAD_LETTERED]
    assert settled[2].failure is not None
    assert settled[2].failure.reason is FailureReason.MODEL_FAILED
    assert parts.collection.points[point_id("acme", "tickets", "T-1")].version == 2


def test_a_rejection_reaches_settle_with_its_reason() -> None:
    settled = Assembly().process(record(event(subject=5)))
    failure = settled[0].failure
    assert failure is not None
    assert (failure.reason, failure.field, failure.stage) == (FailureReason.WRONG_TYPE, "subject", "decode")
    assert settled[0].point is None
    assert settled[0].results == ()


def test_a_newer_schema_blocks_the_batch_and_blames_no_record() -> None:
    parts = Assembly()
    batch = parts.pipeline.prepare([record(event()), record(event(schema_version=2), 1), record(event(), 2)])
    for _ in range(2):
        with pytest.raises(NewerSchema, match="schema_version 2"):
            parts.pipeline.process(batch)
    assert batch.settled == []
    assert parts.effects == []


class UnavailableSearch(FakeCollection):
    """A collection whose first searches fail."""

    away = 2

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        if self.away:
            self.away -= 1
            raise Unavailable("store", "away")
        return super().search(queries)


def test_after_an_outage_nothing_is_embedded_twice_and_nothing_is_counted_twice() -> None:
    parts = Assembly(collection=UnavailableSearch())
    batch = parts.pipeline.prepare([record(event(), 0), record(event(body="Another."), 1)])
    for _ in range(2):
        with pytest.raises(Unavailable):
            parts.pipeline.process(batch)
    parts.pipeline.process(batch)
    assert outcomes(batch.settled) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert [len(texts) for texts in parts.model.calls] == [2]
    assert parts.reported.named("version_conflict") == [(1,)]


def test_a_store_that_cannot_be_read_blames_no_record() -> None:
    parts = Assembly()
    parts.collection.failures = [Unavailable("store", "away")]
    batch = parts.pipeline.prepare([record(event())])
    with pytest.raises(Unavailable):
        parts.pipeline.process(batch)
    assert batch.settled == []
    parts.pipeline.process(batch)
    assert outcomes(batch.settled) == [Outcome.ROUTED]


def test_a_failed_device_blames_no_record() -> None:
    parts = Assembly()
    parts.model.dead = DeviceLost("gone")
    with pytest.raises(DeviceLost):
        parts.process(record(event()))


def test_a_result_that_may_not_have_been_published_is_not_lost_to_a_newer_version_in_the_batch() -> None:
    """Version 1 was written and the worker died before it published; then 1 and 2 are read in one batch."""
    parts = Assembly()
    crashed = parts.process(record(event(event_version=1), 0))
    parts.collection.upsert([each.point for each in crashed if each.point is not None])
    parts.settle(record(event(event_version=1), 0), record(event(event_version=2, reason="updated"), 1))
    assert [result.event_version for result in parts.results()] in ([1], [2], [1, 2])


def test_stages_are_timed_by_name() -> None:
    parts = Assembly()
    parts.process(record(event()), record({"nonsense": 1}, 1))
    assert parts.reported.named("stage_done") == [
        ("decode", 2),
        ("prepare", 2),
        ("lookup", 1),
        ("embed", 1),
        ("decide", 1),
        ("build", 1),
    ]
