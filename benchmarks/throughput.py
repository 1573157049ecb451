"""Tickets per second of the whole worker compared with the bare encoder on the same texts, interleaved."""

import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.texts import load_mix, to_messages
from millrace.resources import Process, load_text_model, open_store
from millrace.wiring import stream_worker
from schemas.outcomes import Outcome
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.clock import SystemClock
from shared.embedding.port import TextModel
from shared.metrics.registry import Registry
from shared.model_settings import EmbeddingSettings
from shared.observers import Observer
from shared.settings import CacheSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from workers.tickets.stages import TICKETS

BATCH_TEXTS = 256
KEYS = ("minilm-l6-v2", "use-multilingual-v3")
CLOCK = SystemClock()


class Phases(Observer):
    """Runs one phase after the other: a call begins each, and it ends when its number of records is settled."""

    def __init__(self, records: int, *begin: Callable[[], object]) -> None:
        self._records, self._begin = records, list(begin)
        self._left = 0
        self.seconds: list[float] = []
        self._start_s = 0.0

    def next(self) -> None:
        """Begin the next phase."""
        self._left = self._records
        self._start_s = CLOCK.monotonic_s()
        self._begin.pop(0)()

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Count down, and start the next phase."""
        self._left -= sum(outcomes.values())
        if self._left <= 0:
            self.seconds.append(CLOCK.monotonic_s() - self._start_s)
            self.next()


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    start_s = CLOCK.monotonic_s()
    work()
    return CLOCK.monotonic_s() - start_s


def encode_s(model: TextModel, texts: list[str]) -> float:
    """Return the seconds that the bare encoder takes, by poll batches as the worker would hand them over."""
    parts = [texts[start : start + BATCH_TEXTS] for start in range(0, len(texts), BATCH_TEXTS)]
    return seconds_of(lambda: [model.embed(part) for part in parts])


def work_s(own: StreamSettings, model: TextModel, texts: list[str]) -> tuple[float, float]:
    """Return the seconds to index the texts as solved tickets, and then to route them as new ones.

    Each runs from the first record produced to the last one settled. The worker runs on this thread, as in `millrace run`:
    a second thread that calls torch makes OpenMP count more threads than cores and spin less, which was measured to cost
    the encoder a quarter of its rate.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        broker.create([topic.name for topic in TICKETS.topics()])
        settings = Settings(store=StoreSettings(path=Path(folder) / "store"), cache=CacheSettings(memory_mib=0))
        with closing(KafkaSink(broker.bootstrap, settings.broker)) as sink, open_store(settings) as store:

            def send(reason: str, first_id: int) -> None:
                sink.produce(to_messages(texts, reason, first_id))
                sink.flush()

            indexing, routing = partial(send, "solved", 0), partial(send, "created", len(texts))
            phases = Phases(len(texts), indexing, routing, lambda: running.lifecycle.stop())  # noqa: PLW0108  (bound only once the worker runs)
            process = Process(settings, broker.bootstrap, store, Registry())
            with stream_worker(TICKETS, own, process, {"text": model}, [phases]) as running:
                wait_for(lambda: running.source.assigned > 0)
                phases.next()
                running.worker.run()
    return phases.seconds[0], phases.seconds[1]


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until something is done."""
    while not done():
        CLOCK.wait(threading.Event(), 0.05)


def report(texts_wanted: int, rounds: int, keys: Sequence[str] = KEYS) -> None:
    """Measure and print, model by model."""
    for key in keys:
        report_model(StreamSettings(embedding=EmbeddingSettings(model=key)), load_mix(texts_wanted), rounds)


def report_model(own: StreamSettings, texts: list[str], rounds: int) -> None:
    """Measure one model, and print."""
    model = load_text_model(own)
    model.embed(texts[:BATCH_TEXTS])
    rates: dict[str, list[float]] = {"bare encoder": [], "worker, indexing": [], "worker, routing": []}
    for _ in range(rounds):
        rates["bare encoder"].append(len(texts) / encode_s(model, texts))
        for name, seconds in zip(("worker, indexing", "worker, routing"), work_s(own, model, texts), strict=True):
            rates[name].append(len(texts) / seconds)
    print(
        f"\nTickets per second, {own.embedding.model}, {len(texts)} texts of the ticket mix, {rounds} rounds interleaved"
    )
    print(f"{'':<20}{'min':>8}{'median':>8}{'max':>8}{'ratio to the encoder, by round':>36}")
    for name, found in rates.items():
        ratios = ", ".join(f"{rate / bare:.2f}" for rate, bare in zip(found, rates["bare encoder"], strict=True))
        print(f"{name:<20}{min(found):>8.0f}{median(found):>8.0f}{max(found):>8.0f}{ratios:>36}")
