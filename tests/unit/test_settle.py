"""Settling: the order of durable effects across store, producer and consumer, and which of them a retry repeats.

A green run does not prove that the real parts are durable once they report it; the contract and fault tests check that.
"""

import json
from collections.abc import Collection as Ids
from collections.abc import Mapping, Sequence
from itertools import count
from uuid import UUID

import pytest

from schemas.outcomes import LedgerEntry, OffsetRange, Outcome
from schemas.points import point_id
from shared.errors import Unavailable
from shared.observers import SettleStep
from shared.records import Message, Point, Record, TopicPartition, UnreadOffsets
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection, FakeSink, FakeSource
from tests.support.tickets import deleted, event, record

ONE = point_id("acme", "tickets", "T-1")


class Overtaken(FakeCollection):
    """A collection into which another worker writes version 9 right after each write."""

    def upsert(self, points: Sequence[Point]) -> None:
        super().upsert(points)
        for point in points:
            published = {"event_version": 9, "decided_version": 9}
            self.points[point.id] = Point(point.id, 9, {}, {**point.payload, **published})


class Preceded(FakeCollection):
    """A collection into which another worker writes the very same versions right before each write."""

    def __init__(self, other: Assembly) -> None:
        super().__init__()
        self._other = other

    def upsert(self, points: Sequence[Point]) -> None:
        for point in points:
            self.points.setdefault(point.id, self._other.collection.points[point.id])
        super().upsert(points)


class Forgetful(FakeCollection):
    """A collection whose first write does not take effect, as when it loses a race for a new id."""

    lost = False

    def upsert(self, points: Sequence[Point]) -> None:
        super().upsert(points)
        if not self.lost:
            self.lost = True
            self.points.clear()


def good_and_bad() -> list[Record]:
    return [record(event(), 0), record({"nonsense": 1}, 1), record(deleted(ticket_id="T-2"), 2)]


def test_the_order_of_effects() -> None:
    parts = Assembly(steps=True)
    batch = parts.processed(*good_and_bad())
    parts.effects.clear()
    parts.settler.settle(batch)
    assert parts.effects == [
        "upsert 2",
        "[upsert]",
        "read_back",
        "[look_again]",
        "produce tickets.routed tickets.dlq tickets.outcomes",
        "[produce]",
        "flush",
        "[flush]",
        "commit 3",
        "[commit]",
        "[notify]",
    ]


def test_each_step_is_reported_once_and_in_the_order_of_its_number() -> None:
    parts = Assembly()
    parts.settle(*good_and_bad())
    assert parts.reported.named("settle_step_done") == [(step,) for step in SettleStep]


def test_the_observers_receive_the_outcomes_and_the_oldest_time() -> None:
    parts = Assembly()
    parts.settle(record(event(), 0, timestamp_ms=5_000), record({"x": 1}, 1, timestamp_ms=4_000))
    assert parts.reported.named("batch_settled") == [({Outcome.ROUTED: 1, Outcome.DEAD_LETTERED: 1}, 4_000)]


def test_an_overtaken_version_is_superseded_and_publishes_nothing() -> None:
    parts = Assembly(collection=Overtaken())
    settled = parts.settle(record(event()))
    assert settled[0].outcome is Outcome.SUPERSEDED
    assert parts.delivered("tickets.routed") == []
    assert ledger(parts)[0].ranges == (OffsetRange(first=0, last=0, outcome=Outcome.SUPERSEDED),)


def test_a_decision_that_another_worker_stored_first_is_published_by_both() -> None:
    moods = count()
    first = Assembly(moods=moods)
    first.settle(record(event()))
    second = Assembly(collection=Preceded(first), moods=moods)
    [settled] = second.settle(record(event()))
    assert settled.outcome is Outcome.ROUTED
    [reported], [reported_again] = first.results(), second.results()
    assert reported_again.decision == reported.decision
    assert second.effects.count("lookup") == 2, "it was processed again"
    assert [len(texts) for texts in second.model.calls] == [1], "and not embedded again"


