"""Kills two instances of the drift application at random moments, and compares what they kept with an undisturbed run."""

import json
import random
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import numpy as np
from confluent_kafka import Producer

from schemas.drift import BatchSums, DriftAlert
from schemas.topics import DRIFT_ALERTS, sums_topic
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.drift.board import Board, Rules, Tallies
from shared.drift.frames import Place
from tests.support.drift_process import STREAM, References, batch, judged, progress, started, states
from tests.support.mondays import monday
from tests.support.ports import free_ports
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

PARTITIONS = 4
KEYS = ("all", "tenant:a", "tenant:b", "tenant:c", "other")
BEGAN = monday(8, hours=48)
BATCHES_PER_HOUR = 30
EACH_S = 5.0
"""Time from one kill to the next."""

TIMEOUT_S = 90.0


@dataclass(frozen=True)
class Crashes:
    """How often to kill.

    Attributes:
        times: The number of kills; each is followed by a start, so each causes two rebalances.
        seed: For the moments and the instances.
        hours: Hours of messages, spread over the kills.
    """

    times: int
    seed: int
    hours: int = 24


@dataclass
class Outcome:
    """What was found."""

    kills: int = 0
    subjects: int = 0
    expected_subjects: int = 0
    differing: list[str] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    expected_alerts: int = 0
    unreadable: int = 0
    stopped_s: float = 0.0
    uncommitted: int = 0
    took_s: float = 0.0
    batches: int = 0
    read_between: int = 0


def messages(hours: int, seed: int) -> Iterator[BatchSums]:
    """Yield batches of several subjects; in every other three hours, one in five holds `new`. Times go back a little."""
    drawn, pick = np.random.default_rng(seed), random.Random(seed)  # noqa: S311  (not a secret)
    for number in range(hours * BATCHES_PER_HOUR):
        at = BEGAN + timedelta(hours=number / BATCHES_PER_HOUR, seconds=pick.uniform(-3, 3))
        drifts = number // (3 * BATCHES_PER_HOUR) % 2 == 1 and number % 5 == 0
        for key in KEYS:
            yield batch(key, at, drawn, "new" if drifts else "usual")


def partition_of(key: str) -> int:
    """Return the partition of a subject's records."""
    return KEYS.index(key) % PARTITIONS


def crashed(bootstrap: str, crashes: Crashes) -> Outcome:
    """Produce while two instances are killed, and return what they have kept in the end."""
    create_topics(bootstrap, TICKETS.topics(PARTITIONS), 1)
    outcome, pick, began_s = Outcome(), random.Random(crashes.seed), time.monotonic()  # noqa: S311  (not a secret)
    every, ports = list(messages(crashes.hours, crashes.seed)), free_ports(2)
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder) / "log"
        instances = [started(bootstrap, port, logs) for port in ports]
        try:
            _wait_ready(ports, 2)
            with _arriving(bootstrap, every, crashes.times * EACH_S):
                for _ in range(crashes.times):
                    time.sleep(pick.uniform(0.3, 0.7) * EACH_S)
                    victim = pick.randrange(2)
                    instances[victim].kill()
                    instances[victim].wait()
                    outcome.kills += 1
                    time.sleep(pick.uniform(0.1, 0.3) * EACH_S)
                    instances[victim] = started(bootstrap, ports[victim], logs)
            _finish(bootstrap, ports, instances, outcome)
        finally:
            for each in instances:
                each.kill()
                each.wait()
        lines = [json.loads(line) for line in logs.read_text().splitlines() if line.startswith("{")]
    outcome.read_between = sum(line["messages"] for line in lines if line["event"] == "read between")
    outcome.batches, outcome.took_s = len(every), time.monotonic() - began_s
    _compare(bootstrap, outcome)
    return outcome


def _finish(bootstrap: str, ports: list[int], instances: list[Popen[bytes]], outcome: Outcome) -> None:
    """Wait until everything is committed, and stop the instances."""
    marks = TopicReader(bootstrap).watermarks(sums_topic(STREAM))
    wanted = {place.partition: each.high for place, each in marks.items() if each.high}
    wait_until(lambda: progress(bootstrap) == wanted, TIMEOUT_S, "everything committed")
    outcome.unreadable = sum(_metric(port, "millrace_drift_unreadable_messages_total") for port in ports)
    stopping_s = time.monotonic()
    for each in instances:
        each.terminate()
    for each in instances:
        each.wait(30)
    outcome.stopped_s = time.monotonic() - stopping_s
    outcome.uncommitted = sum(wanted.values()) - sum(progress(bootstrap).values())


def _compare(bootstrap: str, outcome: Outcome) -> None:
    """Compare what is in the changelog with what one board makes of all messages in their order."""
    board = Board(STREAM, References(), Rules(judged, lambda: 0.01, 0.05), Tallies())
    alerts = []
    reader = TopicReader(bootstrap)
    topic_id = reader.topic_ids([sums_topic(STREAM)]).get(sums_topic(STREAM))
    for record in reader.read(sums_topic(STREAM)):
        with suppress(ValueError):
            taken = board.take(record.value or b"", Place(topic_id, record.partition), record.offset)
            alerts += [each.key for each in taken.outgoing]
    found = states(bootstrap)
    outcome.subjects, outcome.expected_subjects = len(found), len(KEYS)
    for expected in board:
        kept = found.get(expected.subject)
        if kept is None or kept.to_bytes() != expected.to_bytes():
            outcome.differing.append(str(expected.subject))
    sent = [DriftAlert.model_validate_json(each.value or b"") for each in reader.read(DRIFT_ALERTS.name)]
    outcome.alerts, outcome.expected_alerts = [each.alert_id for each in sent], len(alerts)
    if {each.decode() for each in alerts} != set(outcome.alerts):
        outcome.differing.append("alerts")


@contextmanager
def _arriving(bootstrap: str, every: list[BatchSums], within_s: float) -> Iterator[None]:
    """Produce all batches, and one unreadable message, evenly over a time; wait for the last one at the end."""
    producer, topic, began_s = Producer({"bootstrap.servers": bootstrap}), sums_topic(STREAM), time.monotonic()

    def produce() -> None:
        for number, sums in enumerate(every):
            time.sleep(max(0.0, began_s + within_s * number / len(every) - time.monotonic()))
            value = sums.model_dump_json().encode()
            producer.produce(topic, value, sums.key.encode(), partition=partition_of(sums.key))
            producer.poll(0)
        producer.produce(topic, b"{}", b"unreadable", partition=0)
        producer.flush()

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _wait_ready(ports: list[int], count: int) -> None:
    wait_until(lambda: sum(_metric(port, "millrace_drift_up") for port in ports) == count, TIMEOUT_S, "both are ready")


def _metric(port: int, name: str) -> int:
    """Return the sum of the samples of a metric; 0 if the process does not answer."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith(name))
    return 0
