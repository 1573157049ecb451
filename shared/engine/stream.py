"""The descriptor of a stream: what topics, commands, audit, dead letters and wiring ask, and what the engine is given.

Nothing in `shared` knows a stream by name; `millrace/streams.py` lists those that exist.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import TypeAdapter

from schemas.base import Deletion, Event, Frozen, Origin
from schemas.failures import FailureReason
from schemas.points import PointSchema, point_id
from schemas.topics import Topic, topics_of
from shared.decoding import decode_event
from shared.embedding.port import Modality
from shared.embedding.registry import ModelCard, collection_name
from shared.engine.snapshots import Asks, EventT, Item, ItemT, Rules
from shared.errors import Rejected
from shared.records import Record, SparseVector
from shared.routing.decider import Decider
from shared.stream_settings import SearchSettings
from shared.text.preparation import Preparation
from shared.vectorstore.port import Collection, CollectionSpec, IndexKind

SomeItemT = TypeVar("SomeItemT", bound=Item[Any], contravariant=True)


@dataclass(frozen=True, slots=True)
class Input:
    """Something that a stream has embedded; the vector has its name.

    Attributes:
        name: Of the vector, and with `_digest` behind it of the payload field that keeps its digest.
        modality: What it is; the stream's model of that modality embeds it.
        decides: Whether results depend on it; the number of model windows that it filled is stored too.
    """

    name: str
    modality: Modality[Any]
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What a stream stores of a snapshot, beside what the engine does.

    Attributes:
        payload: Fields as JSON has them.
        sparse: Sparse vectors by name.
    """

    payload: Mapping[str, object]
    sparse: Mapping[str, SparseVector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """What wiring gives to a stream's stages.

    Attributes:
        collection: Where the stream's points are.
        decider: Decides by the stream's head and policy.
        preparation: How texts are prepared for its text model.
        customer_key: Key of the digests that take the place of customers' ids.
        search: How similar solved items are looked for.
        model: Fingerprint of its model, as results state it.
    """

    collection: Collection
    decider: Decider
    preparation: Preparation
    customer_key: bytes
    search: SearchSettings
    model: str


class Stages(Protocol[SomeItemT]):
    """What a stream supplies to the pipeline of a worker.

    `prepare` is called on the thread that prepares the next batch, and once more on the thread that processes where a
    record that needed a newer worker has gone to another one: it must be safe on both at once. The others are called on the
    thread that processes, one after the other. What they raise beyond the errors named here ends the worker.
    """

    def prepare(self, items: Sequence[SomeItemT]) -> None:
        """Say what is to be embedded (`item.inputs`), and put what is kept in the place of `item.event`.

        It uses the CPU alone, waits for nothing and raises nothing.
        """
        ...

    def decide(self, items: Sequence[SomeItemT]) -> None:
        """Find out what the results of these items say; each has its vectors, and a repeat has its decision.

        It may wait for the store.

        Raises:
            Unavailable: the store cannot be read; it is called again with the same items.
        """
        ...

    def content(self, item: SomeItemT) -> Content:
        """Return what is stored of a snapshot. It waits for nothing and raises nothing."""
        ...

    def results(self, item: SomeItemT, origin: Origin) -> Sequence[tuple[str, Frozen]]:
        """Return what is published, and each on which topic. It waits for nothing and raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """What a published result says of itself.

    Attributes:
        tenant_id: Whose item it is about.
        source_id: Which item.
        version: Which version of it.
        origin: The record that it was made for.
        says: Its decision, or of a stream that decides nothing all but its origin; as JSON. Two results of one version say
            the same.
    """

    tenant_id: str
    source_id: str
    version: int
    origin: Origin
    says: str


@dataclass(frozen=True)
class Stream(Generic[EventT, ItemT]):
    """A stream.

    Attributes:
        name: As commands, topics and collections have it.
        id_field: The field of events, points and results that holds the source id.
        events: The schema of the input.
        snapshot: The schema of an event that is not a deletion.
        payload: The schema of a stored snapshot.
        tombstone: The schema of a deleted item.
        result: The schema of the first of `result_topics`, which the audit compares with the points.
        result_topics: Where results go.
        item: What an event becomes on its way; every field beyond `Item`'s has a default.
        inputs: What is embedded, in the order of the vectors; neighbours are compared by the first that decides.
        asks: Whether an event asks for a result; it is not asked about deletions, which never do.
        decides: Whether a result carries a decision.
        cost: Estimates a record's cost before it is decoded.
        cost_unit: Of `cost`, such as `tokens`.
        stages: Makes the stages of a worker from what wiring gives.
        owned_fields: Payload fields that belong to people. The lookup carries them over: neither a later snapshot nor a
            replay undoes them; a deletion does.
        indexes: Payload fields that filters use.
        sparse: Names of the sparse vectors that its stages give.
        conditions: The most conditions that a filter of its searches has.
        variants: What the collection depends on beside the models, as names: another one is another collection.
    """

    name: str
    id_field: str
    events: TypeAdapter[EventT]
    snapshot: type[Event]
    payload: type[Frozen]
    tombstone: type[Frozen]
    result: type[Frozen]
    result_topics: tuple[str, ...]
    item: type[ItemT]
    inputs: tuple[Input, ...]
    asks: Callable[[EventT], Asks]
    cost: Callable[[Record], int]
    cost_unit: str
    stages: Callable[[Resources], Stages[ItemT]]
    decides: bool = True
    owned_fields: tuple[str, ...] = ()
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    sparse: tuple[str, ...] = ()
    conditions: int = 1
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that neighbours can be compared.

        Raises:
            ValueError: no input decides.
        """
        if not self.rules.deciding:
            raise ValueError(f"stream {self.name}: at least one input decides")

    @cached_property
    def points(self) -> PointSchema:
        """What its points hold."""
        return PointSchema(self.name, self.id_field, self.payload, self.tombstone)

    @property
    def rules(self) -> Rules:
        """What the law of snapshots leaves to this stream."""
        return Rules(tuple(each.name for each in self.inputs if each.decides), self.decides)

    @property
    def result_topic(self) -> str:
        """The topic of the results that the audit compares."""
        return self.result_topics[0]

    def topics(self, partitions: int | None = None) -> tuple[Topic, ...]:
        """Return every topic, the input first; `partitions` stands in place of the usual number."""
        return topics_of(self.name, f"tenant_id:{self.id_field}", self.result_topics, partitions)

    def collection(self, cards: Sequence[ModelCard], dimensions: Mapping[str, int]) -> CollectionSpec:
        """Return the collection under some models; `dimensions` are the lengths of their vectors, by modality."""
        return self.spec(collection_name(self.name, cards, *self.variants), dimensions)

    def spec(self, name: str, dimensions: Mapping[str, int]) -> CollectionSpec:
        """Return the collection under a given name."""
        return CollectionSpec(
            alias=self.name,
            name=name,
            vectors={each.name: dimensions[each.modality.name] for each in self.inputs},
            indexes=self.indexes,
            sparse=self.sparse,
            conditions=self.conditions,
        )

    def source_id(self, event: Event | Frozen) -> str:
        """Return the source id of an event or a result."""
        return str(getattr(event, self.id_field))

    def key(self, event: Event) -> bytes:
        """Return the key under which every event of an item travels."""
        return f"{event.tenant_id}:{self.source_id(event)}".encode()

    def point_id(self, tenant_id: str, source_id: str) -> UUID:
        """Return the id of an item's point."""
        return point_id(tenant_id, self.name, source_id)

    def read_result(self, value: bytes | None) -> Published:
        """Read a message of the first result topic.

        Raises:
            ValueError: it is not a result of this stream.
        """
        result: Any = self.result.model_validate_json(value or b"")
        says = result.decision.model_dump_json() if self.decides else result.model_dump_json(exclude={"source"})
        return Published(result.tenant_id, self.source_id(result), result.event_version, result.source, says)

    def decode(self, record: Record) -> ItemT:
        """Validate a record.

        Raises:
            Rejected: the record is bad; the error names the field and the reason.
            NewerSchema: the record is newer than this worker.
        """
        if record.unreadable is not None:
            raise _unreadable(record.unreadable)
        event = decode_event(record.value, self.events)
        source_id: str = getattr(event, self.id_field)
        if record.key != f"{event.tenant_id}:{source_id}".encode():
            found = "the record has no key" if record.key is None else "the key is another"
            expected = f"expected tenant_id:{self.id_field} of the value"
            raise Rejected(FailureReason.KEY_MISMATCH, "key", f"{expected}; {found}")
        return self.item(
            record=record,
            event=event,
            source_id=source_id,
            point_id=point_id(event.tenant_id, self.name, source_id),
            asks=Asks.NEVER if isinstance(event, Deletion) else self.asks(event),
        )


def _unreadable(part: str) -> Rejected:
    """Return why a record is refused of which the client could not read a part."""
    if part == "value":
        why = "its batch is damaged, or takes more than 100 MB decompressed"
        return Rejected(FailureReason.UNREADABLE, "value", why)
    return Rejected(FailureReason.INVALID_UTF8, "headers", "a header's name is not UTF-8, so none could be read")
