"""A worker of tickets with pictures, killed (SIGKILL) after each settle step; another one finishes, with the redrive.

Green shows that every picture that a ticket lists has its point, every other one none, and that the audit is clean. It does
not show how Kafka behaves (`tests/faults` does).
"""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from millrace.wiring import redrive_of
from schemas.attachments import attached_id
from shared.audit.comparison import AuditReport, audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.metrics.registry import Registry
from shared.observers import SettleStep
from shared.records import Message, TopicPartition
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey
from shared.settings import BrokerSettings, Settings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.drawn_tickets import DRAWN_TICKETS
from tests.support.pictured import images, ticket
from tests.support.products import drawn
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process

TIMEOUT_S = 120.0
TICKETS, BATCH = 60, 20
LAST = {"stays": "a mug", "changes": "version 2"}
TOPICS = [topic.name for topic in DRAWN_TICKETS.topics()]


def produce_versions(bootstrap: str) -> None:
    """Produce three versions of every ticket: one picture stays, one is replaced and one goes; every sixth is deleted."""
    with closing(KafkaSink(bootstrap, BrokerSettings())) as sink:
        for version in (1, 2, 3):
            for number in range(TICKETS):
                media = {"stays": drawn("a mug"), "changes": drawn(f"version {min(version, 2)}")}
                media |= {"goes": drawn("a lamp")} if version == 1 else {}
                fields: dict[str, Any] = {"body": f"text {number}", "images": images(**media)}
                reason = "created" if version == 1 else "updated"
                if version == 3 and number % 6 == 0:
                    reason, fields = "deleted", {"subject": ..., "body": ...}
                event = ticket(version, reason, f"T-{number}", **fields)
                sink.produce([Message("tickets", f"acme:T-{number}".encode(), json.dumps(event).encode())])
        assert sink.flush() == []


def expected() -> dict[str, str]:
    """Return what is read in every picture that must be stored, by its source id."""
    kept = [number for number in range(TICKETS) if number % 6]
    return {attached_id(f"T-{number}", name): text for number in kept for name, text in LAST.items()}


@contextmanager
def redriven(bootstrap: str) -> Iterator[None]:
    """Run a redrive."""
    settings = Settings(broker=BrokerSettings(bootstrap=bootstrap))
    redrive = redrive_of([DRAWN_TICKETS], settings, bootstrap, Registry())
    thread = threading.Thread(target=redrive.run)
    thread.start()
    try:
        yield
    finally:
        redrive.lifecycle.stop()
        thread.join(TIMEOUT_S)


def is_done(plan: Plan) -> bool:
    """Return whether everything is committed, and nothing waits in the retry lane."""
    reader = TopicReader(plan.bootstrap, plan.group)
    highs, committed = highs_of(reader), reader.committed(TOPICS[:2])
    waiting = RetrySurvey(TopicReader(plan.bootstrap, REDRIVE_GROUP), "tickets").states()
    is_committed = all(committed.get(where, 0) >= high for where, high in highs.items())
    return is_committed and not any(state.records for state in waiting) and highs == highs_of(reader)


def highs_of(reader: TopicReader) -> dict[TopicPartition, int]:
    """Return the next offset of every partition with records, of the input and of what comes back."""
    marks = {where: marks for topic in TOPICS[:2] for where, marks in reader.watermarks(topic).items()}
    return {where: each.high for where, each in marks.items() if each.high}


def finish(plan: Plan) -> tuple[AuditReport, dict[str, object]]:
    """Let another worker finish; return the audit's findings, and what is read in every stored picture."""
    with redriven(plan.bootstrap), worker_process(plan) as last:
        wait_until(lambda: is_done(plan), TIMEOUT_S, "all committed")
        last.terminate()
        assert last.wait(TIMEOUT_S) == 0
    with closing(EdgeStore(Path(plan.store))) as store:
        collection = store.open_alias("tickets")
        assert collection is not None
        reader, redrive = TopicReader(plan.bootstrap, plan.group), TopicReader(plan.bootstrap, REDRIVE_GROUP)
        findings = audit(reader, DRAWN_TICKETS, collection, redrive)
        payloads = [payload for _, payload in collection.scroll(("ticket_id", "attached_to", "read_text"))]
    return findings, {str(each["ticket_id"]): each["read_text"] for each in payloads if "attached_to" in each}


def _killed_after(step: SettleStep, folder: Path) -> None:
    with EmbeddedBroker() as broker:
        broker.create(TOPICS)
        produce_versions(broker.bootstrap)
        plan = Plan(broker.bootstrap, str(folder), classic=True, max_records=BATCH, pictured=True)
        with worker_process(replace(plan, kill_at=(3, step))) as doomed:
            assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
        findings, found = finish(plan)
    assert findings.clean, findings
    assert (findings.pending, findings.foreign) == (0, 0)
    assert found == expected()


def test_killed_after_each_settle_step(tmp_path: Path) -> None:
    with ThreadPoolExecutor(len(SettleStep)) as pool:
        runs = {step: pool.submit(_killed_after, step, tmp_path / step.name) for step in SettleStep}
        failed = {step.name: error for step, run in runs.items() if (error := run.exception()) is not None}
    assert not failed
