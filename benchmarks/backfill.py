"""`python -m benchmarks.backfill`: what a backfill costs the workers of live traffic, in the age of their results.

On a real Kafka and the stand-in for Qdrant's server, all on this machine. The backfill is paused and resumed by turns, so
that both kinds of turns see the same machine. The age of a result is the time of its record minus that of its input.
"""

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.operation.control import WorkerControl
from shared.records import Message
from shared.settings import BrokerSettings
from tests.support.backfill_process import BackfillPlan, backfill_process, finished
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.ports import free_ports
from tests.support.qdrant.process import StandinProcess
from tests.support.tickets import event
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

CLOCK = SystemClock()
TIMEOUT_S = 3_600.0
STARTING_S = 300.0
"""The longest time until the backfill is at work: it loads its model first."""

SETTLING_S = 1.0
"""The beginning of each turn, which is not counted."""

EVERY_S = 0.05
MOST_RATIO = 1.5


@dataclass(frozen=True)
class Trial:
    """The size of a measurement.

    Attributes:
        records: Records of the backfill.
        rate: Records a second of the backfill.
        live: Records a second of live traffic.
        turn_s: Length of a turn.
        model: The name of the workers' model; None for one that costs nothing.
    """

    records: int
    rate: float
    live: float
    turn_s: float
    model: str | None = None


@dataclass
class Ages:
    """The ages of live results, in ms, with the backfill at rest and at work, and the live records sent in each turn."""

    at_rest: list[float] = field(default_factory=list)
    at_work: list[float] = field(default_factory=list)
    turns: list[tuple[int, int, bool]] = field(default_factory=list)

    def p99(self) -> tuple[float, float]:
        """Return the 99th percentile of each, in ms."""
        return float(np.percentile(self.at_rest, 99)), float(np.percentile(self.at_work, 99))


class LiveTraffic:
    """Sends tickets evenly until it is stopped."""

    def __init__(self, bootstrap: str, per_s: float) -> None:
        self._sink, self._per_s = KafkaSink(bootstrap, BrokerSettings()), per_s
        self._stop, self.sent = threading.Event(), 0
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def _send(self) -> None:
        began_s = CLOCK.monotonic_s()
        while not CLOCK.wait(self._stop, EVERY_S):
            due = int((CLOCK.monotonic_s() - began_s) * self._per_s)
            self._sink.produce([message("L", number) for number in range(self.sent, due)])
            self._sink.flush()
            self.sent = due

    def stop(self) -> None:
        """Stop sending."""
        self._stop.set()
        self._thread.join()
        self._sink.close()


def message(kind: str, number: int) -> Message:
    """Return a ticket as a message."""
    ticket, body = f"{kind}-{number}", f"Order {number} has not arrived, and nobody answers the phone about it."
    fields = event(ticket_id=ticket, body=body, occurred_at=f"{CLOCK.now():%Y-%m-%dT%H:%M:%SZ}")
    return Message("tickets", f"acme:{ticket}".encode(), json.dumps(fields).encode())


def measured(trial: Trial, server: KafkaServer) -> Ages:
    """Run live traffic beside a backfill that works by turns, until it has ended by itself."""
    create_topics(server.bootstrap, TICKETS.topics(6), replication=1)
    ages, (port,) = Ages(), free_ports(1)
    with StandinProcess() as old, StandinProcess() as store:
        first_ms = _history(server.bootstrap, trial, old.url)
        until_ms = int(CLOCK.now().timestamp() * 1000)
        plan = BackfillPlan(
            server.bootstrap, store.url, first_ms, until_ms, rate=trial.rate, port=port, model=trial.model
        )
        with worker_process(Plan(server.bootstrap, store.url, max_records=256, model=trial.model)):
            live = LiveTraffic(server.bootstrap, trial.live)
            reader = TopicReader(server.bootstrap, "millrace-tickets")
            wanted = trial.records + int(trial.live)
            wait_until(lambda: sum(reader.committed(["tickets"]).values()) >= wanted, TIMEOUT_S, "live work")
            with backfill_process(plan) as process:
                control = WorkerControl("127.0.0.1", port)
                wait_until(lambda: process.poll() is not None or _is_ready(control), STARTING_S, "the backfill ready")
                while process.poll() is None:
                    _turn(ages, trial, at_work=True)
                    if not _switched(control.pause):
                        break
                    _turn(ages, trial, at_work=False)
                    if not _switched(control.resume):
                        break
                print(f"backfill: {finished(process)}", flush=True)
            live.stop()
            wanted = trial.records + live.sent
            wait_until(lambda: sum(reader.committed(["tickets"]).values()) >= wanted, TIMEOUT_S, "all settled")
    _collect(server.bootstrap, ages)
    return ages


