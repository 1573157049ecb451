"""What the watch for drift costs a worker: CPU per ticket with sums and outliers, against the same worker without.

Both flows take batches in turn; CPU time is that of the thread that runs the stages. The encoder is a stand-in, as fast
as a GPU would be, so the share is that of the engine alone. The reference has as many centroids as one that is built of
20,000 items, and its thresholds let one ticket in a hundred be an outlier.
`python -m benchmarks.drift_cost [--tickets 4096] [--rounds 5]`
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.stages import BATCH_RECORDS, batches_of, flow_of, in_turn, parts
from benchmarks.standin import DIM, StandInModel
from benchmarks.texts import load_texts, to_messages
from shared.drift.keys import Keys
from shared.drift.reference import Reference, Subject
from shared.drift.summing import BatchSummer, Provides
from shared.observers import Observer
from shared.records import Message, Settled
from workers.tickets.stages import RESULT_TOPIC, TICKETS

CENTROIDS = 150
SUBJECT = Subject(TICKETS.name, "text", StandInModel.fingerprint, "all")
NOW = datetime.now(UTC)


class Measured(NamedTuple):
    """CPU microseconds per ticket of both flows and of the summing alone, and the bytes of values by topic."""

    summed_us: float
    bare_us: float
    alone_us: float
    sizes: Counter[str]


class CountedSummer(BatchSummer):
    """A summer that keeps its times, and adds up the sizes of its messages and of the results of its batches."""

    sizes: Counter[str]
    alone_us: list[float]

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return the messages of a batch."""
        before_s = time.thread_time()
        found = super().messages(settled, now)
        self.alone_us.append((time.thread_time() - before_s) / len(settled) * 1e6)
        for each in (*found, *(result for one in settled for result in one.results)):
            self.sizes[each.topic] += len(each.value or b"")
        return found


def reference() -> Reference:
    """Return a reference of random centroids; one random vector in a hundred is an outlier."""
    rng = np.random.default_rng(3)
    drawn = rng.standard_normal((CENTROIDS + 4_096, DIM)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    centroids, vectors = drawn[:CENTROIDS], drawn[CENTROIDS:]
    cosines = (vectors @ centroids.T).max(axis=1)
    far_below = np.full(CENTROIDS, np.quantile(cosines, 0.1), np.float32)
    names = tuple(f"topic {number}" for number in range(CENTROIDS))
    lowest = float(np.quantile(cosines, 0.01))
    return Reference(SUBJECT, "5eedf00d", NOW, NOW, NOW, centroids, names, far_below, lowest, None, None)


def measure(texts: Sequence[str], built: Reference) -> Measured:
    """Settle a labelled history without sums, then tickets that are routed by it, in turn with and without."""
    history = to_messages(list(texts), "solved")
    routed = to_messages(list(texts), "created", first_id=len(texts))
    provides = Provides(
        TICKETS.name, {"text": SUBJECT.model}, {"text": DIM}, None, Keys(), b"key", live_within_s=315_360_000
    )
    summer = CountedSummer(provides, lambda subject: built if subject == SUBJECT else None)
    summer.sizes, summer.alone_us = Counter(), []
    with parts() as (collection, sink):
        flows = {
            "summed": flow_of(collection, sink, Observer(), summer=summer),
            "bare": flow_of(collection, sink, Observer()),
        }
        for batch in batches_of(history):
            flows["bare"].run(batch)
        cpu_us = in_turn(flows, batches_of(routed))
    return Measured(cpu_us["summed"], cpu_us["bare"], median(summer.alone_us), summer.sizes)


def report(tickets: int, rounds: int) -> None:
    """Measure and print the ratios with their spread over rounds."""
    where, texts = load_texts(tickets)
    built = reference()
    found = [measure(texts, built) for _ in range(rounds)]
    ratios = sorted(each.summed_us / each.bare_us for each in found)
    sizes = sum((each.sizes for each in found), Counter[str]())
    print(f"\nSums for drift, {rounds} rounds of {len(texts)} tickets of {where}, batches of {BATCH_RECORDS}")
    print(
        f"CPU per ticket: {median(each.summed_us for each in found):.0f} us with sums, "
        f"{median(each.bare_us for each in found):.0f} us without"
    )
    print(f"ratio: {median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})")
    print(f"the summing alone: {median(each.alone_us for each in found):.1f} us")
    for name in ("sums", "outliers"):
        print(f"bytes of {name}: {sizes[f'{TICKETS.name}.{name}'] / sizes[RESULT_TOPIC]:.2%} of the results' bytes")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=4_096)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    report(given.tickets, given.rounds)


if __name__ == "__main__":
    main()
