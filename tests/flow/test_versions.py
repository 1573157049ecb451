"""Versions of a ticket through a whole worker, on the embedded broker and Qdrant Edge: section 4 of the design.

Green shows what is stored, published and entered in the ledger for each order of events. It does not show a race between
two workers for one id: that is the store's guard, shown by its contract suite.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.outcomes import Outcome
from schemas.points import point_id
from shared.audit.comparison import audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge import EdgeStore
from shared.vectorstore.port import Stored
from tests.crashes import TOPICS
from tests.fakes import FakeModel
from tests.flow.in_process import Seen, process_of, produce, results_of, running_worker
from tests.tickets import deleted, event
from tests.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
OWN = StreamSettings(batch=BatchSettings(max_wait_s=0.5))


@dataclass
class Desk:
    """A broker and a store; each `work` runs a worker until everything sent so far is settled."""

    bootstrap: str
    store: EdgeStore
    settings: Settings
    seen: Seen
    sent: int = 0

    def work(self, *events: dict[str, Any]) -> list[Outcome]:
        """Send events, let a worker settle them all, and return their outcomes."""
        before = len(self.seen.outcomes)
        produce(self.bootstrap, *events)
        self.sent += len(events)
        with running_worker(process_of(self.settings, self.bootstrap, self.store), FakeModel(), [self.seen], OWN):
            self.seen.wait_settled(self.sent)
        return self.seen.outcomes[before:]

    def one_by_one(self, *events: dict[str, Any]) -> list[Outcome]:
        """Send each event in a batch of its own."""
        with running_worker(process_of(self.settings, self.bootstrap, self.store), FakeModel(), [self.seen], OWN):
            for each in events:
                produce(self.bootstrap, each)
                self.sent += 1
                self.seen.wait_settled(self.sent)
        return self.seen.outcomes[-len(events) :]

    def stored(self, ticket_id: str = "T-1") -> Stored:
        """Return what is stored of a ticket."""
        collection = self.store.open_alias("tickets")
        assert collection is not None
        wanted = point_id("acme", "tickets", ticket_id)
        return collection.lookup([wanted])[wanted]

    def assert_clean(self) -> None:
        """Audit."""
        findings = audit(TopicReader(self.bootstrap, GROUP), TICKETS, self.store.open_alias("tickets"))
        assert findings.clean, findings
        assert (findings.settled, findings.pending) == (self.sent, 0)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give a fresh broker and store."""
    with EmbeddedBroker() as broker:
        broker.create(TOPICS)
        store = EdgeStore(tmp_path / "store")
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            store=StoreSettings(path=tmp_path / "store"),
        )
        yield Desk(broker.bootstrap, store, settings, Seen())
        store.close()


def test_out_of_order_the_newest_stays(desk: Desk) -> None:
    newer, older = event(event_version=2, body="new"), event(event_version=1, body="old")
    assert desk.one_by_one(newer, older) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert desk.stored().payload["body"] == "new"
    assert [result.event_version for result in results_of(desk.bootstrap)] == [2]
    desk.assert_clean()


def test_sent_twice_is_told_again_with_the_same_decision(desk: Desk) -> None:
    assert desk.one_by_one(event(), event()) == [Outcome.ROUTED, Outcome.ROUTED]
    first, second = results_of(desk.bootstrap)
    assert first.decision == second.decision
    assert first.source != second.source
    assert desk.seen.conflicts == 0
    desk.assert_clean()


def test_same_version_with_other_content_the_first_wins(desk: Desk) -> None:
    assert desk.one_by_one(event(body="first"), event(body="second")) == [Outcome.ROUTED, Outcome.ROUTED]
    assert desk.stored().payload["body"] == "first"
    assert desk.seen.conflicts == 1
    desk.assert_clean()