def test_of_two_contents_of_a_version_the_one_stored_first_wins() -> None:
    first = Assembly()
    first.settle(record(event(body="As the other worker read it.", occurred_at="2026-05-02T10:00:00Z")))
    second = Assembly(collection=Preceded(first))
    second.settle(record(event(body="As it stands in redo.")))
    assert second.results()[0].occurred_at == first.results()[0].occurred_at
    assert second.reported.named("version_conflict") == [(1,)]


def test_an_equal_decision_is_not_processed_again() -> None:
    first = Assembly()
    first.settle(record(event()))
    second = Assembly(collection=Preceded(first))
    second.settle(record(event()))
    assert second.effects.count("lookup") == 1
    assert len(second.results()) == 1


def test_a_score_whose_last_bit_was_changed_by_the_store_counts_as_equal() -> None:
    class Rounding(FakeCollection):
        def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
            found = super().read_back(ids, fields)
            changed = json.dumps({str(key): value for key, value in found.items()}).replace(
                "0.333333333", "0.33333333300000004"
            )
            return {UUID(key): value for key, value in json.loads(changed).items()}

    parts = Assembly(collection=Rounding(), moods=count())
    parts.settle(record(event()))
    assert parts.effects.count("lookup") == 1


def test_records_lost_between_processing_and_producing_are_not_published() -> None:
    class Losing(FakeSource):
        def still_owned(self, records: Sequence[Record]) -> list[Record]:
            return [record for record in records if record.offset == 1]

    parts = Assembly(source=Losing())
    parts.settle(record(event(), 0), record(event(ticket_id="T-2"), 1))
    assert [result.ticket_id for result in parts.results()] == ["T-2"]
    assert parts.reported.named("records_abandoned") == [(1,)]
    assert [each.offset for each in parts.source.committed] == [1]


def test_records_lost_unread_are_reported_once_they_are_in_the_ledger() -> None:
    span = UnreadOffsets(TopicPartition("tickets", 0), None, 3, 7)
    parts = Assembly(sink=FakeSink(undelivered=1))
    with pytest.raises(Unavailable, match="could not be written to the ledger"):
        parts.settler.report_unread([span])
    assert parts.reported.named("unread_lost") == []
    parts.settler.report_unread([span])
    assert parts.reported.named("unread_lost") == [(5,)]
    assert [(each.first, each.last) for each in ledger(parts)[0].unread] == [(3, 7)]


def overtaken_repeat(**published: int) -> Assembly:
    """Settle a ticket, read it again, and let another worker store version 9 before the batch is settled."""
    parts = Assembly()
    parts.settle(record(event()))
    batch = parts.processed(record(event(), 1))
    stored = parts.collection.points[ONE]
    parts.collection.points[ONE] = Point(ONE, 9, {}, {**stored.payload, "event_version": 9, **published})
    parts.settler.settle(batch)
    return parts


def test_a_repeat_overtaken_by_a_published_version_publishes_nothing() -> None:
    parts = overtaken_repeat(decided_version=9)
    assert len(parts.delivered("tickets.routed")) == 1
    assert ledger(parts)[1].ranges == (OffsetRange(first=1, last=1, outcome=Outcome.SUPERSEDED),)


def test_a_repeat_overtaken_by_a_version_that_publishes_nothing_is_published_anyway() -> None:
    """Otherwise nobody would: the other worker carried the decision over as already published."""
    parts = overtaken_repeat()
    assert len(parts.delivered("tickets.routed")) == 2
    assert ledger(parts)[1].ranges == (OffsetRange(first=1, last=1, outcome=Outcome.ROUTED),)


def test_a_write_without_effect_is_repeated_before_anything_is_published() -> None:
    parts = Assembly(collection=Forgetful())
    batch = parts.processed(record(event()))
    with pytest.raises(Unavailable, match="holds version None after version 1"):
        parts.settler.settle(batch)
    assert parts.sink.delivered == []
    assert parts.source.committed == []
    parts.settler.settle(batch)
    assert parts.collection.points[ONE].version == 1
    assert [message.topic for message in parts.sink.delivered] == ["tickets.routed", "tickets.outcomes"]


class UnavailableCollection(FakeCollection):
    """A collection that does not answer the first call of one kind."""

    call = "none"

    def _fail(self, effect: str) -> None:
        super()._fail(effect)
        if effect.startswith(self.call):
            self.call = "none"
            raise Unavailable("store", "away")


