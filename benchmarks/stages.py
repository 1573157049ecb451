"""CPU microseconds per ticket of each stage, with a stand-in encoder: no stage may cost more than a GPU does.

One thread runs the stages one after the other, so that the CPU time of the whole process, including the libraries' own
threads, belongs to the running stage. The broker is the embedded one, in another process.
"""

import multiprocessing
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from benchmarks.standin import DIM, StandInModel
from benchmarks.texts import load_texts, to_messages
from millrace.stage_resources import decider_of
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.cache.memory import MemoryCache
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.port import TEXT
from shared.embedding.service import Embedder
from shared.engine.announcing import Announcer, Summer
from shared.engine.loop import FailurePolicies
from shared.engine.pipeline import Pipeline, PipelineParts
from shared.engine.resources import Resources
from shared.engine.settle import Settler
from shared.engine.stages import Stages
from shared.engine.timing import Stopwatch
from shared.media.decoding.decoder import Decoder
from shared.observers import Observer
from shared.records import Message, Provenance, Record, UnreadOffsets
from shared.retry.lane import RetryLane
from shared.routing.decider import Routing
from shared.routing.policy import Policy
from shared.settings import BrokerSettings
from shared.stream_settings import DuplicateSettings, RetrySettings, SearchSettings, StreamSettings
from shared.text.preparation import Preparation
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.port import Candidate, Hit, HybridQuery, Query
from workers.tickets.stages import TICKETS

STAGES = ("decode", "prepare", "lookup", "embed", "decide", "build", "store", "produce")
SEARCHES = ("vote", "candidates", "payloads")
"""The store's own parts of `decide`, including Millrace's objects for its answers: with a server the search runs
elsewhere.
"""

BATCH_RECORDS = 256


class StageTimes(Observer):
    """Collects the CPU time of each stage per batch."""

    def __init__(self) -> None:
        self.cpu_us: dict[str, list[float]] = defaultdict(list)

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """Keep the microseconds per record."""
        if records:
            self.cpu_us[stage].append(cpu_s / records * 1e6)


