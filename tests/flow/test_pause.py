"""A worker process paused by hand while records arrive, on the embedded broker and Qdrant Edge.

Green shows: no record is settled during the pause, every record after it, none twice, and SIGTERM ends a paused worker
properly. It does not show how long Kafka leaves a paused worker its partitions: polling continues as in an outage,
which `tests/contract/test_broker_outage.py` covers.
"""

from pathlib import Path

from shared.audit.comparison import AuditReport, audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.operation.control import WorkerControl
from tests.support.crashes import (
    ITEMS,
    TIMEOUT_S,
    VERSIONS,
    assert_whole,
    findings_of,
    finish,
    produce_versions,
)
from tests.support.ports import free_ports
from tests.support.streams import TICKET_KIND
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS


def is_ready(worker: WorkerControl) -> bool:
    try:
        return worker.faults() == {}
    except Unavailable:  # it has not opened its port yet
        return False


def counts(findings: AuditReport) -> tuple[int, int]:
    return findings.settled, findings.pending


def test_records_that_arrive_during_a_pause_are_settled_after_it(tmp_path: Path) -> None:
    clock, total = SystemClock(), ITEMS * VERSIONS
    with EmbeddedBroker() as broker:
        broker.create(TICKET_KIND.topics)
        plan = Plan(broker.bootstrap, str(tmp_path / "store"), max_records=5, port=free_ports(1)[0])
        reader, worker = TopicReader(plan.bootstrap, plan.group), WorkerControl("127.0.0.1", plan.port or 0)
        with worker_process(plan) as process:
            wait_until(lambda: is_ready(worker), TIMEOUT_S, "the worker being ready")
            since = worker.pause(clock, TIMEOUT_S)
            produce_versions(plan.bootstrap)
            # Each audit reads every topic, which takes longer than the worker would need for its next batches.
            assert [counts(audit(reader, TICKETS, None)) for _ in range(3)] == [(0, total)] * 3
            assert worker.faults() == {"operator": since}

            worker.resume(clock, TIMEOUT_S)
            wait_until(lambda: sum(reader.committed(["tickets"]).values()) > 0, TIMEOUT_S, "something committed")
            worker.pause(clock, TIMEOUT_S)
            standing = [counts(audit(reader, TICKETS, None)) for _ in range(2)]
            assert standing[0] == standing[1]
            assert sum(standing[0]) == total
            process.terminate()
            assert process.wait(TIMEOUT_S) == 0
        finish(plan)  # a new worker does not know of the pause
        findings = findings_of(plan)
        assert_whole(plan, findings)
        assert findings.repeated == 0
