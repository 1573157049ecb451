"""The rows that references are built from, and the records that are chosen for them.

It does not show a store or a broker: tests/flow/test_drift_commands.py runs both.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from millrace.drift.gathering import Asked, voting_store
from millrace.drift.newest import select, tail_of
from millrace.drift.references import Found, materials
from millrace.drift.replaying import batched, replay
from millrace.drift.rows import decided_item
from millrace.drift.stored import Period, chosen_decided, read_decided
from millrace.drift.voters import Voters
from shared.broker.port import Reader
from shared.drift.keys import Keys
from shared.errors import Fatal
from shared.records import Point, Record, TopicPartition, Watermarks
from shared.settings import Settings, StoreSettings
from shared.stream_settings import BatchSettings, DecisionSettings, StreamSettings
from tests.support.assembly import Assembly
from tests.support.fakes import FakeCollection
from tests.support.streams import CALL_KIND, NOTE_KIND, PRODUCT_KIND, TICKET_KIND, Kind
from tests.support.tickets import deleted, event, record
from workers.tickets.stages import TICKETS

START = datetime(2026, 5, 1, tzinfo=UTC)
EVERY = Period(None, None, 100)


def ignore(steps: int) -> None:
    """Show no progress."""


def settled_points(kind: Kind, *events: dict[str, Any]) -> list[Point]:
    """Return the points of events, each decided in a batch of its own."""
    worker = Assembly(stream=kind.stream)
    points = []
    for number, each in enumerate(events):
        batch = worker.pipeline.prepare([kind.record(each, number)])
        worker.pipeline.process(batch)
        [settled] = batch.settled
        assert settled.point is not None, settled.failure
        worker.collection.upsert([settled.point])
        points.append(settled.point)
    return points


@pytest.mark.parametrize("kind", [TICKET_KIND, CALL_KIND, PRODUCT_KIND], ids=lambda kind: kind.name)
@pytest.mark.parametrize("text", ["Where is my parcel? It has not arrived yet.", "Wo ist mein Paket geblieben?"])
def test_the_traits_of_a_stored_item_are_those_that_its_worker_counts(kind: Kind, text: str) -> None:
    worker = Assembly(stream=kind.stream)
    batch = worker.pipeline.prepare([kind.record(kind.event(text=text))])
    worker.pipeline.process(batch)
    [settled] = batch.settled
    assert settled.facts is not None
    assert settled.point is not None
    assert kind.stream.stored_traits is not None
    assert kind.stream.stored_traits(settled.point.payload) == settled.facts.measures.traits
    assert settled.facts.measures.traits.length_chars > 0


def test_only_decided_snapshots_are_rows() -> None:
    [decided, _, _] = points = settled_points(
        TICKET_KIND, event(), event(ticket_id="T-2", reason="solved"), deleted(ticket_id="T-3")
    )
    found = [decided_item(TICKETS, each.id, each.payload, each.vectors) for each in points]
    assert [each is not None for each in found] == [True, False, False]
    assert decided_item(TICKETS, UUID(int=1), decided.payload, decided.vectors) is None, "of another program"
    overwritten = {**decided.payload, "decision": {"label": 5}}
    assert decided_item(TICKETS, decided.id, overwritten, decided.vectors) is None
    pictured = {**decided.payload, "attached_to": "T-1"}
    assert decided_item(TICKETS, decided.id, pictured, decided.vectors) is None, "a picture of a ticket"
    [item] = [each for each in found if each is not None]
    seen = item.seen("text")
    assert seen is not None
    assert (seen.item_id, seen.tenant_id, seen.text) == ("T-1", "acme", TICKETS_TEXT)
    assert item.seen("image") is None


TICKETS_TEXT = "Where is my parcel?\n\nIt should have been here on Monday."


def test_the_newest_items_of_a_period_are_taken() -> None:
    points = settled_points(
        TICKET_KIND,
        *[event(ticket_id=f"T-{n}", occurred_at=(START + timedelta(hours=n)).isoformat()) for n in range(10)],
        event(ticket_id="T-10", reason="solved"),
    )
    store = FakeCollection()
    store.upsert(points)

    def names(period: Period) -> list[str]:
        ids = chosen_decided(TICKETS, store, period, ignore)
        return [each.item_id for each in read_decided(TICKETS, store, ids, ignore)]

    assert names(EVERY) == [f"T-{n}" for n in reversed(range(10))]
    assert names(Period(None, None, 3)) == ["T-9", "T-8", "T-7"]
    since, until = START + timedelta(hours=2), START + timedelta(hours=5)
    assert names(Period(since, until, 3)) == ["T-4", "T-3", "T-2"]


def test_too_many_items_of_a_period_are_sampled_over_all_of_it() -> None:
    store = FakeCollection()
    store.upsert(
        settled_points(
            TICKET_KIND,
            *[event(ticket_id=f"T-{n}", occurred_at=(START + timedelta(hours=n)).isoformat()) for n in range(200)],
        )
    )
    period = Period(START, None, 40)
    ids = chosen_decided(TICKETS, store, period, ignore)
    hours = [(each.occurred_at - START) // timedelta(hours=1) for each in read_decided(TICKETS, store, ids, ignore)]
    assert hours == sorted(hours, reverse=True)
    assert len(hours) == 40
    assert all(4 <= sum(start <= hour < start + 50 for hour in hours) <= 18 for start in range(0, 200, 50))
    assert chosen_decided(TICKETS, store, period, ignore) == ids, "always the same"


@dataclass
class Topic(Reader):
    """A topic in memory, with two partitions of five records each, one a second."""

    reads: list[Any] = field(default_factory=list)

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        """Return where the partitions begin and end."""
        return {TopicPartition(topic, number): Watermarks(0, 5) for number in range(2)}

    def read(self, topic: str, start: Any = None) -> Any:
        """Yield the records."""
        self.reads.append(start)
        for number in range(2):
            first = 0 if start is None else start.get(TopicPartition(topic, number), 5)
            for offset in range(first, 5):
                yield Record(topic, number, offset, (2 * offset + number) * 1_000, b"acme:T", b"{}")

    def committed(self, topics: Any) -> Any:
        """Return nothing."""
        return {}

    def topic_ids(self, topics: Any) -> Any:
        """Return nothing."""
        return {}


def test_the_newest_records_are_chosen_without_reading_the_others() -> None:
    topic = Topic()
    selected = select(topic, "tickets", Period(None, None, 4), ignore)
    assert [(each.partition, each.offset) for each in selected.read(topic, "tickets")] == [
        (0, 3),
        (0, 4),
        (1, 3),
        (1, 4),
    ]
    assert selected.count == 4
    assert all(topic.reads), "the beginning of the topic is not read"


def test_records_of_a_period_are_chosen_by_their_timestamps() -> None:
    topic = Topic()
    since, until = (datetime.fromtimestamp(seconds, UTC) for seconds in (2, 7))
    selected = select(topic, "tickets", Period(since, until, 5), ignore)
    found = sorted(each.timestamp_ms for each in selected.read(topic, "tickets"))
    assert found == [2_000, 3_000, 4_000, 5_000, 6_000]
    sampled = select(topic, "tickets", Period(since, until, 3), ignore)
    assert {each.timestamp_ms for each in sampled.read(topic, "tickets")} < set(found)
    newest = select(topic, "tickets", Period(None, until, 3), ignore)
    assert sorted(each.timestamp_ms for each in newest.read(topic, "tickets")) == [4_000, 5_000, 6_000]
    assert not list(select(topic, "tickets", Period(until, since, 3), ignore).read(topic, "tickets"))


def test_what_a_short_partition_lacks_comes_from_the_others() -> None:
    marks = {TopicPartition("t", n): Watermarks(10, 10 + size) for n, size in enumerate((0, 3, 50, 100))}
    start = tail_of(marks, 43)
    assert {where.partition: marks[where].high - first for where, first in start.items()} == {1: 3, 2: 20, 3: 20}
    assert tail_of(marks, 1_000) == {where: 10 for where in marks if where.partition}


def test_two_versions_of_an_item_are_never_in_one_batch() -> None:
    records = [record(event(ticket_id=name, event_version=n)) for n, name in enumerate("abcab", 1)]
    batches = list(batched(records, TICKETS, BatchSettings(max_records=4)))
    assert [len(each) for each in batches] == [3, 2]
    assert [len(each) for each in batched(records[:3], TICKETS, BatchSettings(max_records=2))] == [2, 1]
    assert [len(each) for each in batched(records[:3], TICKETS, BatchSettings(max_tokens=1))] == [1, 1, 1]


def test_records_are_decided_again_whatever_is_stored() -> None:
    """An item counts with its newest decided version, and what a worker would refuse or write elsewhere is no item."""
    stored = settled_points(TICKET_KIND, event(), event(event_version=2, reason="solved"))
    store = FakeCollection()
    store.upsert(stored[-1:])
    pipeline = Assembly(collection=cast(FakeCollection, Voters(store))).pipeline
    sent = [
        event(), event(event_version=2, body="Changed since."), event(event_version=3, reason="solved"),
        event(ticket_id="T-2", reason="solved"), event(ticket_id="T-3", tenant_id="zeta"),
    ]  # fmt: skip
    records = [*(record(each, number) for number, each in enumerate(sent)), record(event(reason="unknown"), 9)]
    keys = Keys("tenant", frozenset({"zeta"}))
    found = replay(batched(records, TICKETS, BatchSettings()), TICKETS, pipeline, keys, ignore)
    assert sorted((each.item_id, each.text.rpartition("\n")[2]) for each in found.decided) == [
        ("T-1", "Changed since."), ("T-3", "It should have been here on Monday."),
    ]  # fmt: skip
    assert (found.records, found.failed, found.deferred) == (6, {"other": 1}, 0)
    assert store.versions([stored[0].id]) == {stored[0].id: 2}, "nothing is written"
    parts = {
        each.subject.key: each for each in materials(TICKETS, Found(found.decided, {"text": "m"}, found.failed), keys)
    }
    assert {key: (len(each.rows), each.failed, each.deciders) for key, each in parts.items()} == {
        "tenant:zeta": (1, 0, 1), "other": (1, 1, 1),
    }  # fmt: skip


def test_nothing_is_looked_up_or_written_through_voters() -> None:
    store = FakeCollection()
    [point] = settled_points(TICKET_KIND, event())
    store.upsert([point])
    voters = Voters(store)
    assert (voters.lookup([point.id]), voters.versions([point.id])) == ({}, {})
    assert voters.payloads([point.id], ("ticket_id",)) == {point.id: {"ticket_id": "T-1"}}
    with pytest.raises(Fatal, match="nothing may be written"):
        voters.upsert([point])


def test_a_stream_without_decisions_has_no_rows() -> None:
    [point] = settled_points(NOTE_KIND, NOTE_KIND.event())
    assert decided_item(NOTE_KIND.stream, point.id, point.payload, point.vectors) is None


def test_a_head_decides_without_the_store(tmp_path: Path) -> None:
    nowhere = Settings(store=StoreSettings(path=tmp_path / "nowhere"))
    spec = TICKETS.spec("tickets__bench", {"text": 8})
    headed = StreamSettings(decision=DecisionSettings(head=tmp_path))
    with voting_store(Asked(TICKETS, headed, nowhere, EVERY), spec) as (store, reason):
        assert list(store.open(spec).scroll(())) == []
        assert reason.startswith("there is no store at")
    assert not list(tmp_path.iterdir()), "nothing is left behind"
    with (
        pytest.raises(Fatal, match="Without a head, the points of the store decide"),
        voting_store(Asked(TICKETS, StreamSettings(), nowhere, EVERY), spec),
    ):
        pass