class TimedSearch(EdgeCollection):
    """A collection that reports how much of a stage was spent in calls to it."""

    def __init__(self, inner: EdgeCollection, stopwatch: Stopwatch) -> None:
        self.__dict__.update(inner.__dict__)
        self._stopwatch, self._asked = stopwatch, 0

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Find the voters."""
        with self._stopwatch.time("vote", len(queries)):
            return super().search(queries)

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Find candidates."""
        self._asked = len(queries)
        with self._stopwatch.time("candidates", len(queries)):
            return super().candidates(queries)

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Read the displayed fields of the best candidates."""
        with self._stopwatch.time("payloads", self._asked):
            return super().payloads(ids, fields)


class NoSource:
    """Accepts commits and does nothing: reading and committing are done by the client's own threads, not by a stage."""

    last_poll_s: float = 0.0
    fault: str | None = None
    assigned: int = 1

    def take(self, limit: int, wait_s: float) -> list[Record]:
        """Return nothing."""
        return []

    def hold(self, records: Sequence[Record]) -> list[Record]:
        """Return all records."""
        return list(records)

    def still_owned(self, records: Sequence[Record]) -> list[Record]:
        """Return all records."""
        return list(records)

    def unread(self) -> list[UnreadOffsets]:
        """Return nothing."""
        return []

    def reported(self, spans: Sequence[UnreadOffsets]) -> None:
        """Do nothing."""

    def commit(self, records: Sequence[Record]) -> int:
        """Do nothing."""
        return 0

    def release(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def _hold_broker(ready: "multiprocessing.Queue[str]", done: "multiprocessing.Queue[str]") -> None:
    with EmbeddedBroker() as broker:
        broker.create([topic.name for topic in TICKETS.topics()])
        ready.put(broker.bootstrap)
        done.get()


@contextmanager
def broker_process() -> Iterator[str]:
    """Hold an embedded broker in a process of its own, so that its CPU time is not counted."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Queue(), context.Queue()
    process = context.Process(target=_hold_broker, args=(ready, done))
    process.start()
    try:
        yield ready.get(timeout=30)
    finally:
        done.put("")
        process.join()


@contextmanager
def parts() -> Iterator[tuple[EdgeCollection, KafkaSink]]:
    """Yield an empty collection of tickets, and a sink of a broker in a process of its own."""
    with (
        broker_process() as bootstrap,
        tempfile.TemporaryDirectory() as folder,
        closing(KafkaSink(bootstrap, BrokerSettings())) as sink,
        closing(EdgeStore(Path(folder))) as store,
    ):
        yield store.open(TICKETS.spec("bench", {"text": DIM})), sink


@dataclass(frozen=True, slots=True)
class Flow:
    """The stages of a worker of tickets on one thread, from records to what is committed."""

    pipeline: Pipeline[Any]
    settler: Settler

    def run(self, records: Sequence[Record]) -> None:
        """Process and settle a batch."""
        batch = self.pipeline.prepare(records)
        self.pipeline.process(batch)
        self.settler.settle(batch)


def flow_of(
    collection: EdgeCollection,
    sink: KafkaSink,
    observer: Observer,
    adapted: Callable[[Stages[Any]], Stages[Any]] = lambda stages: stages,
    summer: Summer | None = None,
) -> Flow:
    """Return the stages of a worker with a stand-in encoder; `adapted` may replace those that the stream supplies."""
    clock, model = SystemClock(), StandInModel()
    routing = Routing(Policy.load(None))
    resources = Resources(
        collection=collection,
        decider=decider_of(TICKETS, StreamSettings(), routing, collection),
        preparation=Preparation(version=3),
        customer_key=b"benchmark" * 4,
        search=SearchSettings(),
        duplicates=DuplicateSettings(),
        models={TEXT.name: model.fingerprint},
        decoder=Decoder(DecodingSettings(), 0, clock),  # tickets have no media, so it starts nothing
    )
    stages = adapted(TICKETS.stages(resources))
    lane = RetryLane(TICKETS.name, RetrySettings(), clock, FailurePolicies().random_source)
    embedder = Embedder(TEXT, model, MemoryCache(0), observer)
    pipeline = Pipeline(TICKETS, PipelineParts(stages, {TEXT.name: embedder}, collection, lane), clock, observer)
    provenance = Provenance(TICKETS.name, model.fingerprint)
    return Flow(pipeline, Settler(collection, NoSource(), sink, Announcer(provenance, summer), clock, observer))


def in_turn(flows: Mapping[str, Flow], batches: Iterable[Sequence[Record]]) -> dict[str, float]:
    """Give two flows batches in turn, and return the median CPU microseconds per record of each.

    CPU time is that of the calling thread. Neither flow always goes first.
    """
    first, second = flows
    cpu_us: dict[str, list[float]] = {first: [], second: []}
    for number, batch in enumerate(batches):
        name = (first, second, second, first)[number % 4]
        before_s = time.thread_time()
        flows[name].run(batch)
        cpu_us[name].append((time.thread_time() - before_s) / len(batch) * 1e6)
    return {name: median(found) for name, found in cpu_us.items()}


def measure(history: Sequence[Message], routed: Sequence[Message]) -> dict[str, StageTimes]:
    """Settle a labelled history, then tickets that are routed by it; return the stages' times for both."""
    times = {"indexing": StageTimes(), "routing": StageTimes()}
    with parts() as (inner, sink):
        for observer, messages in zip(times.values(), (history, routed), strict=True):
            flow = flow_of(TimedSearch(inner, Stopwatch(SystemClock(), observer)), sink, observer)
            for batch in batches_of(messages):
                flow.run(batch)
    return times


def batches_of(messages: Sequence[Message]) -> Iterator[list[Record]]:
    """Yield messages as batches of records of the input topic."""
    topic = TICKETS.name
    for start in range(0, len(messages), BATCH_RECORDS):
        part = messages[start : start + BATCH_RECORDS]
        yield [Record(topic, 0, start + place, 0, each.key, each.value) for place, each in enumerate(part)]


def report(tickets: int) -> None:
    """Measure and print."""
    where, texts = load_texts(tickets)
    times = measure(to_messages(texts, "solved", resolved=True), to_messages(texts, "created", first_id=len(texts)))
    print(f"\nCPU microseconds per ticket, stand-in encoder, {len(texts)} texts of {where}, batches of {BATCH_RECORDS}")
    _print_row("stage", [f"{name}: median (min-max)" for name in times])
    for stage in STAGES:
        _print_row(stage, [_spread(found.cpu_us[stage]) for found in times.values()])
    for search in SEARCHES:
        _print_row(f"  {search}", [_spread(found.cpu_us[search]) for found in times.values()])
    totals = [sum(median(found.cpu_us[stage]) for stage in STAGES if found.cpu_us[stage]) for found in times.values()]
    _print_row("all", [_rate(total) for total in totals])
    searches = [sum(median(found.cpu_us[name]) for name in SEARCHES if found.cpu_us[name]) for found in times.values()]
    ours = [total - search for total, search in zip(totals, searches, strict=True)]
    _print_row("ours", [_rate(total) for total in ours])


def _print_row(title: str, cells: Sequence[str]) -> None:
    print(f"{title:<14}" + "".join(f"{cell:>32}" for cell in cells))


def _rate(cpu_us: float) -> str:
    return f"{cpu_us:.0f} = {1e6 / cpu_us:.0f} tickets/s"


def _spread(values: list[float]) -> str:
    return f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})" if values else "-"
