"""Tickets end to end, as a user runs them, on Banking77: train a head, route with a worker on Kafka, audit.

Shared by a test, which takes a few questions of each intent, and `benchmarks/end_to_end.py`, which takes all.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
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

COLUMNS = ("--text-column", "text", "--label-column", "category")
TIMEOUT_S = 280.0
ROUNDING = 1.5
"""A vector depends on the texts beside it within rounding: one question may have another result."""


@dataclass(frozen=True)
class Size:
    """The questions of a run, and the figures that its head must reach.

    Attributes:
        intents: Number of intents, the first by name; None: all.
        train: Number of questions of each intent for training and as solved tickets; None: all.
        test: Number of questions of each intent to route; None: all.
        least_accuracy: The lowest accuracy of the head, 0 to 1.
        most_calibration_error: The highest expected calibration error of the head, 0 to 1.
    """

    intents: int | None
    train: int | None
    test: int | None
    least_accuracy: float
    most_calibration_error: float


ALL = Size(None, None, None, least_accuracy=0.94, most_calibration_error=0.02)
FEW = Size(16, 40, 20, least_accuracy=0.93, most_calibration_error=0.03)


@dataclass(frozen=True)
class Figures:
    """The figures of a run: number of questions, and accuracy and calibration error of the results, both 0 to 1."""

    trained: int
    routed: int
    accuracy: float
    calibration_error: float


@dataclass(frozen=True)
class Installation:
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


def install(kafka: KafkaServer, folder: Path) -> Installation:
    """Return a Kafka with the topics, created by the commands of the README."""
    settings = {
        "MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap,
        "MILLRACE_STORE__PATH": str(folder / "store"),
        "MILLRACE_OPERATION__STATE_DIR": str(folder / "state"),
    }
    installation = Installation(kafka.bootstrap, os.environ | settings)
    installation.millrace("topics", "create")
    return installation


def run_end_to_end(kafka: KafkaServer, data: Path, folder: Path, size: Size) -> Figures:
    """Train, route and audit.

    Args:
        kafka: A broker without topics.
        data: The folder of outside data.
        folder: An empty folder for the head, the store and the questions that are taken.
        size: The questions to take.

    Raises:
        AssertionError: the audit is not clean, or the figures are not those that `router evaluate` gives for the head,
            or these are worse than the size allows.
    """
    questions, head = data / "text" / "banking77", folder / "head"
    train, train_count = _taken(questions / "train.csv", folder, size.intents, size.train)
    test, test_count = _taken(questions / "test.csv", folder, size.intents, size.test)
    installation = install(kafka, folder)
    installation.millrace("router", "train", str(train), *COLUMNS, "--out", str(head))
    reported = json.loads(
        installation.millrace("router", "evaluate", str(test), *COLUMNS, "--model", str(head), "--json")
    )
    assert reported["accuracy"] >= size.least_accuracy
    assert reported["ece"] <= size.most_calibration_error
    installation.environment["MILLRACE_TICKETS__DECISION__HEAD"] = str(head)
    reader = TopicReader(installation.bootstrap, "millrace-tickets")

    def wait_committed(records: int) -> None:
        wait_until(lambda: sum(reader.committed(["tickets"]).values()) == records, TIMEOUT_S, f"{records} settled")

    with installation.worker():
        solved = ["--set", "reason=solved", "--set", "satisfaction=5", "--map", "category=agent_label"]
        installation.millrace("ingest", str(train), "--tenant", "bank", "--map", "text=body", *solved)
        wait_committed(train_count)
        installation.millrace("ingest", str(test), "--tenant", "bank", "--map", "text=body")
        wait_committed(train_count + test_count)
    findings = json.loads(installation.millrace("audit", "--json"))
    assert findings["outcomes"] == {"indexed": train_count, "routed": test_count}
    whole = train_count + test_count
    counts = ("settled", "points", "missing", "stale", "conflicting", "repeated", "pending", "below_retention")
    assert [findings[name] for name in counts] == [whole, whole, 0, 0, 0, 0, 0, 0]
    accuracy, calibration_error = _figures(reader, test)
    assert accuracy == pytest.approx(reported["accuracy"], abs=ROUNDING / test_count)
    assert calibration_error == pytest.approx(reported["ece"], abs=ROUNDING / test_count)
    return Figures(train_count, test_count, accuracy, calibration_error)


def _taken(source: Path, folder: Path, intents: int | None, each: int | None) -> tuple[Path, int]:
    """Write the first questions of the first intents to a file in the folder; return it and the number of questions."""
    with source.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    known = set(sorted({row["category"] for row in rows})[:intents])
    seen: Counter[str] = Counter()
    taken = []
    for row in rows:
        seen[row["category"]] += 1
        if row["category"] in known and (each is None or seen[row["category"]] <= each):
            taken.append(row)
    target = folder / source.name
    with target.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(taken[0]))
        writer.writeheader()
        writer.writerows(taken)
    return target, len(taken)


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