def test_nothing_older_undoes_a_deletion(desk: Desk) -> None:
    outcomes = desk.one_by_one(event(), deleted(event_version=3), event(event_version=2, reason="updated", body="late"))
    assert outcomes == [Outcome.ROUTED, Outcome.DELETED, Outcome.SUPERSEDED]
    stored = desk.stored()
    assert (stored.version, stored.payload["deleted"], dict(stored.vectors)) == (3, True, {})
    assert "body" not in stored.payload
    desk.assert_clean()


def test_deleted_then_updated_comes_back(desk: Desk) -> None:
    back = event(event_version=3, reason="updated", body="back")
    assert desk.one_by_one(event(), deleted(event_version=2), back) == [Outcome.ROUTED, Outcome.DELETED, Outcome.ROUTED]
    assert desk.stored().payload["deleted"] is False
    assert set(desk.stored().vectors) == {"text"}
    desk.assert_clean()


@pytest.mark.parametrize("order", [sorted, lambda events: sorted(events, reverse=True)], ids=["rising", "falling"])
def test_two_versions_in_one_batch_only_the_newest_is_written(
    desk: Desk, order: Callable[[list[int]], list[int]]
) -> None:
    events = [event(event_version=version, body=f"version {version}") for version in order([1, 2])]
    assert sorted(desk.work(*events)) == [Outcome.ROUTED, Outcome.SUPERSEDED]
    assert desk.stored().payload["body"] == "version 2"
    assert [result.event_version for result in results_of(desk.bootstrap)] == [2]
    desk.assert_clean()


def test_newer_schema_version_waits_and_loses_nothing(desk: Desk) -> None:
    """The worker pauses, says why it is not ready, dead-letters nothing; the batch is still there for an upgraded one."""
    produce(desk.bootstrap, event(ticket_id="T-2"))
    produce(desk.bootstrap, event(schema_version=2, a_field_of_the_future=True))
    reader = TopicReader(desk.bootstrap, GROUP)
    with running_worker(
        process_of(desk.settings, desk.bootstrap, desk.store), FakeModel(), [desk.seen], OWN
    ) as running:
        wait_until(lambda: "schema" in running.lifecycle.not_ready(), 30, "not ready because of the schema")
        assert "upgrade it" in running.lifecycle.not_ready()["schema"]
        assert running.lifecycle.stuck() == []
    assert list(reader.read("tickets.dlq")) == []
    waiting = [json.loads(record.value or b"")["schema_version"] for record in reader.read("tickets")]
    assert sorted(waiting) == [1, 2]
    committed = reader.committed(["tickets"])
    newer = next(record for record in reader.read("tickets") if b'"schema_version": 2' in (record.value or b""))
    assert committed.get(newer.topic_partition, 0) <= newer.offset


def test_read_again_every_decision_is_told_as_it_was(desk: Desk) -> None:
    """Also one with shares of a vote in it, whose last bits a store may change."""
    desk.work(
        *[event(ticket_id=f"L-{n}", reason="solved", agent_label=f"label {n % 4}", body=f"{n}") for n in range(30)]
    )
    fresh = [event(ticket_id=f"N-{n}", body=f"new {n}") for n in range(40)]
    desk.work(*fresh)
    desk.work(*fresh)
    told = [result.decision for result in results_of(desk.bootstrap)]
    assert len(told) == 80
    assert all(decision.confidence not in (None, 0.0, 1.0) for decision in told), "there is something to be changed"
    desk.assert_clean()


def test_told_again_after_the_text_has_changed_it_is_compared_by_its_own(desk: Desk) -> None:
    solved = [event(ticket_id=f"L-{word}", reason="solved", satisfaction=5, body=word) for word in ("alpha", "beta")]
    desk.work(*solved)
    first = event(ticket_id="N", body="alpha")
    desk.one_by_one(first, event(ticket_id="N", event_version=2, reason="solved", body="beta"), first)
    once, again = [result.similar for result in results_of(desk.bootstrap)]
    assert [hit.ticket_id for hit in once] == [hit.ticket_id for hit in again] == ["L-alpha", "L-beta"]
