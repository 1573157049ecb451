"""Settles a batch. `Settler.settle` is the one place that defines the order of durable effects.

`docs/delivery.md` states what this order promises, and what a crash after each step costs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from schemas.outcomes import Outcome
from shared.broker.port import Sink, Source
from shared.clock import Clock
from shared.engine.announcing import Announcer
from shared.engine.pipeline import Batch
from shared.engine.snapshots import READ_BACK_FIELDS, ItemT, ReadBack, loses_to_newer_version, loses_to_same_version
from shared.engine.timing import Stopwatch
from shared.errors import Rejected, Unavailable
from shared.logs import get_logger
from shared.observers import Observer, SettleStep
from shared.records import Record, Settled, UnreadOffsets
from shared.tracing.port import trace_id_of
from shared.vectorstore.port import Collection

log = get_logger("settle")


class Settler:
    """Makes a processed batch durable. Safe to call again with the same batch after any failure."""

    def __init__(
        self,
        collection: Collection,
        source: Source,
        sink: Sink,
        announcer: Announcer,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._collection, self._source, self._sink = collection, source, sink
        self._announcer, self._clock, self._observer = announcer, clock, observer
        self._stopwatch = Stopwatch(clock, observer)

    def settle(self, batch: Batch[ItemT]) -> bool:
        """Make a batch durable in six steps, in this order and no other.

        1. Upsert: write the points; each replaces only an older one.
        2. Look again: read what is stored now. Items for which a newer version is stored are superseded. After that,
           records that another worker owns by now are dropped.
        3. Produce: hand the results, follow-ups, dead letters, deferred records and ledger messages to the broker's client.
        4. Flush: wait until every delivery is confirmed.
        5. Commit the offsets.
        6. Notify the observers.

        A call after a failure in steps 3 to 6 does not repeat steps 1 and 2.

        Returns:
            False if another worker stored the same version first, with other content or another decision. Then nothing
            was published, and the batch must be processed again, because the store now holds that worker's decision.

        Raises:
            Unavailable: the store or the broker is down; call again with the same batch.
            Fatal: an error that waiting does not fix.
        """
        records = len(batch.entries)
        if batch.outbox is None:
            with self._stopwatch.time("store", records):
                self._collection.upsert([each.point for each in batch.settled if each.point is not None])
                self._done(SettleStep.UPSERT)
                read_back = self._read_back(batch.settled)
                if any(loses_to_same_version(each, read_back) for each in batch.settled):
                    return False
                _look_again(batch, read_back)
                self._done(SettleStep.LOOK_AGAIN)
            self._drop_abandoned(batch)
            batch.outbox = self._announcer.messages(batch.settled, self._clock.now())
        with self._stopwatch.time("produce", records):
            self._sink.produce(batch.outbox)
            self._done(SettleStep.PRODUCE)
            batch.outbox = self._sink.flush()
            if batch.outbox:
                reported = f"{len(batch.outbox)} messages were not delivered: {self._sink.last_error}"
                raise Unavailable("broker", reported)
            self._done(SettleStep.FLUSH)
        with self._stopwatch.time("commit", records):
            abandoned = self._source.commit(batch.records)
            self._done(SettleStep.COMMIT)
        self._report(batch.settled, abandoned)
        self._done(SettleStep.NOTIFY)
        return True

    def report_unread(self, spans: Sequence[UnreadOffsets]) -> None:
        """Write to the ledger the offsets that the log lost before anybody read them. Safe to call again.

        Raises:
            Unavailable: the broker is down; call again with the same spans.
        """
        self._sink.produce(self._announcer.unread(spans, self._clock.now()))
        undelivered = self._sink.flush()
        if undelivered:
            raise Unavailable(
                "broker",
                f"the offsets that were deleted unread could not be written to the ledger: {self._sink.last_error}",
            )
        self._observer.unread_lost(sum(span.count for span in spans))

    def _read_back(self, settled: Sequence[Settled]) -> ReadBack:
        """Read which version and content of these points is stored now."""
        repeated = dict.fromkeys(name for each in settled for name in each.repeated_fields)
        repeated |= dict.fromkeys(listed.listed_in for each in settled for listed in each.follow_ups)
        ids = {each.point_id for each in settled if each.point_id is not None}
        return self._collection.read_back(ids, (*READ_BACK_FIELDS, *repeated))

    def _drop_abandoned(self, batch: Batch[ItemT]) -> None:
        """Drop the records that another worker owns by now: that worker publishes their results."""
        before = len(batch.records)
        batch.keep(self._source.still_owned(batch.records))
        if len(batch.records) < before:
            self._observer.records_abandoned(before - len(batch.records))

    def _report(self, settled: Sequence[Settled], abandoned: int) -> None:
        if abandoned:
            self._observer.records_abandoned(abandoned)
        for each in settled:
            if each.failure is not None:
                _log_dead_letter(each.record, each.failure)
        oldest_ms = min((each.record.timestamp_ms for each in settled), default=-1)
        self._observer.batch_settled(Counter(each.outcome for each in settled), oldest_ms)
        self._observer.results_settled(settled, self._clock.now().timestamp(), self._clock.monotonic_s())

    def _done(self, step: SettleStep) -> None:
        self._observer.settle_step_done(step)


def _look_again(batch: Batch[ItemT], read_back: ReadBack) -> None:
    """Supersede the items for which a newer version is stored now; their results are not published.

    What the newer version still lists is sent all the same: the worker that wrote it took it for sent.

    Raises:
        Unavailable: a write did not take effect.
    """
    settled = [(entry, entry.settled) for entry in batch.entries if entry.settled is not None]
    for entry, each in [pair for pair in settled if loses_to_newer_version(pair[1], read_back)]:
        stored = read_back.get(each.point_id, {}) if each.point_id is not None else {}
        follow_ups = tuple(listed for listed in each.follow_ups if listed.is_listed(stored))
        entry.settled = replace(each, outcome=Outcome.SUPERSEDED, results=(), follow_ups=follow_ups)


def _log_dead_letter(record: Record, failure: Rejected) -> None:
    """Log position and reason only: field name and detail may quote the record, so they stay in the headers."""
    where: dict[str, object] = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    trace_id = trace_id_of(record.headers)
    if trace_id is not None:
        where["trace_id"] = trace_id
    log.warning("dead-lettered", reason=failure.reason.value, stage=failure.stage, **where)
