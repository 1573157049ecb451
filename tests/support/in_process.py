"""A worker in this process, on a thread, over a broker and a store of the test."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from millrace.resources import Process
from millrace.wiring import Running, stream_worker
from schemas.outcomes import Outcome
from schemas.tickets import TicketRouted
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.broker.security import Address
from shared.embedding.audio.port import Recogniser
from shared.embedding.port import TextModel
from shared.engine.loop import FailurePolicies
from shared.engine.stream import Stream
from shared.metrics.registry import Registry
from shared.observers import Observer
from shared.records import Message
from shared.settings import BrokerSettings, Settings
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import VectorStore
from tests.support.fake_models import models_for
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

TIMEOUT_S = 120.0


@dataclass
class Seen(Observer):
    """Keeps the workers' reports."""

    outcomes: list[Outcome] = field(default_factory=list)
    conflicts: int = 0

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Keep the outcomes."""
        for outcome, count in outcomes.items():
            self.outcomes += [outcome] * count

    def version_conflict(self, records: int) -> None:
        """Count the conflicts."""
        self.conflicts += records

    def wait_settled(self, records: int) -> None:
        """Wait until `records` records are settled in all."""
        wait_until(lambda: len(self.outcomes) >= records, TIMEOUT_S, f"{records} settled")


def process_of(
    settings: Settings, bootstrap: Address, store: VectorStore, policies: FailurePolicies | None = None
) -> Process:
    """Return the parts that the workers of a test share."""
    return Process(settings, bootstrap, store, Registry(), policies or FailurePolicies())


@contextmanager
def running_worker(
    process: Process,
    model: TextModel,
    observers: Sequence[Observer],
    own: StreamSettings | None = None,
    stream: Stream[Any, Any] = TICKETS,
    recogniser: Recogniser | None = None,
) -> Iterator[Running]:
    """Run a worker on a thread; an error that it raised is raised at the end."""
    models = models_for(stream, model)
    with (
        stream_worker(stream, own or StreamSettings(), process, models, observers, recogniser) as running,
        at_work(running),
    ):
        yield running


@contextmanager
def at_work(running: Running) -> Iterator[None]:
    """Run a worker on a thread; an error that it raised is raised at the end."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            running.worker.run()
        except BaseException as error:  # noqa: BLE001  (raised at the end, in the test's own thread)
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        running.lifecycle.stop()
        thread.join(TIMEOUT_S)
    if failures:
        raise failures[0]


def produce(bootstrap: str, *events: dict[str, Any], stream: Stream[Any, Any] = TICKETS) -> None:
    """Produce events under their own keys, in order; a new client takes half a second until its first delivery."""
    sink = KafkaSink(bootstrap, BrokerSettings())
    produce_by(sink, *events, stream=stream)
    sink.close()


def produce_by(sink: KafkaSink, *events: dict[str, Any], stream: Stream[Any, Any] = TICKETS) -> None:
    """Produce events under their own keys, in order, by a client that exists."""
    for each in events:
        value = json.dumps(each).encode()
        source_id = each.get(stream.id_field) or stream.source_id(stream.events.validate_json(value))
        sink.produce([Message(stream.name, f"{each['tenant_id']}:{source_id}".encode(), value)])
    assert sink.flush() == []


def results_of(bootstrap: str) -> list[TicketRouted]:
    """Return every published result."""
    return [
        TicketRouted.model_validate_json(record.value or b"")
        for record in TopicReader(bootstrap).read("tickets.routed")
    ]
