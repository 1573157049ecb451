"""Settling a batch: the order of durable effects, in one function. `docs/delivery.md` says what the order promises."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from schemas.outcomes import Outcome
from shared.broker.port import Sink, Source
from shared.clock import Clock
from shared.engine.envelope import Envelopes
from shared.engine.pipeline import PUBLISHED_FIELD, Batch, ItemT
from shared.engine.timing import Stopwatch
from shared.errors import Rejected, Unavailable
from shared.logs import get_logger
from shared.observers import Observer, SettleStep
from shared.records import Message, Record, Settled
from shared.vectorstore.port import Collection

log = get_logger("settle")


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
                told = f"{len(batch.outbox)} messages were not delivered: {self._sink.last_error}"
                raise Unavailable("broker", told)
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
        versions = self._collection.versions({each.point_id for each in settled if each.point_id is not None})
        stale: set[int] = set()
        for place, each in enumerate(settled):
            if each.point_id is None or each.version is None:
                continue
            found = versions.get(each.point_id, 0)
            if found < each.version:
                what = f"point {each.point_id} holds version {found} after {each.version} was written"
                raise Unavailable("store", what)
            if found > each.version:
                stale.add(place)
        stale -= self._still_owed({place: settled[place] for place in stale if settled[place].result is not None})
        return [
            replace(each, outcome=Outcome.SUPERSEDED, result=None) if place in stale else each
            for place, each in enumerate(settled)
        ]

    def _still_owed(self, stale: Mapping[int, Settled]) -> set[int]:
        """Return those whose result is the latest all the same: what is newer in the store published nothing."""
        if not stale:
            return set()
        stored = self._collection.lookup({each.point_id for each in stale.values() if each.point_id is not None})
        published = {point_id: found.payload.get(PUBLISHED_FIELD) for point_id, found in stored.items()}
        return {
            place for place, each in stale.items() if each.point_id and published.get(each.point_id) == each.version
        }

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
        for each in settled:
            if each.failure is not None:
                _log_dead_letter(each.record, each.failure)
        oldest_ms = min((each.record.timestamp_ms for each in settled), default=-1)
        self._observer.batch_settled(Counter(each.outcome for each in settled), oldest_ms)

    def _done(self, step: SettleStep) -> None:
        self._observer.settle_step_done(step)


def _log_dead_letter(record: Record, failure: Rejected) -> None:
    """Say where and why; the field's name and the detail may hold the record's own words and stay in its headers."""
    where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    log.warning("dead-lettered", reason=failure.reason.value, stage=failure.stage, **where)
