"""Gathers a poll batch until it reaches its limit of records, of estimated cost or of waiting time."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shared.broker.port import Source
from shared.clock import Clock
from shared.observers import Observer
from shared.records import Record
from shared.stream_settings import BatchSettings, CostUnit

IDLE_WAIT_S = 0.25
"""How long to wait for the first record; then an empty batch is returned, so that a stop is noticed soon."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How the cost of a record is estimated.

    Attributes:
        of: Returns the cost.
        unit: Its unit, such as `tokens`.
    """

    of: Callable[[Record], int]
    unit: CostUnit


class Gatherer:
    """Cuts the stream of records into poll batches.

    Args:
        source: The source of the records.
        limits: When a batch is full.
        cost: Estimates a record's cost before it is decoded, and its unit.
        clock: Measures the waiting time.
        observer: Is notified of each batch.
    """

    def __init__(self, source: Source, limits: BatchSettings, cost: Cost, clock: Clock, observer: Observer) -> None:
        self._source, self._limits, self._cost, self._clock, self._observer = source, limits, cost, clock, observer
        self._max_cost = limits.max_cost(cost.unit)
        self._left: deque[Record] = deque()

    def gather(self) -> list[Record]:
        """Return the next batch; empty if no record arrived. A record above the cost limit is a batch of its own."""
        batch: list[Record] = []
        total = 0
        start_s = self._clock.monotonic_s()
        wait_s = IDLE_WAIT_S
        while len(batch) < self._limits.max_records and wait_s >= 0:
            if not self._left:
                self._left.extend(self._source.take(self._limits.max_records - len(batch), wait_s))
            if not self._left:
                break
            cost = self._cost.of(self._left[0])
            if batch and total + cost > self._max_cost:
                break
            if not batch:
                start_s = self._clock.monotonic_s()
            batch.append(self._left.popleft())
            total += cost
            wait_s = start_s + self._limits.max_wait_s - self._clock.monotonic_s()
            wait_s = max(wait_s, 0.0) if self._left else wait_s
        if batch:
            self._observer.batch_gathered(len(batch), self._clock.monotonic_s() - start_s)
        return batch
