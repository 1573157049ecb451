"""Streams that contain poison, and a judge of the worker's results: shared by test and campaign."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from millrace.wiring import Running
from schemas.failures import FailureHeader
from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.engine.loop import FailurePolicies
from shared.records import Message, header_texts
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, results_of, running_worker
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"


def _event(number: int, **changes: object) -> bytes:
    return json.dumps(event(**({"ticket_id": f"T-{number}", "body": f"text {number}"} | changes))).encode()


KINDS: tuple[Callable[[int], bytes], ...] = (
    lambda number: _event(number)[:-1],
    lambda number: _event(number).replace(b"text", b"\xff\xfe"),
    lambda number: _event(number, event_id=...),
    lambda number: _event(number, tenant_id="other"),
    lambda number: _event(number, body=f"POISON {number}"),
    lambda number: _event(number, body=f"NANVECTOR {number}"),
)
"""Not JSON, not UTF-8, a missing field, another record's key; a text on which the model fails, one without a finite
vector.
"""

REASONS = {"invalid_json", "invalid_utf8", "missing_field", "key_mismatch", "model_failed", "vector_not_finite"}


@dataclass
class Watch(Seen):
    """The worker's reports about its breaker, and their times.

    Attributes:
        steps: "settled", "paused" and "resumed" in their order; only pauses of the breaker count.
        paused_at_s, resumed_at_s: The times of the breaker's pauses, by one clock.
    """

    clock: SystemClock = field(default_factory=SystemClock)
    steps: list[str] = field(default_factory=list)
    paused_at_s: list[float] = field(default_factory=list)
    resumed_at_s: list[float] = field(default_factory=list)

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Keep the outcomes and the step."""
        self.steps.append("settled")
        super().batch_settled(outcomes, oldest_timestamp_ms)

    def paused(self, dependency: str) -> None:
        """Keep a pause of the breaker."""
        if dependency == "breaker":
            self.steps.append("paused")
            self.paused_at_s.append(self.clock.monotonic_s())

    def resumed(self, dependency: str, paused_s: float) -> None:
        """Keep the end of a pause of the breaker."""
        if dependency == "breaker":
            self.steps.append("resumed")
            self.resumed_at_s.append(self.clock.monotonic_s())

    def probes(self) -> list[int]:
        """Return the number of batches settled between each two pauses of the breaker."""
        between = "".join({"settled": "s", "paused": "p", "resumed": "r"}[step] for step in self.steps)
        return [len(part) for part in between.partition("p")[2].rpartition("p")[0].replace("r", "").split("p") if part]


@dataclass(frozen=True)
class Judged:
    """The results of a stream.

    Attributes:
        results: Number of results of each ticket.
        dead_letters: Number of dead letters of each record, by the position of its origin.
    """

    findings: AuditReport
    results: Counter[str]
    dead_letters: Counter[tuple[str, str]]
    reasons: set[str]


@dataclass
class Stream:
    """A worker that processes the records sent to it."""

    bootstrap: str
    store: EdgeStore
    running: Running
    watch: Watch
    healthy: set[str] = field(default_factory=set)
    poisonous: int = 0

    def send(self, poisonous: Sequence[bool]) -> None:
        """Send records in this order, each poison or healthy."""
        sink = KafkaSink(self.bootstrap, BrokerSettings())
        first = len(self.healthy) + self.poisonous
        for number, is_poison in enumerate(poisonous, first):
            value = KINDS[self.poisonous % len(KINDS)](number) if is_poison else _event(number)
            sink.produce([Message("tickets", f"acme:T-{number}".encode(), value)])
            if is_poison:
                self.poisonous += 1
            else:
                self.healthy.add(f"T-{number}")
        assert sink.flush() == []
        sink.close()

    def wait_outcomes(self, timeout_s: float) -> None:
        """Wait until all records sent have an outcome; the breaker may still be open."""
        sent = len(self.healthy) + self.poisonous
        wait_until(lambda: len(self.watch.outcomes) >= sent, timeout_s, f"{sent} settled")

    def wait_settled(self, timeout_s: float) -> None:
        """Wait until all records sent are settled and the worker is ready."""
        self.wait_outcomes(timeout_s)
        wait_until(lambda: self.running.lifecycle.not_ready() == {}, timeout_s, "ready again")

    def judge(self) -> Judged:
        """Read the worker's results."""
        reader, headers = TopicReader(self.bootstrap, GROUP), FailureHeader
        letters = [header_texts(record.headers) for record in reader.read("tickets.dlq")]
        return Judged(
            audit(reader, TICKETS, self.store.open_alias("tickets")),
            Counter(result.ticket_id for result in results_of(self.bootstrap)),
            Counter((each[headers.ORIGIN_PARTITION], each[headers.ORIGIN_OFFSET]) for each in letters),
            {each[headers.REASON] for each in letters},
        )

    def assert_expected(self, judged: Judged) -> None:
        """Assert that every healthy record has one result and every poison record is one dead letter."""
        assert judged.findings.clean, judged.findings
        assert (judged.findings.repeated, judged.findings.pending) == (0, 0)
        assert judged.results == dict.fromkeys(self.healthy, 1)
        assert len(judged.dead_letters) == self.poisonous
        assert set(judged.dead_letters.values()) <= {1}
        assert judged.reasons <= REASONS


@contextmanager
def stream(folder: Path, batch: BatchSettings, policies: FailurePolicies | None = None) -> Iterator[Stream]:
    """Run a worker on an embedded broker and a store in `folder`."""
    with EmbeddedBroker() as broker, closing(EdgeStore(folder)) as store:
        broker.create([topic.name for topic in TICKETS.topics()])
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            store=StoreSettings(path=folder),
        )
        watch = Watch()
        process = process_of(settings, broker.bootstrap, store, policies)
        with running_worker(process, FakeModel(), [watch], StreamSettings(batch=batch)) as running:
            yield Stream(broker.bootstrap, store, running, watch)