def _history(bootstrap: str, trial: Trial, url: str) -> int:
    """Send the records of the backfill, and let a worker with another store settle them; return when they begin."""
    first_ms = int(CLOCK.now().timestamp() * 1000)
    sink = KafkaSink(bootstrap, BrokerSettings())
    for start in range(0, trial.records, 1_000):
        sink.produce([message("H", number) for number in range(start, min(start + 1_000, trial.records))])
        sink.flush()
    sink.close()
    reader = TopicReader(bootstrap, "millrace-tickets")
    with worker_process(Plan(bootstrap, url, max_records=256)) as worker:
        wait_until(lambda: sum(reader.committed(["tickets"]).values()) >= trial.records, TIMEOUT_S, "history settled")
        worker.terminate()
        worker.wait()
    CLOCK.wait(threading.Event(), 0.05)
    return first_ms


def _is_ready(control: WorkerControl) -> bool:
    try:
        return control.faults() == {}
    except Unavailable:
        return False


def _switched(switch: object) -> bool:
    try:
        assert callable(switch)
        switch(CLOCK, 30.0)
    except Unavailable:  # it has ended
        return False
    return True


def _turn(ages: Ages, trial: Trial, *, at_work: bool) -> None:
    began_ms = int((CLOCK.now().timestamp() + SETTLING_S) * 1000)
    CLOCK.wait(threading.Event(), SETTLING_S + trial.turn_s)
    ages.turns.append((began_ms, int(CLOCK.now().timestamp() * 1000), at_work))


def _collect(bootstrap: str, ages: Ages) -> None:
    reader = TopicReader(bootstrap)
    sent_ms = {(each.partition, each.offset): each.timestamp_ms for each in reader.read("tickets")}
    for record in reader.read(TICKETS.result_topic):
        result = TICKETS.read_result(record.value)
        if not result.source_id.startswith("L"):
            continue
        began_ms = sent_ms[result.origin.partition, result.origin.offset]
        for first_ms, end_ms, at_work in ages.turns:
            if first_ms <= began_ms < end_ms:
                (ages.at_work if at_work else ages.at_rest).append(record.timestamp_ms - began_ms)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--live", type=float, default=10.0, help="records a second of live traffic")
    parser.add_argument("--turn-s", type=float, default=10.0)
    parser.add_argument("--model", help="name of the model; without it, one that costs nothing")
    given = parser.parse_args(arguments)
    if reason := why_unavailable():
        sys.exit(reason)
    with KafkaServer() as server:
        ages = measured(Trial(given.records, given.rate, given.live, given.turn_s, given.model), server)
    rest, work = ages.p99()
    print(f"live results: {len(ages.at_rest)} with the backfill at rest, {len(ages.at_work)} at work")
    print(f"age p50: {np.median(ages.at_rest):.0f} ms at rest, {np.median(ages.at_work):.0f} ms at work")
    print(f"age p99: {rest:.0f} ms at rest, {work:.0f} ms at work: {work / rest:.2f} times (at most {MOST_RATIO})")
    sys.exit(0 if work <= MOST_RATIO * rest else 1)


if __name__ == "__main__":
    main()
