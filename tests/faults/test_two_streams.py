"""Two streams in one process on real Kafka: a fault of one stream does not delay the other.

Green shows a store outage, a flood of poison and a pause of one stream while the other settles everything, and both
audits clean at the end. It does not show that two streams share a device fairly, nor the effect of a lack of memory on
both.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from millrace.resources import Process
from millrace.serve import run_together
from millrace.wiring import Running, stream_worker
from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.engine.breaker import BreakerLimits
from shared.engine.loop import FailurePolicies
from shared.engine.pipeline import Pipeline
from shared.errors import Unavailable
from shared.metrics.registry import Registry
from shared.operation.control import WorkerControl
from shared.operation.probes import ProbeServer
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import Collection, CollectionSpec
from tests.support.fake_models import models_for
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, produce
from tests.support.kafka.server import KafkaServer
from tests.support.streams import CALL_KIND, SLOW_KINDS, TICKET_KIND, Kind, limited_to
from tests.support.waiting import wait_until

HOST = "127.0.0.1"
TIMEOUT_S = 90.0
OWN = StreamSettings(batch=limited_to(50))
POLICIES = FailurePolicies(breaker=BreakerLimits(probe_every_s=5.0))


class Gate:
    """A collection that cannot be reached while `away` is set."""

    def __init__(self, inner: Collection, away: threading.Event) -> None:
        self._inner, self._away = inner, away

    def __getattr__(self, name: str) -> Any:
        """Return the collection's attribute, unless it is unavailable."""
        if self._away.is_set():
            raise Unavailable("store", "away")
        return getattr(self._inner, name)


@dataclass
class Gated:
    """A store whose collection of calls can be made unavailable."""

    inner: EdgeStore
    away: threading.Event = field(default_factory=threading.Event)

    def open(self, spec: CollectionSpec) -> Any:
        """Open a collection."""
        opened = self.inner.open(spec)
        return Gate(opened, self.away) if spec.alias == CALL_KIND.name else opened

    def open_alias(self, alias: str) -> Collection | None:
        """Open the collection that an alias points to."""
        return self.inner.open_alias(alias)

    def alias_target(self, alias: str) -> str | None:
        """Return the name of that collection."""
        return self.inner.alias_target(alias)

    def close(self) -> None:
        """Close the store."""
        self.inner.close()


@dataclass
class BothStreams:
    """One process with both streams at work."""

    bootstrap: str
    store: Gated
    registry: Registry
    seen: dict[str, Seen]
    workers: dict[str, Running]
    port: int
    sent: dict[str, int] = field(default_factory=dict)

    def send(self, kind: Kind, count: int, text: str = "text") -> None:
        """Send N new items."""
        first = self.sent.get(kind.name, 0)
        self.sent[kind.name] = first + count
        events = (kind.event(f"T-{number}", text=f"{text} {number}") for number in range(first, first + count))
        produce(self.bootstrap, *events, stream=kind.stream)

    def is_settled(self, kind: Kind) -> bool:
        """Return whether all items sent are settled."""
        return len(self.seen[kind.name].outcomes) >= self.sent[kind.name]

    def wait_settled(self, kind: Kind) -> None:
        """Wait until all items sent are settled."""
        wait_until(lambda: self.is_settled(kind), TIMEOUT_S, f"all {kind.name} settled")

    def faults(self, kind: Kind | None = None) -> dict[str, str]:
        """Return the reasons that the probes give for one stream, or for both."""
        return WorkerControl(HOST, self.port, None if kind is None else kind.name).faults()

    def wait_fault(self, kind: Kind, part: str) -> None:
        """Wait until a stream is not ready because of a part."""
        wait_until(lambda: part in self.faults(kind), TIMEOUT_S, f"{kind.name} not ready because of {part}")

    def wait_ready(self) -> None:
        """Wait until both streams are ready."""
        wait_until(lambda: self.faults() == {}, TIMEOUT_S, "both ready")

    def audit(self, kind: Kind) -> AuditReport:
        """Audit a stream."""
        return audit(TopicReader(self.bootstrap, kind.group), kind.stream, self.store.open_alias(kind.name))

    def assert_clean(self) -> None:
        """Assert that neither stream has lost anything."""
        for kind in SLOW_KINDS:
            findings = self.audit(kind)
            assert findings.clean, (kind.name, findings)
            assert (findings.settled, findings.pending) == (self.sent[kind.name], 0)


