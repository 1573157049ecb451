"""Killing a worker after a settle step and checking the result of its successor: shared by flow and fault tests."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from shared.audit.comparison import AuditReport, audit
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.errors import StoreInUse
from shared.records import Message
from shared.settings import BrokerSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.streams import TICKET_KIND, Kind, kind_of_name
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process

ITEMS = 240
VERSIONS = 2
TIMEOUT_S = 120.0


def produce_versions(bootstrap: str, kind: Kind = TICKET_KIND) -> None:
    """Produce two versions of every item, the second with another text."""
    sink = KafkaSink(bootstrap, BrokerSettings())
    for version in range(1, VERSIONS + 1):
        for number in range(ITEMS):
            reason = "created" if version == 1 else "updated"
            fields = kind.event(f"T-{number}", version, reason, text=f"text {number} {version}")
            sink.produce([Message(kind.name, f"acme:T-{number}".encode(), json.dumps(fields).encode())])
    assert sink.flush() == []
    sink.close()


def kind_of(plan: Plan) -> Kind:
    """Return the stream that a plan's workers work on."""
    return kind_of_name(plan.stream)


def kill_and_recover(plan: Plan, batch: int, step: int) -> AuditReport:
    """Run a worker that is killed after a step, then another until all is settled; return the audit's findings."""
    with worker_process(replace(plan, kill_at=(batch, step))) as doomed:
        assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
    finish(plan)
    return findings_of(plan)


def stop_and_resume(plan: Plan) -> AuditReport:
    """Stop a worker by SIGTERM in the middle, let another finish; return the audit's findings."""
    reader = TopicReader(plan.bootstrap, plan.group)
    with worker_process(plan) as first:
        wait_until(lambda: sum(reader.committed([plan.stream]).values()) > 0, TIMEOUT_S, "something committed")
        first.terminate()
        assert first.wait(TIMEOUT_S) == 0
    committed = sum(reader.committed([plan.stream]).values())
    assert 0 < committed < ITEMS * VERSIONS, "the stop came too late to show anything"
    finish(plan)
    return findings_of(plan)


def finish(plan: Plan) -> None:
    """Run a worker until all is settled, then stop it."""
    with worker_process(plan) as last:
        wait_settled(plan)
        last.terminate()
        assert last.wait(TIMEOUT_S) == 0


def wait_settled(plan: Plan) -> None:
    """Wait until every produced record is committed."""
    reader = TopicReader(plan.bootstrap, plan.group)
    wanted = ITEMS * VERSIONS
    wait_until(lambda: sum(reader.committed([plan.stream]).values()) >= wanted, TIMEOUT_S, "all committed")


def findings_of(plan: Plan) -> AuditReport:
    """Audit the topics and the store after a plan's workers have ended."""
    store = EdgeStore(Path(plan.store))
    try:
        return audit(TopicReader(plan.bootstrap, plan.group), kind_of(plan).stream, store.open_alias(plan.stream))
    finally:
        store.close()


def stored_versions(plan: Plan) -> dict[UUID, int]:
    """Return the version of every stored point."""
    store = EdgeStore(Path(plan.store))
    try:
        collection = store.open_alias(plan.stream)
        assert collection is not None
        return {found: int(str(payload["event_version"])) for found, payload in collection.scroll(("event_version",))}
    finally:
        store.close()


def assert_whole(plan: Plan, findings: AuditReport) -> None:
    """Assert that nothing is missing, stale or conflicting, and that the points are exactly the newest items."""
    assert findings.clean, findings
    assert findings.settled == ITEMS * VERSIONS
    assert findings.pending == 0
    ids = {kind_of(plan).point_id(f"T-{number}") for number in range(ITEMS)}
    assert stored_versions(plan) == dict.fromkeys(ids, VERSIONS)


def message_of_second_owner(folder: Path) -> str:
    """Try to open a store that another process holds, and return the error's text."""
    try:
        EdgeStore(folder).close()
    except StoreInUse as error:
        return str(error)
    return ""
