"""What watching costs a worker: CPU per ticket with all of it, against the same worker without, batch by batch in turn.

Watched: all metrics of a worker. Not watched: the same stages without what they add for the metrics, and an observer
that does nothing. Both check vectors and have tracing switched off, as by default; `benchmarks.tracing` measures that
part. CPU time is that of the thread that runs the stages, so that the threads of store and broker add no noise.
`python -m benchmarks.watching [--tickets 4096] [--rounds 5]`
"""

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.stages import BATCH_RECORDS, batches_of, flow_of, in_turn, parts
from benchmarks.texts import load_texts, to_messages
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.metrics.results import Named
from shared.observers import Observer
from workers.tickets.stages import TICKETS

ALONE_TIMES = 200


class WithoutMeasures:
    """Stages of tickets that add nothing for the metrics."""

    def __init__(self, stages: Any) -> None:
        self._stages = stages

    def __getattr__(self, name: str) -> Any:
        """Return what the stages have, except `measures`."""
        if name == "measures":
            raise AttributeError(name)
        return getattr(self._stages, name)


def measure(texts: Sequence[str]) -> tuple[float, float]:
    """Return the CPU microseconds per ticket of the flow that is watched, and of the one that is not."""
    history = to_messages(list(texts), "solved")
    routed = to_messages(list(texts), "created", first_id=len(texts))
    with parts() as (collection, sink):
        metrics = Metrics(TICKETS.name, Registry(), Named(labels=frozenset({"label"}), queues=frozenset({"label"})))
        flows = {
            "watched": flow_of(collection, sink, metrics),
            "bare": flow_of(collection, sink, Observer(), WithoutMeasures),
        }
        for batch in batches_of(history):
            flows["bare"].run(batch)
        cpu_us = in_turn(flows, batches_of(routed))
    return cpu_us["watched"], cpu_us["bare"]


def alone(texts: Sequence[str]) -> float:
    """Return the CPU microseconds per ticket of updating the series of results, the largest part of what is added."""
    routed = to_messages(list(texts), "created")
    with parts() as (collection, sink):
        pipeline = flow_of(collection, sink, Observer()).pipeline
        batch = pipeline.prepare(next(batches_of(routed)))
        pipeline.process(batch)
        metrics = Metrics(TICKETS.name, Registry())
        times_us = []
        for _ in range(ALONE_TIMES):
            before_s = time.thread_time()
            metrics.results_settled(batch.settled, 0.0, 0.0)
            times_us.append((time.thread_time() - before_s) / len(batch.settled) * 1e6)
    return median(times_us)


def report(tickets: int, rounds: int) -> None:
    """Measure and print the ratio with its spread over rounds."""
    where, texts = load_texts(tickets)
    pairs = [measure(texts) for _ in range(rounds)]
    ratios = sorted(watched / bare for watched, bare in pairs)
    watched, bare = (median(values) for values in zip(*pairs, strict=True))
    print(f"\nWatching, {rounds} rounds of {len(texts)} tickets of {where}, batches of {BATCH_RECORDS}")
    print(f"CPU per ticket: {watched:.0f} us watched, {bare:.0f} us not watched")
    print(f"ratio: {median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})")
    print(f"the series of results alone: {alone(texts):.1f} us")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=4_096)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    report(given.tickets, given.rounds)


if __name__ == "__main__":
    main()
