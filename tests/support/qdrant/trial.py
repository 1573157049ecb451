"""A whole worker with the stand-in as its store, behind a proxy: shared by the outage test and its benchmark."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from millrace.wiring import Running
from shared.audit.comparison import AuditReport, audit
from shared.broker.embedded import EmbeddedBroker
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.settings import BrokerSettings, CacheSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.qdrant.store import QdrantStore, connect
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.proxy import Mode, Proxy
from tests.support.qdrant.process import StandinProcess
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
TIMEOUT_S = 120.0


@dataclass
class Watch(Seen):
    """Keeps the worker's reports, and when it paused and resumed, in seconds of one clock."""

    clock: SystemClock = field(default_factory=SystemClock)
    paused_at_s: list[float] = field(default_factory=list)
    resumed_at_s: list[float] = field(default_factory=list)
    dependencies: set[str] = field(default_factory=set)

    def paused(self, dependency: str) -> None:
        """Keep the time and the dependency."""
        self.dependencies.add(dependency)
        self.paused_at_s.append(self.clock.monotonic_s())

    def resumed(self, dependency: str, paused_s: float) -> None:
        """Keep the time."""
        self.resumed_at_s.append(self.clock.monotonic_s())


@dataclass
class Trial:
    """A running worker; `send` gives it work, `finish` lets it settle all and audits the result."""

    server: StandinProcess
    proxy: Proxy
    bootstrap: str
    store: QdrantStore
    model: FakeModel
    running: Running
    watch: Watch = field(default_factory=Watch)
    sent: int = 0
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def send(self, records: int) -> None:
        """Produce `records` more events: each ticket comes twice, the second time with another text."""
        with self._one_at_a_time:
            numbers = range(self.sent, self.sent + records)
            self.sent += records
        events = [
            event(
                ticket_id=f"T-{number // 2}",
                event_version=1 + number % 2,
                reason=("created", "updated")[number % 2],
                body=f"text {number}",
            )
            for number in numbers
        ]
        produce(self.bootstrap, *events)

    def wait_paused(self, times: int = 1) -> None:
        """Wait until the worker has paused `times` times."""
        wait_until(lambda: len(self.watch.paused_at_s) >= times, TIMEOUT_S, f"paused {times} times")

    def embedded_twice(self) -> list[str]:
        """Return the texts that the model embedded more than once."""
        counted = Counter(text for call in self.model.calls for text in call)
        return [text for text, times in counted.items() if times > 1]

    def finish(self) -> AuditReport:
        """Wait until all records sent are settled, and audit the result."""
        self.watch.wait_settled(self.sent)
        wait_until(lambda: self.running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready again")
        reader = TopicReader(self.bootstrap, GROUP)
        return audit(reader, TICKETS, self.store.open_alias("tickets"))


@contextmanager
def trial(store: StoreSettings, batch: BatchSettings, mode: Mode = "open") -> Iterator[Trial]:
    """Run a worker on an embedded broker; `store` is completed with the address. No cache hides an embedding.

    Args:
        store: How the worker connects to the store.
        batch: How the worker gathers batches.
        mode: Mode of the proxy when the worker starts.
    """
    with StandinProcess() as server, Proxy(server.port) as proxy, EmbeddedBroker() as broker:
        proxy.set_mode(mode)
        broker.create([topic.name for topic in TICKETS.topics()])
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            cache=CacheSettings(memory_mib=0),
            privacy=PRIVACY,
            store=store.model_copy(update={"url": proxy.url}),
        )
        opened, model, watch = connect(settings.store), FakeModel(), Watch()
        try:
            with running_worker(
                process_of(settings, broker.bootstrap, opened), model, [watch], StreamSettings(batch=batch)
            ) as running:
                yield Trial(server, proxy, broker.bootstrap, opened, model, running, watch)
        finally:
            opened.close()
