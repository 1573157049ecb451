"""Tickets a second of the whole worker beside the bare encoder on the same texts, interleaved."""

import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.texts import load_texts, to_messages
from millrace.wiring import load_text_model, open_store, ticket_worker
from schemas.outcomes import Outcome
from schemas.topics import topics_of
from shared.broker.embedded import EmbeddedBroker
from shared.broker.kafka import KafkaSink
from shared.clock import SystemClock
from shared.embedding.port import TextModel
from shared.observers import Observer
from shared.settings import EmbeddingSettings, Settings, StoreSettings

BATCH_TEXTS = 256
CLOCK = SystemClock()


class Finish(Observer):
    """Tells when so many records are settled."""

    def __init__(self, records: int) -> None:
        self._left = records
        self.done = threading.Event()

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Count down."""
        self._left -= sum(outcomes.values())
        if self._left <= 0:
            self.done.set()


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    start_s = CLOCK.monotonic_s()
    work()
    return CLOCK.monotonic_s() - start_s


def encode_s(model: TextModel, texts: list[str]) -> float:
    """Return the seconds the bare encoder takes, by poll batches as the worker would hand them over."""
    parts = [texts[start : start + BATCH_TEXTS] for start in range(0, len(texts), BATCH_TEXTS)]
    return seconds_of(lambda: [model.embed(part) for part in parts])


def work_s(model: TextModel, texts: list[str], reason: str) -> float:
    """Return the seconds from the worker's start to the last settled ticket; the history of a routed run is not timed."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker() as broker:
        broker.create([topic.name for topic in topics_of("tickets")])
        settings = Settings(store=StoreSettings(path=Path(folder) / "store"), embedding=EmbeddingSettings(cache_mib=0))
        with closing(KafkaSink(broker.bootstrap, settings.broker)) as sink, open_store(settings) as store:
            finish = Finish(len(texts))
            with ticket_worker(settings, broker.bootstrap, store, model, [finish]) as running:
                _wait_for(lambda: running.source.assigned > 0)
                thread = threading.Thread(target=running.worker.run)
                thread.start()
                start_s = CLOCK.monotonic_s()
                sink.produce(to_messages(texts, reason))
                sink.flush()
                finish.done.wait()
                seconds = CLOCK.monotonic_s() - start_s
                running.lifecycle.stop()
                thread.join()
    return seconds


def _wait_for(done: Callable[[], bool]) -> None:
    while not done():
        CLOCK.wait(threading.Event(), 0.05)


def report(texts_wanted: int, rounds: int) -> None:
    """Measure and print."""
    where, texts = load_texts(texts_wanted)
    model = load_text_model(Settings())
    model.embed(texts[:BATCH_TEXTS])
    rates: dict[str, list[float]] = {"bare encoder": [], "worker, indexing": [], "worker, routing": []}
    for _ in range(rounds):
        rates["bare encoder"].append(len(texts) / encode_s(model, texts))
        rates["worker, indexing"].append(len(texts) / work_s(model, texts, "solved"))
        rates["worker, routing"].append(len(texts) / work_s(model, texts, "created"))
    print(f"\nTickets a second, real model, {len(texts)} texts of {where}, {rounds} rounds interleaved")
    print(f"{'':<20}{'min':>8}{'median':>8}{'max':>8}{'ratio to the encoder, by round':>36}")
    for name, found in rates.items():
        ratios = ", ".join(f"{rate / bare:.2f}" for rate, bare in zip(found, rates["bare encoder"], strict=True))
        print(f"{name:<20}{min(found):>8.0f}{median(found):>8.0f}{max(found):>8.0f}{ratios:>36}")