@contextmanager
def both_streams_of(server: KafkaServer, folder: Path) -> Iterator[BothStreams]:
    """Run both streams in this process, as `millrace run tickets calls` does."""
    for kind in SLOW_KINDS:
        create_topics(server.bootstrap, kind.stream.topics(3), 1)
    settings = Settings(broker=BrokerSettings(bootstrap=server.bootstrap), store=StoreSettings(path=folder))
    failures: list[BaseException] = []
    with ExitStack() as held:
        store = Gated(held.enter_context(closing(EdgeStore(folder))))
        process = Process(settings, server.bootstrap, store, Registry(), POLICIES)
        seen = {kind.name: Seen() for kind in SLOW_KINDS}
        workers = {
            kind.name: held.enter_context(
                stream_worker(kind.stream, OWN, process, models_for(kind.stream, FakeModel()), [seen[kind.name]])
            )
            for kind in SLOW_KINDS
        }
        lifecycles = {name: running.lifecycle for name, running in workers.items()}
        probes = held.enter_context(closing(ProbeServer(HOST, 0, lifecycles, process.registry)))

        def work() -> None:
            try:
                run_together(list(workers.values()))
            except BaseException as error:  # noqa: BLE001  (raised at the end, in the test's own thread)
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            both = BothStreams(server.bootstrap, store, process.registry, seen, workers, probes.port)
            both.wait_ready()
            yield both
        finally:
            workers[TICKET_KIND.name].lifecycle.stop()
            workers[CALL_KIND.name].lifecycle.stop()
            thread.join(TIMEOUT_S)
    if failures:
        raise failures[0]


@pytest.fixture
def both(own_kafka: KafkaServer, tmp_path: Path) -> Iterator[BothStreams]:
    """Yield both streams at work, each with a few records settled."""
    with both_streams_of(own_kafka, tmp_path) as made:
        for kind in SLOW_KINDS:
            made.send(kind, 20)
        for kind in SLOW_KINDS:
            made.wait_settled(kind)
        yield made


def store_outage(both: BothStreams) -> Callable[[], object]:
    """Make the store of calls unavailable, and send calls; return the function that ends the outage."""
    both.store.away.set()
    both.send(CALL_KIND, 50)
    both.wait_fault(CALL_KIND, "store")
    return both.store.away.clear


def flood(both: BothStreams) -> Callable[[], object]:
    """Send calls on each of which the model fails, until the breaker opens; return the function that ends it."""
    both.send(CALL_KIND, 2 * BreakerLimits().min_dead_letters, "POISON")
    both.wait_fault(CALL_KIND, "breaker")
    return lambda: both.send(CALL_KIND, 200)


def pause(both: BothStreams) -> Callable[[], object]:
    """Pause calls by their own path, and send calls; return the function that ends the pause."""
    control, clock = WorkerControl(HOST, both.port, CALL_KIND.name), SystemClock()
    control.pause(clock, TIMEOUT_S)
    both.send(CALL_KIND, 50)
    assert "operator" in both.faults(CALL_KIND)
    return lambda: control.resume(clock, TIMEOUT_S)


@pytest.mark.parametrize("trouble", [store_outage, flood, pause])
def test_a_fault_of_one_stream_does_not_delay_the_other(
    both: BothStreams, trouble: Callable[[BothStreams], Callable[[], object]]
) -> None:
    end = trouble(both)
    for _ in range(3):
        both.send(TICKET_KIND, 100)
        both.wait_settled(TICKET_KIND)
        assert both.faults(TICKET_KIND) == {}
    assert not both.is_settled(CALL_KIND), "it is no longer delayed"
    assert all(part.startswith("calls.") for part in both.faults()), "the process does not name the stream"
    end()
    both.wait_settled(CALL_KIND)
    both.wait_ready()
    assert set(both.seen[TICKET_KIND.name].outcomes) == {Outcome.ROUTED}
    both.assert_clean()


def test_each_stream_has_its_own_group_and_its_own_series(both: BothStreams) -> None:
    lines = both.registry.render().decode().splitlines()
    for kind in SLOW_KINDS:
        assert sum(TopicReader(both.bootstrap, kind.group).committed([kind.name]).values()) == 20
        assert f'millrace_records_total{{outcome="routed",stream="{kind.name}"}} 20.0' in lines


def end_by_a_bug(server: KafkaServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one stream fail with an unexpected error, and wait until both are asked to stop."""

    def process(*_: object) -> None:
        raise ZeroDivisionError

    with both_streams_of(server, folder) as both:
        monkeypatch.setattr(Pipeline, "process", process)
        both.send(CALL_KIND, 1)
        for running in both.workers.values():
            assert running.lifecycle.stopping.wait(TIMEOUT_S)


def test_a_failure_that_waiting_cannot_fix_ends_both_streams(
    own_kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        end_by_a_bug(own_kafka, tmp_path, monkeypatch)