@pytest.mark.parametrize("call", ["upsert", "read_back"])
def test_after_a_store_failure_no_later_step_is_done(call: str) -> None:
    store = UnavailableCollection()
    parts = Assembly(collection=store)
    batch = parts.processed(*good_and_bad())
    store.call = call
    with pytest.raises(Unavailable):
        parts.settler.settle(batch)
    assert parts.sink.delivered == []
    assert parts.source.committed == []
    parts.settler.settle(batch)
    assert len(parts.sink.delivered) == 3
    assert len(parts.source.committed) == 3


class Picky(FakeSink):
    """A sink that returns the dead letters as undelivered twice and delivers the rest."""

    refusals = 2

    def flush(self) -> list[Message]:
        given_up = [message for message in self.handed if message.topic == "tickets.dlq" and self.refusals]
        self.refusals -= 1
        self.delivered += [message for message in self.handed if message not in given_up]
        return given_up


def test_only_undelivered_messages_are_produced_again() -> None:
    parts = Assembly(sink=Picky())
    batch = parts.processed(*good_and_bad())
    parts.effects.clear()
    for _ in range(2):
        with pytest.raises(Unavailable, match="1 messages were not delivered: away"):
            parts.settler.settle(batch)
        assert parts.source.committed == []
    parts.settler.settle(batch)
    assert parts.effects == [
        "upsert 2",
        "read_back",
        "produce tickets.routed tickets.dlq tickets.outcomes",
        "produce tickets.dlq",
        "produce tickets.dlq",
        "commit 3",
    ]
    assert [message.topic for message in parts.sink.delivered] == ["tickets.routed", "tickets.outcomes", "tickets.dlq"]


def test_a_failed_commit_is_tried_again_and_nothing_else() -> None:
    parts = Assembly()
    batch = parts.processed(*good_and_bad())
    parts.source.failures = [Unavailable("broker", "no commit confirmed")]
    with pytest.raises(Unavailable):
        parts.settler.settle(batch)
    written, delivered = parts.effects.count("upsert 2"), list(parts.sink.delivered)
    assert parts.reported.named("batch_settled") == []
    parts.settler.settle(batch)
    assert parts.effects.count("upsert 2") == written
    assert parts.sink.delivered == delivered
    assert [each.offset for each in parts.source.committed] == [0, 1, 2]
    assert len(parts.reported.named("batch_settled")) == 1


def test_records_found_lost_at_the_commit_are_reported() -> None:
    class Losing(FakeSource):
        def commit(self, records: Sequence[Record]) -> int:
            return len(records)

    parts = Assembly(source=Losing())
    parts.settle(record(event()))
    assert parts.reported.named("records_abandoned") == [(1,)]


def ledger(parts: Assembly) -> list[LedgerEntry]:
    return [LedgerEntry.model_validate_json(m.value or b"") for m in parts.delivered("tickets.outcomes")]


def test_the_ledger_covers_every_offset_of_each_partition() -> None:
    parts = Assembly()
    tickets = [record(event(ticket_id=f"T-{at}"), at) for at in (3, 4, 5)]
    parts.settle(*tickets, record({"x": 1}, 6), record(event(ticket_id="T-9"), 8), record(deleted(), 0, partition=1))
    first, second = ledger(parts)
    assert (first.topic, first.partition, second.partition) == ("tickets", 0, 1)
    assert first.ranges == (
        OffsetRange(first=3, last=5, outcome=Outcome.ROUTED),
        OffsetRange(first=6, last=6, outcome=Outcome.DEAD_LETTERED),
        OffsetRange(first=8, last=8, outcome=Outcome.ROUTED),
    )
    assert second.ranges == (OffsetRange(first=0, last=0, outcome=Outcome.DELETED),)
    assert first.model == parts.model.fingerprint


def test_a_result_is_published_under_the_key_of_its_record() -> None:
    parts = Assembly()
    parts.settle(record(event()))
    [message] = parts.delivered("tickets.routed")
    assert message.key == b"acme:T-1"
    assert json.loads(message.value or b"")["source"] == {
        "topic": "tickets",
        "topic_id": None,
        "partition": 0,
        "offset": 0,
    }
