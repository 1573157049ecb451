"""Worker processes killed and stopped on a real Kafka, under the new group protocol.

Green shows: with a SIGKILL after each settle step in turn nothing is missing and nothing stale, and a SIGTERM repeats
nothing. Calls are killed on the embedded broker only (`tests/flow/test_crashes.py`), and products in both places. It
does not show the death of a broker, nor several workers on one store (Edge is for one process).
"""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from shared.broker.provision import create_topics
from shared.observers import SettleStep
from tests.support.crashes import TIMEOUT_S, assert_whole, findings_of, finish, produce_versions, stop_and_resume
from tests.support.kafka.server import KafkaServer
from tests.support.streams import PRODUCT_KIND, TICKET_KIND, Kind
from tests.support.worker_process import Plan, worker_process

MAX_RECORDS = 20
PARTITIONS = 3


def plan_of(kind: Kind, server: KafkaServer, folder: Path) -> Plan:
    """Return a worker's plan on a Kafka, with the records of a stream produced."""
    create_topics(server.bootstrap, kind.stream.topics(PARTITIONS), replication=1)
    produce_versions(server.bootstrap, kind)
    return Plan(server.bootstrap, str(folder / "store"), stream=kind.name, max_records=MAX_RECORDS)


@pytest.mark.parametrize("kind", [TICKET_KIND, PRODUCT_KIND], ids=lambda kind: kind.name)
def test_killed_after_each_settle_step_in_turn(kind: Kind, own_kafka: KafkaServer, tmp_path: Path) -> None:
    """Six workers are killed, each one step later than the one before; then one finishes."""
    plan = plan_of(kind, own_kafka, tmp_path)
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


def test_sigterm_repeats_nothing(own_kafka: KafkaServer, tmp_path: Path) -> None:
    plan = plan_of(TICKET_KIND, own_kafka, tmp_path)  # `tests/flow/test_crashes.py` has the other streams
    findings = stop_and_resume(plan)
    assert_whole(plan, findings)
    assert findings.repeated == 0
