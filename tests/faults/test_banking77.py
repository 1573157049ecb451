"""The whole product as a user runs it, on a real Kafka with the real model: topics, a worker process, ingest, audit.

13,083 real questions (Banking77): 10,003 solved and labelled, then 3,080 to be routed by them. Green shows the audit clean
and the accuracy of the vote. It says nothing about speed (`benchmarks/`), nor about tickets longer than one sentence.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from millrace.ingest import TicketFile, row_id
from schemas.tickets import TicketRouted
from shared.broker.reader import TopicReader
from tests.kafka.server import KafkaServer
from tests.waiting import wait_until

TRAIN, TEST = 10_003, 3_080
LEAST_ACCURACY = 0.915
TIMEOUT_S = 280.0

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Shop:
    """A Kafka and the environment that the commands run in."""

    bootstrap: str
    environment: dict[str, str]

    def millrace(self, *arguments: str) -> str:
        """Run a command to its end and return what it wrote."""
        command = [sys.executable, "-m", "millrace", *arguments]
        ended = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run the worker for a while; it must end well when asked to."""
        command = [sys.executable, "-m", "millrace", "run", "tickets", "--port", "0"]
        process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def shop(tmp_path: Path, own_kafka: KafkaServer) -> Shop:
    """Give a Kafka with the topics, by the commands of the README."""
    settings = {
        "MILLRACE_BROKER__BOOTSTRAP": own_kafka.bootstrap,
        "MILLRACE_STORE__PATH": str(tmp_path / "store"),
        "MILLRACE_OPERATION__STATE_DIR": str(tmp_path / "state"),
    }
    shop = Shop(own_kafka.bootstrap, os.environ | settings)
    shop.millrace("topics", "create")
    return shop


def test_banking77_is_routed_and_audited(shop: Shop, data_dir: Path) -> None:
    questions = data_dir / "text" / "banking77"
    reader = TopicReader(shop.bootstrap, "millrace-tickets")

    def committed() -> int:
        return sum(reader.committed(["tickets"]).values())

    with shop.worker():
        solved = ["--set", "reason=solved", "--set", "satisfaction=5", "--map", "category=agent_label"]
        shop.millrace("ingest", str(questions / "train.csv"), "--tenant", "bank", "--map", "text=body", *solved)
        wait_until(lambda: committed() == TRAIN, TIMEOUT_S, "the history settled")
        shop.millrace("ingest", str(questions / "test.csv"), "--tenant", "bank", "--map", "text=body")
        wait_until(lambda: committed() == TRAIN + TEST, TIMEOUT_S, "the questions settled")
    findings = json.loads(shop.millrace("audit", "--json"))
    assert findings["outcomes"] == {"indexed": TRAIN, "routed": TEST}
    counts = ("settled", "points", "missing", "stale", "conflicting", "repeated", "pending", "below_retention")
    assert [findings[name] for name in counts] == [TRAIN + TEST, TRAIN + TEST, 0, 0, 0, 0, 0, 0]
    assert _accuracy(reader, questions / "test.csv") >= LEAST_ACCURACY


def _accuracy(reader: TopicReader, questions: Path) -> float:
    """Return the share of questions whose first label is the right one; abstentions count by their first label too."""
    source = TicketFile.open(questions)
    with questions.open(encoding="utf-8", newline="") as opened:
        right = {row_id(source, number): row["category"] for number, row in enumerate(csv.DictReader(opened))}
    results = [TicketRouted.model_validate_json(record.value or b"") for record in reader.read("tickets.routed")]
    assert {result.ticket_id for result in results} == right.keys()
    assert all(len(result.similar) == 5 for result in results)
    return sum(result.decision.top[0].label == right[result.ticket_id] for result in results) / len(results)
