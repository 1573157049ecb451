"""The whole product as a user runs it, on a real Kafka with the real model: train a head, route with a worker, audit.

13,083 real questions (Banking77): 10,003 for training and as solved tickets, then 3,080 to route. Green shows that the
audit is clean, and that the accuracy and calibration of the worker's results match those that `router evaluate` gives
for the head. It does not show anything about speed (`benchmarks/`), nor about tickets longer than one sentence.
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

import numpy as np
import pytest

from millrace.ingest.events import row_id
from millrace.ingest.table_files import TableFile
from schemas.tickets import TicketRouted
from shared.broker.reader import TopicReader
from shared.routing.calibration import expected_calibration_error
from tests.support.kafka.server import KafkaServer
from tests.support.waiting import wait_until

TRAIN, TEST = 10_003, 3_080
LEAST_ACCURACY, MOST_CALIBRATION_ERROR = 0.94, 0.02
SAME = 0.0005
"""A vector depends on the texts beside it within rounding: one question in 3,080 may have another result."""

COLUMNS = ("--text-column", "text", "--label-column", "category")
TIMEOUT_S = 280.0

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Product:
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
        """Run the worker for a while; it must exit with 0 when stopped."""
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
def product(tmp_path: Path, own_kafka: KafkaServer) -> Product:
    """Return a Kafka with the topics, created by the commands of the README."""
    settings = {
        "MILLRACE_BROKER__BOOTSTRAP": own_kafka.bootstrap,
        "MILLRACE_STORE__PATH": str(tmp_path / "store"),
        "MILLRACE_OPERATION__STATE_DIR": str(tmp_path / "state"),
    }
    product = Product(own_kafka.bootstrap, os.environ | settings)
    product.millrace("topics", "create")
    return product


def test_banking77_is_routed_and_the_audit_is_clean(product: Product, data_dir: Path, tmp_path: Path) -> None:
    questions = data_dir / "text" / "banking77"
    head = tmp_path / "head"
    product.millrace("router", "train", str(questions / "train.csv"), *COLUMNS, "--out", str(head))
    reported = json.loads(
        product.millrace("router", "evaluate", str(questions / "test.csv"), *COLUMNS, "--model", str(head), "--json")
    )
    assert reported["accuracy"] >= LEAST_ACCURACY
    assert reported["ece"] <= MOST_CALIBRATION_ERROR
    product.environment["MILLRACE_TICKETS__DECISION__HEAD"] = str(head)
    reader = TopicReader(product.bootstrap, "millrace-tickets")

    def committed() -> int:
        return sum(reader.committed(["tickets"]).values())

    with product.worker():
        solved = ["--set", "reason=solved", "--set", "satisfaction=5", "--map", "category=agent_label"]
        product.millrace("ingest", str(questions / "train.csv"), "--tenant", "bank", "--map", "text=body", *solved)
        wait_until(lambda: committed() == TRAIN, TIMEOUT_S, "the history settled")
        product.millrace("ingest", str(questions / "test.csv"), "--tenant", "bank", "--map", "text=body")
        wait_until(lambda: committed() == TRAIN + TEST, TIMEOUT_S, "the questions settled")
    findings = json.loads(product.millrace("audit", "--json"))
    assert findings["outcomes"] == {"indexed": TRAIN, "routed": TEST}
    counts = ("settled", "points", "missing", "stale", "conflicting", "repeated", "pending", "below_retention")
    assert [findings[name] for name in counts] == [TRAIN + TEST, TRAIN + TEST, 0, 0, 0, 0, 0, 0]
    accuracy, calibration_error = _figures(reader, questions / "test.csv")
    assert accuracy == pytest.approx(reported["accuracy"], abs=SAME)
    assert calibration_error == pytest.approx(reported["ece"], abs=SAME)


def _figures(reader: TopicReader, questions: Path) -> tuple[float, float]:
    """Return accuracy and calibration error of the results; abstentions count by their first label too."""
    source = TableFile.open(questions)
    with questions.open(encoding="utf-8", newline="") as opened:
        truth = {row_id(source, number): row["category"] for number, row in enumerate(csv.DictReader(opened))}
    results = [TicketRouted.model_validate_json(record.value or b"") for record in reader.read("tickets.routed")]
    assert {result.ticket_id for result in results} == truth.keys()
    assert all(len(result.similar) == 5 for result in results)
    right = np.array([result.decision.top[0].label == truth[result.ticket_id] for result in results])
    confidence = np.array([result.decision.top[0].share for result in results])
    return float(right.mean()), expected_calibration_error(confidence, right)
