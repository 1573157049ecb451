"""From records to settled items. The law: one outcome per record, in the same order, and no exception for a record.

What a stream does differently it supplies as `Stages`; what is the same for all streams, versions above all, is here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from schemas.outcomes import Outcome
from shared.clock import Clock
from shared.engine.timing import Stopwatch
from shared.errors import NewerSchema, Rejected
from shared.observers import Observer
from shared.records import Message, Record, Settled
from shared.vectorstore.port import Collection, Stored, is_version

CONTENT_FIELD = "content_digest"
"""The payload field that keeps `Item.content`."""

PUBLISHED_FIELD = "decided_version"
"""The payload field that keeps the version whose result was the last to be published, or was about to be."""

DECISION_FIELD = "decision"
"""The payload field that keeps what that result says."""


@dataclass(slots=True, kw_only=True)
class Item:
    """An event on its way through the pipeline. A stream adds its own fields.

    Attributes:
        content: Digest of all that this version says; the stored point keeps it.
        stored: What the store held of this id when the batch was looked up.
        rejected: Set by a stage that found the item to be poison.
        superseded: Set when something newer is stored, or stands in the same batch.
    """

    record: Record
    point_id: UUID
    version: int
    content: str = ""
    stored: Stored | None = None
    rejected: Rejected | None = None
    superseded: bool = False

    @property
    def is_repeat(self) -> bool:
        """Whether this version's effects are stored already, so that they are told again, not made again.

        Either it is the stored version, or the stored one is newer but published nothing: then the result of this version
        is the ticket's latest, and a crash may have kept it from being published.
        """
        stored = self.stored
        return stored is not None and self.version in (stored.version, self.published_version)

    @property
    def published_version(self) -> int | None:
        """The version that was published last, as the stored point says; None also if it says what cannot be."""
        stored = self.stored
        found = None if stored is None else stored.payload.get(PUBLISHED_FIELD)
        return found if stored is not None and is_version(found) and found <= stored.version else None

    @property
    def is_conflict(self) -> bool:
        """Whether this very version is stored already, with other content: the first has won."""
        stored = self.stored
        if stored is None or stored.version != self.version:
            return False
        content = stored.payload.get(CONTENT_FIELD)
        return isinstance(content, str) and content != self.content  # another program may have written over it

    @property
    def is_live(self) -> bool:
        """Whether the item's fate is still open."""
        return self.rejected is None and not self.superseded


ItemT = TypeVar("ItemT", bound=Item)


class Stages(Protocol[ItemT]):
    """What a stream supplies. Each may raise `Unavailable` for the whole batch, and is then called again.

    Attributes:
        stream: Its name.
    """

    stream: str

    def decode(self, record: Record) -> ItemT:
        """Validate a record.

        Raises:
            Rejected: the record is bad.
            NewerSchema: the record is newer than this worker.
        """
        ...

    def prepare(self, items: Sequence[ItemT]) -> None:
        """Make what the model will read."""
        ...

    def embed(self, items: Sequence[ItemT]) -> None:
        """Give every item the vectors it needs and does not have yet, or mark it rejected."""
        ...

    def decide(self, items: Sequence[ItemT]) -> None:
        """Make the decision of every item that is to be routed."""
        ...

    def build(self, item: ItemT) -> Settled:
        """Build the point and the result of an item."""
        ...


@dataclass(slots=True)
class Batch(Generic[ItemT]):
    """A poll batch in hand: what was read and what became of it so far. Kept through an outage: nothing is done twice.

    Attributes:
        records: As they were read.
        items: For each record its event on its way, or why it was refused.
        blocked_by: Set when a record needs a newer worker; the batch waits.
        settled: What became of each record, in order; empty until the batch is processed.
        outbox: What is still to be delivered, once the points are written; messages of partitions lost since stay in it,
            since a repeat is harmless.
    """

    records: list[Record]
    items: list[ItemT | Rejected]
    blocked_by: NewerSchema | None = None
    settled: list[Settled] = field(default_factory=list)
    outbox: list[Message] | None = None

    def events(self) -> list[ItemT]:
        """Return the items of the records that were not refused."""
        return [item for item in self.items if not isinstance(item, Rejected)]

    def keep(self, records: Sequence[Record]) -> None:
        """Drop what is no longer this worker's; `records` are those that stay."""
        kept = {id(record) for record in records}
        stays = [id(record) in kept for record in self.records]
        self.items = list(compress(self.items, stays))
        self.settled = list(compress(self.settled, stays)) if self.settled else []
        self.records = list(compress(self.records, stays))


