"""Decides records of a stream's input topic again, as its worker does, without settling them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from millrace.drift.rows import DecidedItem, decided_item
from schemas.outcomes import Outcome
from shared.drift.keys import Keys
from shared.engine.pipeline import Pipeline
from shared.engine.stream import Stream
from shared.records import Record, Settled
from shared.stream_settings import BatchSettings


@dataclass(slots=True)
class Replayed:
    """What has become of records.

    Attributes:
        items: The decided items, by their point; of several decided versions of an item, the newest.
        failed: Records that a worker would write to the dead-letter queue, by key.
        deferred: Records that a worker would try again later, such as those whose media could not be fetched.
        records: All of them.
    """

    items: dict[UUID, tuple[int, DecidedItem]] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    deferred: int = 0
    records: int = 0

    @property
    def decided(self) -> list[DecidedItem]:
        """The decided items."""
        return [item for _, item in self.items.values()]

    def add(self, stream: Stream[Any, Any], settled: Settled, keys: Keys) -> None:
        """Add a record that was not settled."""
        self.records += 1
        if settled.outcome is Outcome.DEAD_LETTERED:
            self.failed[keys.of_record(settled.record)] += 1
        self.deferred += settled.outcome is Outcome.DEFERRED
        point = settled.point
        if settled.outcome is not Outcome.ROUTED or point is None:
            return
        item = decided_item(stream, point.id, point.payload, point.vectors)
        known = self.items.get(point.id)
        if item is not None and (known is None or known[0] <= point.version):
            self.items[point.id] = (point.version, item)


def replay(
    batches: Iterable[list[Record]],
    stream: Stream[Any, Any],
    pipeline: Pipeline[Any],
    keys: Keys,
    advance: Callable[[int], None],
) -> Replayed:
    """Decide records, and return what has become of them; nothing is written.

    Args:
        batches: The records, as `batched` cuts them.
        stream: Their stream.
        pipeline: The pipeline of its worker, over a collection without earlier versions (`Voters`).
        keys: Which key a record belongs to.
        advance: Is called with the number of records that were decided.

    Raises:
        Unavailable: a service is unavailable, or a record needs a newer version of Millrace.
        Fatal: a model has failed.
    """
    found = Replayed()
    for batch in batches:
        in_hand = pipeline.prepare(batch)
        pipeline.process(in_hand)
        for settled in in_hand.settled:
            found.add(stream, settled, keys)
        advance(len(batch))
    return found


def batched(records: Iterable[Record], stream: Stream[Any, Any], limits: BatchSettings) -> Iterator[list[Record]]:
    """Yield records in batches within a worker's limits, in which no key occurs twice.

    Of two versions of an item in one batch, a worker decides only the newer one. It rarely gets both at once, but records
    that are read at full speed often come so.
    """
    most = limits.max_cost(stream.cost_unit)
    batch: list[Record] = []
    keys: set[bytes | None] = set()
    total = 0
    for record in records:
        cost = stream.cost(record)
        if batch and (len(batch) >= limits.max_records or total + cost > most or record.key in keys):
            yield batch
            batch, keys, total = [], set(), 0
        batch.append(record)
        keys.add(record.key)
        total += cost
    if batch:
        yield batch
