"""Worker processes killed and stopped on a real Kafka, under the new group protocol.

Green shows: with a SIGKILL after each settle step in turn nothing is missing and nothing stale, and a SIGTERM repeats
nothing. It does not show what a broker's own death does, nor several workers on one store (Edge is for one process).
"""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.topics import topics_of
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.observers import SettleStep
from tests.crashes import TICKETS, TIMEOUT_S, VERSIONS, assert_whole, findings_of, produce_tickets, wait_settled
from tests.kafka.server import KafkaServer, why_unavailable
from tests.services import missing
from tests.waiting import wait_until
from tests.worker_process import Plan, worker_process

MAX_RECORDS = 20
PARTITIONS = 3


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    """Give a worker's plan on a Kafka of its own, with the tickets produced."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer() as server:
        create_topics(server.bootstrap, topics_of("tickets", PARTITIONS), replication=1)
        produce_tickets(server.bootstrap)
        yield Plan(server.bootstrap, str(tmp_path / "store"), max_records=MAX_RECORDS)


def test_killed_after_each_settle_step_in_turn(plan: Plan) -> None:
    """Six lives, each killed one step later than the one before, then one that finishes."""
    for step in SettleStep:
        with worker_process(replace(plan, kill_at=(2, int(step)))) as doomed:
            assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
    with worker_process(plan) as survivor:
        wait_settled(plan)
        survivor.terminate()
        assert survivor.wait(TIMEOUT_S) == 0
    findings = findings_of(plan)
    assert_whole(plan, findings)
    published_uncommitted = (SettleStep.PRODUCE, SettleStep.FLUSH)
    assert findings.repeated <= MAX_RECORDS * len(published_uncommitted)
    assert findings.repeated > 0, "a kill between flush and commit must show as repeats, else it did not happen there"


def test_asked_to_stop_repeats_nothing(plan: Plan) -> None:
    reader = TopicReader(plan.bootstrap, plan.group)
    with worker_process(plan) as first:
        wait_until(lambda: sum(reader.committed(["tickets"]).values()) > 0, TIMEOUT_S, "something committed")
        first.terminate()
        assert first.wait(TIMEOUT_S) == 0
    assert sum(reader.committed(["tickets"]).values()) < TICKETS * VERSIONS, "the stop came too late to show anything"
    with worker_process(plan) as second:
        wait_settled(plan)
        second.terminate()
        assert second.wait(TIMEOUT_S) == 0
    findings = findings_of(plan)
    assert_whole(plan, findings)
    assert findings.repeated == 0