class Pipeline(Generic[ItemT]):
    """Runs a stream's stages over batches."""

    def __init__(self, stages: Stages[ItemT], collection: Collection, clock: Clock, observer: Observer) -> None:
        self._stages, self._collection, self._observer = stages, collection, observer
        self._stopwatch = Stopwatch(clock, observer)

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return self._stages.stream

    def reach_store(self) -> None:
        """Ask the store for nothing, before there is anything to ask it for.

        Raises:
            Unavailable: the store cannot be read.
            Fatal: it is not fit for this worker.
        """
        self._collection.versions([])

    def prepare(self, records: list[Record]) -> Batch[ItemT]:
        """Decode and validate, without the store or the device: this runs while the batch before is in hand."""
        batch: Batch[ItemT] = Batch(records, [])
        with self._stopwatch.time("decode", len(records)):
            for record in records:
                try:
                    batch.items.append(self._stages.decode(record))
                except Rejected as rejected:
                    batch.items.append(rejected)
                except NewerSchema as newer:
                    batch.blocked_by = newer
                    break
        with self._stopwatch.time("prepare", len(records)):
            self._stages.prepare(batch.events())
        return batch

    def unblock(self, batch: Batch[ItemT]) -> None:
        """Decode again what a newer record held up: it may be another worker's by now."""
        if batch.blocked_by is not None:
            again = self.prepare(batch.records)
            batch.items, batch.blocked_by = again.items, again.blocked_by

    def process(self, batch: Batch[ItemT]) -> list[Settled]:
        """Return what became of each record, in order.

        Raises:
            Unavailable: the store cannot be read, or a record needs a newer worker; call again, vectors are kept.
            Fatal: the device is dead.
        """
        if batch.blocked_by is not None:
            raise batch.blocked_by
        items = batch.events()
        with self._stopwatch.time("lookup", len(items)):
            self._look_up(items)
        with self._stopwatch.time("embed", len(items)):
            self._stages.embed([item for item in items if item.is_live])
        conflicts = _keep_newest(items) + sum(item.is_conflict for item in items)
        live = [item for item in items if item.is_live]
        with self._stopwatch.time("decide", len(live)):
            self._stages.decide(live)
        with self._stopwatch.time("build", len(items)):
            settled = [self._settled(*pair) for pair in zip(batch.records, batch.items, strict=True)]
        if conflicts:
            self._observer.version_conflict(conflicts)
        return settled

    def _look_up(self, items: Sequence[ItemT]) -> None:
        stored = self._collection.lookup({item.point_id for item in items})
        for item in items:
            item.stored = stored.get(item.point_id)
            item.superseded = item.stored is not None and item.stored.version > item.version and not item.is_repeat

    def _settled(self, record: Record, item: ItemT | Rejected) -> Settled:
        failure = item if isinstance(item, Rejected) else item.rejected
        if isinstance(item, Rejected) or failure is not None:
            return Settled(record, Outcome.DEAD_LETTERED, failure=failure)
        if item.superseded:
            return Settled(record, Outcome.SUPERSEDED)
        return self._stages.build(item)


def _keep_newest(items: Sequence[Item]) -> int:
    """Of several versions of one id in a batch, leave the newest that is not poison; of equal ones, the first.

    Only one of an id may be written at once: which of two would win depends on the store. Repeats write nothing, and each
    keeps its own result. Returns how many had the version of another but not its content.
    """
    newest: dict[UUID, Item] = {}
    writers = [item for item in items if item.is_live and not item.is_repeat]
    for item in writers:
        if item.point_id not in newest or newest[item.point_id].version < item.version:
            newest[item.point_id] = item
    conflicts = 0
    for item in writers:
        if newest[item.point_id] is not item:
            item.superseded = True
            winner = newest[item.point_id]
            conflicts += winner.version == item.version and winner.content != item.content
    return conflicts
