"""Settling a batch: the order of durable effects, in one function. `docs/delivery.md` says what the order promises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from schemas.outcomes import Outcome
from shared.broker.port import Sink, Source
from shared.clock import Clock
from shared.engine.envelope import Envelopes
from shared.engine.pipeline import Batch, ItemT
from shared.engine.timing import Stopwatch
from shared.errors import Unavailable
from shared.observers import Observer, SettleStep
from shared.records import Message, Settled
from shared.vectorstore.port import Collection


class Settler:
    """Makes a processed batch durable. Safe to call again with the same batch after any failure."""

    def __init__(
        self, collection: Collection, source: Source, sink: Sink, envelopes: Envelopes, clock: Clock, observer: Observer
    ) -> None:
        self._collection, self._source, self._sink = collection, source, sink
        self._envelopes, self._clock, self._observer = envelopes, clock, observer
        self._stopwatch = Stopwatch(clock, observer)

    def settle(self, batch: Batch[ItemT]) -> None:
        """Write, look again, publish, commit, tell.

        Raises:
            Unavailable: the store or the broker is down; call again with the same batch.
            Fatal: nothing that waiting could mend.
        """
        records = len(batch.records)
        if batch.outbox is None:
            with self._stopwatch.time("store", records):
                self._collection.upsert([each.point for each in batch.settled if each.point is not None])
                self._done(SettleStep.UPSERT)
                batch.settled = self._look_again(batch.settled)
                self._done(SettleStep.LOOK_AGAIN)
            batch.outbox = self._messages(batch.settled)
        with self._stopwatch.time("produce", records):
            self._sink.produce(batch.outbox)
            self._done(SettleStep.PRODUCE)
            batch.outbox = self._sink.flush()
            if batch.outbox:
                raise Unavailable("broker", f"{len(batch.outbox)} messages were not delivered")
            self._done(SettleStep.FLUSH)
        with self._stopwatch.time("commit", records):
            lost = self._source.commit(batch.records)
            self._done(SettleStep.COMMIT)
        self._tell(batch.settled, lost)
        self._done(SettleStep.TELL)

    def _look_again(self, settled: Sequence[Settled]) -> list[Settled]:
        """Read the versions now stored: what is older than them is superseded, and its result is not published.

        A write that did not take effect has lost a race for an id that was new to both: writing again mends it.
        """
        stored = self._collection.versions({each.point_id for each in settled if each.point_id is not None})
        looked: list[Settled] = []
        for each in settled:
            if each.point_id is None or each.version is None:
                looked.append(each)
                continue
            found = stored.get(each.point_id, 0)
            if found < each.version:
                raise Unavailable(
                    "store", f"point {each.point_id} holds version {found} after {each.version} was written"
                )
            newer = found > each.version
            looked.append(replace(each, outcome=Outcome.SUPERSEDED, result=None) if newer else each)
        return looked

    def _messages(self, settled: Sequence[Settled]) -> list[Message]:
        now = self._clock.now()
        results = [each.result for each in settled if each.result is not None]
        dead = [
            self._envelopes.dead_letter(each.record, each.failure, now) for each in settled if each.failure is not None
        ]
        return [*results, *dead, *self._envelopes.ledger(settled, now)]

    def _tell(self, settled: Sequence[Settled], lost: int) -> None:
        if lost:
            self._observer.partitions_lost(lost)
        oldest_ms = min((each.record.timestamp_ms for each in settled), default=-1)
        self._observer.batch_settled(Counter(each.outcome for each in settled), oldest_ms)

    def _done(self, step: SettleStep) -> None:
        self._observer.settle_step_done(step)
