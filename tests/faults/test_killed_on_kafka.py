"""Worker processes killed and stopped on a real Kafka, under the new group protocol.

Green shows: with a SIGKILL after each settle step in turn nothing is missing and nothing stale, and a SIGTERM repeats
nothing. It does not show the death of a broker, nor several workers on one store (Edge is for one process).
"""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from shared.broker.provision import create_topics
from shared.observers import SettleStep
from tests.support.crashes import TIMEOUT_S, assert_whole, findings_of, finish, produce_versions, stop_and_resume
from tests.support.kafka.server import KafkaServer
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

MAX_RECORDS = 20
PARTITIONS = 3


@pytest.fixture
def plan(tmp_path: Path, own_kafka: KafkaServer) -> Plan:
    """Return a worker's plan on a Kafka of its own, with the tickets produced."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(PARTITIONS), replication=1)
    produce_versions(own_kafka.bootstrap)
    return Plan(own_kafka.bootstrap, str(tmp_path / "store"), max_records=MAX_RECORDS)


def test_killed_after_each_settle_step_in_turn(plan: Plan) -> None:
    """Six workers are killed, each one step later than the one before; then one finishes."""
    for step in SettleStep:
        with worker_process(replace(plan, kill_at=(2, int(step)))) as doomed:
            assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
    finish(plan)
    findings = findings_of(plan)
    assert_whole(plan, findings)
    published_uncommitted = (SettleStep.PRODUCE, SettleStep.FLUSH)
    assert findings.repeated <= MAX_RECORDS * len(published_uncommitted)
    assert findings.repeated > 0, (
        "a kill between flush and commit must cause repeats, otherwise it did not happen there"
    )


def test_sigterm_repeats_nothing(plan: Plan) -> None:
    findings = stop_and_resume(plan)
    assert_whole(plan, findings)
    assert findings.repeated == 0
