"""The worker's loop: each turn gathers, processes and settles one batch, and failures are handled by class.

- A rejected record is an outcome (`dead_lettered`) and never reaches the loop as an error.
- `Unavailable` pauses the worker, which then tries the same batch again.
- `Fatal`, and every unexpected exception, ends the worker.
- `Stopped`, raised in the middle of long work or of a wait, ends the worker without a failure.
- If a partition moves to another worker, its records are dropped from the batch in hand.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from schemas.topics import redo_topic
from shared.backoff import Backoff
from shared.broker.port import Source
from shared.clock import Clock
from shared.embedding.canaries import CANARY
from shared.engine.breaker import Breaker, BreakerLimits
from shared.engine.current import CurrentBatch
from shared.engine.gather import Gatherer
from shared.engine.overlap import Overlap
from shared.engine.pipeline import Batch, Pipeline
from shared.engine.settle import Settler
from shared.engine.snapshots import ItemT
from shared.errors import Stopped, Unavailable
from shared.logs import get_logger
from shared.observers import Observer
from shared.operation.lifecycle import OPERATOR, PREPARE, Lifecycle
from shared.records import Record
from shared.tracing.port import Tracer

TAKE_WAIT_S = 0.25

log = get_logger("worker")


@dataclass(frozen=True, slots=True)
class FailurePolicies:
    """How a worker behaves when something fails.

    Attributes:
        breaker: How the worker slows down while most of the records that arrive are invalid.
        backoff: How long to wait between attempts while a dependency is unavailable.
        random_source: Source of random numbers for these waiting times.
    """

    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    backoff: Backoff = field(default_factory=Backoff)
    random_source: random.Random = field(default_factory=random.Random)


@dataclass(frozen=True, slots=True)
class Parts(Generic[ItemT]):
    """The parts of a worker: those that gather, process and settle, and what they share.

    Attributes:
        source: The source of the records.
        gatherer: Gathers them.
        pipeline: Processes batches.
        settler: Settles batches.
        lifecycle: The state of the worker.
        tracer: Makes the spans of batches and records.
        upkeep: Called at the start, between two batches and before each attempt of a batch, on the thread that uses
            the models; it raises `Unavailable` while they cannot be used.
    """

    source: Source
    gatherer: Gatherer
    pipeline: Pipeline[ItemT]
    settler: Settler
    lifecycle: Lifecycle
    tracer: Tracer = field(default_factory=Tracer)
    upkeep: Callable[[], None] = lambda: None


class Worker(Generic[ItemT]):
    """Consumes one stream until it is asked to stop.

    Args:
        parts: The parts of the worker.
        policies: How it behaves when something fails.
        clock: Measures its waiting times.
        observer: Is notified of pauses and of abandoned records.
    """

    def __init__(self, parts: Parts[ItemT], policies: FailurePolicies, clock: Clock, observer: Observer) -> None:
        self._source, self._gatherer, self._pipeline = parts.source, parts.gatherer, parts.pipeline
        self._settler, self._lifecycle, self._upkeep = parts.settler, parts.lifecycle, parts.upkeep
        self._policies, self._clock, self._observer = policies, clock, observer
        self._current: CurrentBatch[ItemT] = CurrentBatch(parts.pipeline.stream, parts.tracer)
        self._breaker, self._redo = Breaker(policies.breaker), redo_topic(self._pipeline.stream)
        self._overlap: Overlap[Batch[ItemT]] = Overlap(self._prepare_next, lambda: self._lifecycle.beat(PREPARE))

    def run(self) -> None:
        """Gather, process and settle until asked to stop.

        Raises:
            Fatal: an error that waiting does not fix.
        """
        self._overlap.start()
        try:
            self._until_available(self._pipeline.reach_store)
            self._until_available(self._upkeep)
            self._pipeline.ahead.trust()
            self._lifecycle.set_ready("worker")
            while not self._lifecycle.stopping.is_set():
                batch = self._gather()
                if batch is not None:
                    with self._current.in_hand(batch):
                        self._until_available(partial(self._process_and_settle, batch))
                    self._hold_back_if_open()
        except Stopped:
            log.info("stopped: the records in hand that are not committed will be read again")
        finally:
            self._lifecycle.stop()
            self._source.release()
            self._overlap.stop()
            self._current.close()

    def _gather(self) -> Batch[ItemT] | None:
        """Return the batch that was gathered and prepared ahead; None if no record has arrived."""
        self._lifecycle.beat("process")
        if self._lifecycle.pause_wanted:
            self._wait_for_operator()
        self._until_available(self._report_unread)
        self._until_available(self._upkeep)
        return self._overlap.take(TAKE_WAIT_S)

    def _prepare_next(self) -> Batch[ItemT] | None:
        """Gather, prepare and embed the next batch; this runs on the prepare thread."""
        records = self._gatherer.gather()
        return self._current.prepared(records, self._prepared) if records else None

    def _prepared(self, records: Sequence[Record]) -> Batch[ItemT]:
        batch = self._pipeline.prepare(records)
        self._pipeline.embed_ahead(batch, lambda: self._lifecycle.beat_or_abandon(PREPARE))
        return batch

    def _process_and_settle(self, batch: Batch[ItemT]) -> None:
        """Process and settle a batch. If it is called again after an outage, it continues where it stopped."""
        self._take_in_hand(batch)
        if not batch.entries:
            return
        self._upkeep()
        self._report_unread()
        while not batch.is_processed or not self._settler.settle(batch):
            self._pipeline.process(batch)
        self._breaker.observe([each.outcome for each in batch.settled if each.record.topic != self._redo])

    def _take_in_hand(self, batch: Batch[ItemT]) -> None:
        """Mark a batch as in hand, so that a revocation of its partitions waits for it.

        Records whose partition has moved, or is about to move, to another worker are dropped. This check runs once per
        attempt, before the work: if a revocation begins later, the batch is still finished.
        """
        before = len(batch.entries)
        batch.keep(self._source.hold(batch.records))
        if len(batch.entries) < before:
            self._observer.records_abandoned(before - len(batch.entries))
            self._pipeline.unblock(batch)

    def _report_unread(self) -> None:
        """Write lost offsets to the ledger now, because the commit of this batch may pass them."""
        unread = self._source.unread()
        if unread:
            self._settler.report_unread(unread)
            self._source.reported(unread)

    def _until_available(self, work: Callable[[], None]) -> None:
        """Run the work; while a dependency is unavailable, pause, keep polling, back off and run it again."""
        attempt, since_s, dependency = 0, self._clock.monotonic_s(), ""
        while True:
            try:
                work()
                break
            except Unavailable as outage:
                if outage.dependency == CANARY:
                    self._pipeline.ahead.doubt()
                if attempt == 0 or outage.dependency != dependency:
                    self._pause(dependency, outage)
                dependency = outage.dependency
                self._wait(self._policies.backoff.delay_s(attempt, self._policies.random_source))
                attempt += 1
        if attempt:
            self._resume(dependency, self._clock.monotonic_s() - since_s)

    def _pause(self, before: str, outage: Unavailable) -> None:
        if before:
            self._observer.resumed(before, 0.0)
            self._lifecycle.set_ready(before)
        self._source.pause()
        self._lifecycle.set_not_ready(outage.dependency, outage.detail)
        self._observer.paused(outage.dependency)
        log.warning("paused", dependency=outage.dependency, detail=outage.detail)

    def _resume(self, dependency: str, paused_s: float) -> None:
        self._source.resume()
        self._lifecycle.set_ready(dependency)
        self._observer.resumed(dependency, paused_s)
        log.info("resumed", dependency=dependency, paused_s=round(paused_s, 3))

    def _hold_back_if_open(self) -> None:
        """Wait before the next probing batch while most of the records that arrive are invalid."""
        if not self._breaker.is_open:
            return
        every_s = self._policies.breaker.probe_every_s
        log.error(
            "breaker open: most records are dead-lettered; millrace dlq list shows why",
            one_probing_batch_every_s=every_s,
        )
        with self._holding("breaker", "more than half of the recent records were dead-lettered"):
            self._wait(every_s)

    def _wait_for_operator(self) -> None:
        """Wait until the operator resumes the worker. Nothing is in hand: every batch taken so far is committed."""
        log.warning("paused by the operator")
        with self._holding(OPERATOR, f"paused by hand since {self._clock.now():%Y-%m-%dT%H:%M:%SZ}"):
            while self._lifecycle.pause_wanted:
                self._wait(TAKE_WAIT_S)
        log.info("resumed by the operator")

    @contextmanager
    def _holding(self, part: str, reason: str) -> Iterator[None]:
        """Stop fetching, keep polling, and report not ready. If the worker stops meanwhile, the reason stays set."""
        self._source.pause()
        self._lifecycle.set_not_ready(part, reason)
        self._observer.paused(part)
        since_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._source.resume()
            self._observer.resumed(part, self._clock.monotonic_s() - since_s)
        self._lifecycle.set_ready(part)

    def _wait(self, seconds: float) -> None:
        """Wait, with heartbeats, unless the worker is asked to stop.

        Raises:
            Stopped: the worker was asked to stop.
            Fatal: consuming has failed for good.
        """
        until_s = self._clock.monotonic_s() + seconds
        while True:
            self._lifecycle.beat("process")
            self._source.check()
            left_s = until_s - self._clock.monotonic_s()
            if self._clock.wait(self._lifecycle.stopping, max(0.0, min(left_s, 1.0))):
                raise Stopped
            if left_s <= 0:
                return
