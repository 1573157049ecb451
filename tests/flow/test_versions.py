"""Versions of an item through a whole worker, on the embedded broker and Qdrant Edge: section 4 of the design.

Green shows what is stored, published and written to the ledger for each order of events. It does not show a race
between two workers for one id: the store's guard covers that, and its contract suite tests it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from millrace.configured import configured
from millrace.wiring import Running
from schemas.outcomes import Outcome
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.engine.stream import Published
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import Stored
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.streams import KINDS, Kind
from tests.support.waiting import wait_until

OWN = StreamSettings(batch=BatchSettings(max_wait_s=0.5))


@dataclass
class Desk:
    """A broker and a store; each `work` runs a worker until everything sent so far is settled."""

    kind: Kind
    bootstrap: str
    store: EdgeStore
    settings: Settings
    seen: Seen
    sent: int = 0

    @contextmanager
    def working(self) -> Iterator[Running]:
        """Run a worker."""
        process = process_of(self.settings, self.bootstrap, self.store)
        with running_worker(process, FakeModel(), [self.seen], OWN, self.kind.stream) as running:
            yield running

    def produce(self, *events: dict[str, Any]) -> None:
        """Send events."""
        produce(self.bootstrap, *events, stream=self.kind.stream)

    def work(self, *events: dict[str, Any]) -> list[Outcome]:
        """Send events, let a worker settle them all, and return their outcomes."""
        before = len(self.seen.outcomes)
        self.produce(*events)
        self.sent += len(events)
        with self.working():
            self.seen.wait_settled(self.sent)
        return self.seen.outcomes[before:]

    def one_by_one(self, *events: dict[str, Any]) -> list[Outcome]:
        """Send each event in a batch of its own."""
        with self.working():
            for each in events:
                self.produce(each)
                self.sent += 1
                self.seen.wait_settled(self.sent)
        return self.seen.outcomes[-len(events) :]

    def stored(self) -> Stored:
        """Return the stored point of the item."""
        collection = self.store.open_alias(self.kind.name)
        assert collection is not None
        wanted = self.kind.point_id()
        return collection.lookup([wanted])[wanted]

    def text(self) -> str | None:
        """Return the text that the stored point holds."""
        return self.kind.text_of(self.stored().payload)

    def results(self) -> list[Published]:
        """Return every published result."""
        return self.kind.published(list(TopicReader(self.bootstrap).read(self.kind.stream.result_topic)))

    def assert_clean(self) -> None:
        """Assert that the audit is clean."""
        findings = audit(
            TopicReader(self.bootstrap, self.kind.group), self.kind.stream, self.store.open_alias(self.kind.name)
        )
        assert findings.clean, findings
        assert (findings.settled, findings.pending) == (self.sent, 0)


@contextmanager
def desk_of(kind: Kind, folder: Path) -> Iterator[Desk]:
    """Return a fresh broker and store for a stream."""
    with EmbeddedBroker() as broker, closing(EdgeStore(folder)) as store:
        broker.create(kind.topics)
        settings = Settings(broker=BrokerSettings(bootstrap=broker.bootstrap), store=StoreSettings(path=folder))
        yield Desk(kind, broker.bootstrap, store, settings, Seen())


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Return a fresh broker and store for each stream in turn."""
    with desk_of(request.param, tmp_path) as made:
        yield made


def test_of_versions_out_of_order_the_newest_stays(desk: Desk) -> None:
    newer, older = desk.kind.event(version=2, text="new"), desk.kind.event(version=1, text="old")
    assert desk.one_by_one(newer, older) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert desk.text() == "new"
    assert [result.version for result in desk.results()] == [2]
    desk.assert_clean()


def test_an_event_sent_twice_publishes_the_same_decision_again(desk: Desk) -> None:
    assert desk.one_by_one(desk.kind.event(), desk.kind.event()) == [Outcome.ROUTED, Outcome.ROUTED]
    first, second = desk.results()
    assert first.says == second.says
    assert first.origin != second.origin
    assert desk.seen.conflicts == 0
    desk.assert_clean()


def test_of_two_contents_of_one_version_the_first_wins(desk: Desk) -> None:
    assert desk.one_by_one(desk.kind.event(text="first"), desk.kind.event(text="second")) == [
        Outcome.ROUTED,
        Outcome.ROUTED,
    ]
    assert desk.text() == "first"
    assert desk.seen.conflicts == 1
    desk.assert_clean()


def test_an_older_event_does_not_undo_a_deletion(desk: Desk) -> None:
    late = desk.kind.event(version=2, reason="updated", text="late")
    outcomes = desk.one_by_one(desk.kind.event(), desk.kind.deleted(version=3), late)
    assert outcomes == [Outcome.ROUTED, Outcome.DELETED, Outcome.SUPERSEDED]
    stored = desk.stored()
    assert (stored.version, stored.payload["deleted"], dict(stored.vectors)) == (3, True, {})
    assert desk.kind.stored_field not in stored.payload
    desk.assert_clean()


def test_an_update_after_a_deletion_brings_the_item_back(desk: Desk) -> None:
    back = desk.kind.event(version=3, reason="updated", text="back")
    assert desk.one_by_one(desk.kind.event(), desk.kind.deleted(version=2), back) == [
        Outcome.ROUTED,
        Outcome.DELETED,
        Outcome.ROUTED,
    ]
    assert desk.stored().payload["deleted"] is False
    affecting = {each.name for each in desk.kind.stream.inputs if each.affects_result}
    derived = set(configured(desk.kind.stream, StreamSettings()).derived)
    assert set(desk.stored().vectors) == affecting | derived
    desk.assert_clean()


@pytest.mark.parametrize("order", [sorted, lambda events: sorted(events, reverse=True)], ids=["rising", "falling"])
def test_of_two_versions_in_one_batch_only_the_newest_is_written(
    desk: Desk, order: Callable[[list[int]], list[int]]
) -> None:
    events = [desk.kind.event(version=version, text=f"version {version}") for version in order([1, 2])]
    assert sorted(desk.work(*events)) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert desk.text() == "version 2"
    assert [result.version for result in desk.results()] == [2]
    desk.assert_clean()


def test_a_newer_schema_version_waits_and_loses_nothing(desk: Desk) -> None:
    """The worker pauses, reports why it is not ready, and dead-letters nothing; the batch waits for an upgraded worker."""
    desk.produce(desk.kind.event("T-2"))
    desk.produce(desk.kind.event(schema_version=2, a_field_of_the_future=True))
    reader = TopicReader(desk.bootstrap, desk.kind.group)
    with desk.working() as running:
        wait_until(lambda: "schema" in running.lifecycle.not_ready(), 30, "not ready because of the schema")
        assert "upgrade the worker" in running.lifecycle.not_ready()["schema"]
        assert running.lifecycle.stuck() == []
    assert list(reader.read(desk.kind.dlq)) == []
    waiting = [json.loads(record.value or b"")["schema_version"] for record in reader.read(desk.kind.name)]
    assert sorted(waiting) == [1, 2]
    committed = reader.committed([desk.kind.name])
    newer = next(record for record in reader.read(desk.kind.name) if b'"schema_version": 2' in (record.value or b""))
    assert committed.get(newer.topic_partition, 0) <= newer.offset
