"""What a new stream must write: its descriptor, a `Stream`, and its `Stages`.

Topics, commands, audit, dead letters and wiring read the descriptor; the engine calls the stages. Nothing in `shared`
knows a stream by name; `millrace/streams.py` lists the existing streams. `workers/tickets` is an example, and
`tests/support/notes.py` a small one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from schemas.base import SOURCE_ID_PATTERN, Event, Frozen, Origin, Removal
from schemas.failures import FailureHeader, FailureReason
from schemas.media import Media
from schemas.points import PointSchema, SecondKind, point_id
from schemas.topics import Topic, redo_topic, topics_of
from shared.decoding import decode_event
from shared.embedding.card import ModelCard, collection_name
from shared.embedding.port import Modality
from shared.engine.resources import Resources
from shared.engine.snapshots import DECISION_FIELD, Asks, EventT, ItemT, Rules
from shared.engine.stages import Stages
from shared.errors import Rejected
from shared.facts import Traits
from shared.media.decoding.kinds import Kind
from shared.records import Record, header_texts
from shared.search.federated.findable import Findable
from shared.search.filterable import Filterable, field_indexes
from shared.search.shown import Searchable
from shared.stream_settings import CostUnit
from shared.vectorstore.port import CollectionSpec, IndexKind

NOT_BY_SOURCES = "events with this reason are sent by Millrace alone; a source lists the media in the event of the item"


@dataclass(frozen=True, slots=True)
class Input:
    """An input: a part of an event that is embedded.

    Attributes:
        name: The name of its vector. The payload field `<name>_digest` holds its digest.
        modality: The kind of input; the stream's model of that modality embeds it.
        affects_result: Whether results depend on it. If so, the number of model windows that it filled is stored too.
    """

    name: str
    modality: Modality[Any]
    affects_result: bool = False


class Owing(NamedTuple):
    """What a stored point lists of something that is attached to its item, or was.

    Attributes:
        source_id: Its source id.
        version: The version of the item that attached or removed it.
        is_removed: Whether it was removed.
    """

    source_id: str
    version: int
    is_removed: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """Media that are attached to items, and follow them as events of their own (`FollowsUp`), if a setting asks for it.

    Attributes:
        input: Their input; it is embedded only if a setting asks for it.
        media: Returns the media of an event by the names of its fields. No batch waits for them (`ReadsApart`).
        owed: Returns what a stored point lists, which the audit compares with the points.
        owner: Returns the source id of the item that a stored point is attached to; None if it is of another kind.
        events: The events by which they follow. Only Millrace sends them, to the redo topic; a source could give them any
            version.
    """

    input: Input
    media: Callable[[Any], Mapping[str, Media]]
    owed: Callable[[Mapping[str, object]], Sequence[Owing]]
    owner: Callable[[Mapping[str, object]], str | None]
    events: tuple[type[Event], ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """How `millrace ingest` makes events of files.

    Attributes:
        field: The field of the event that holds the medium.
        reason: The reason of the events, unless the import says another.
        kinds: The kinds of files that are accepted.
    """

    field: str
    reason: str
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What the audit compares of a published result.

    Attributes:
        tenant_id: The tenant of the item.
        source_id: The item's id in the source system.
        version: The version of the item.
        origin: The record that the result belongs to.
        says: The decision and the repeated fields as JSON; in a stream that decides nothing, the whole result except its
            origin. It is the same in all results of one version.
    """

    tenant_id: str
    source_id: str
    version: int
    origin: Origin
    says: str


@dataclass(frozen=True)
class Stream(Generic[EventT, ItemT]):
    """The descriptor of a stream.

    Attributes:
        name: The name that commands, topics and collections use.
        id_field: The field of events, points and results that holds the source id.
        events: The schema of the input events.
        snapshot: The schema of an event that is not a deletion.
        payload: The schema of a stored snapshot.
        tombstone: The schema of a stored deletion.
        result: The schema of messages in the first of `result_topics`, which the audit compares with the points.
        result_topics: The topics on which results are published.
        item: The class of the stream's items; each field that it adds to `Item` has a default.
        inputs: The inputs, in the order of the vectors; neighbours are compared by the first one that affects the result.
        sound: The input of how a recording sounds, which is embedded only if a setting asks for it; None: it is not.
        attached: Media that follow its items, if a setting asks for it; None: its items have none.
        follows: Whether that setting asks for it; `millrace.configured` sets this.
        asks: Returns whether an event asks for a result; not called for deletions, which never ask for one.
        decides: Whether a result carries a decision.
        cost: Estimates a record's cost before it is decoded.
        cost_unit: The unit of `cost`, such as `tokens`.
        stages: Creates the stages of a worker from the resources that wiring passes.
        owned_fields: Payload fields that people edit. The engine carries them over from the stored point: neither a
            later snapshot nor a replay removes them, but a deletion does.
        repeated_fields: Payload fields that results contain besides the decision, under the same name. All results of one
            version have the values that are stored.
        indexes: Payload fields that its own searches filter on, each with the kind of its index.
        filters: Fields that people can filter searches on, by the names that they use; each has an index too.
        sparse: Names of the sparse vectors that its stages return.
        words: Whether its pictures are placed among texts too, if the model of pictures knows classes; see
            `shared.embedding.image.words`.
        derived: Vectors that its stages compute from those of the inputs, each with the modality whose length it has.
        imported: How files become events; None if events have no media.
        recognises_speech: Whether its stages need a model of speech (`Resources.speech`).
        second_kind: Its kind of item besides snapshots; None without such a kind.
        media: Returns the media of an event by the names of its fields, for stages that read media (`ReadsMedia`); None if
            its events have no media.
        searchable: What is offered of its points as similar, and how it is shown; None if nothing is.
        findable: How its points are searched together with those of other streams, and what is shown; None if they are not.
        stored_traits: Returns the traits of a stored snapshot from its valid payload; they are those of its `measures`.
            None: it has none.
        conditions: The highest number of conditions in a filter of its searches.
        variants: Parts of the collection's name besides the models; if one changes, a new collection is used.
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
    cost_unit: CostUnit
    stages: Callable[[Resources], Stages[ItemT]]
    decides: bool = True
    owned_fields: tuple[str, ...] = ()
    repeated_fields: tuple[str, ...] = ()
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    filters: Mapping[str, Filterable] = field(default_factory=dict)
    sparse: tuple[str, ...] = ()
    words: bool = False
    derived: Mapping[str, str] = field(default_factory=dict)
    imported: Imported | None = None
    recognises_speech: bool = False
    second_kind: SecondKind | None = None
    sound: Input | None = None
    attached: Attached | None = None
    follows: bool = False
    media: Callable[[EventT], Mapping[str, Media]] | None = None
    searchable: Searchable[Any] | None = None
    findable: Findable | None = None
    stored_traits: Callable[[Mapping[str, Any]], Traits] | None = None
    conditions: int = 1
    variants: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that an input affects the result, because neighbours are compared by it.

        Raises:
            ValueError: no input affects the result.
        """
        if not self.rules.affecting:
            raise ValueError(f"stream {self.name}: at least one input must have affects_result=True")

    @cached_property
    def points(self) -> PointSchema:
        """The schema of its points."""
        return PointSchema(self.name, self.id_field, self.payload, self.tombstone, self.second_kind)

    @property
    def rules(self) -> Rules:
        """What this stream defines of the rules for snapshots."""
        return Rules(tuple(each.name for each in self.inputs if each.affects_result), self.decides)

    @property
    def result_topic(self) -> str:
        """The topic whose results the audit compares with the points."""
        return self.result_topics[0]

    def topics(self, partitions: int | None = None) -> tuple[Topic, ...]:
        """Return every topic, the input first; `partitions` replaces the default number of partitions."""
        return topics_of(self.name, f"tenant_id:{self.id_field}", self.result_topics, partitions)

    def collection(self, cards: Sequence[ModelCard], dimensions: Mapping[str, int]) -> CollectionSpec:
        """Return the collection for the given models; `dimensions` are the lengths of their vectors, by modality."""
        return self.spec(collection_name(self.name, cards, *self.variants), dimensions)

    def spec(self, name: str, dimensions: Mapping[str, int]) -> CollectionSpec:
        """Return the collection with a given name; `dimensions` are the lengths of the vectors, by modality."""
        return CollectionSpec(
            alias=self.name,
            name=name,
            vectors={
                **{each.name: dimensions[each.modality.name] for each in self.inputs},
                **{name: dimensions[modality] for name, modality in self.derived.items()},
            },
            indexes={**self.indexes, **field_indexes(self.filters)},
            sparse=self.sparse,
            conditions=self.conditions,
        )

    @property
    def required_ids(self) -> tuple[str, ...]:
        """The fields of a snapshot that must hold an id of the source system: the item's own, and those of its owners."""
        fields = self.snapshot.model_fields.items()
        return tuple(name for name, field in fields if field.is_required() and _is_source_id(field))

    def source_id(self, event: Event | Frozen) -> str:
        """Return the source id of an event or a result."""
        return str(getattr(event, self.id_field))

    def key(self, event: Event) -> bytes:
        """Return the message key that all events of an item have."""
        return f"{event.tenant_id}:{self.source_id(event)}".encode()

    def point_id(self, tenant_id: str, source_id: str) -> UUID:
        """Return the id of an item's point."""
        return point_id(tenant_id, self.name, source_id)

    def read_result(self, value: bytes | None) -> Published:
        """Parse a message of the first result topic.

        Raises:
            ValueError: the message is not a result of this stream.
        """
        result: Any = self.result.model_validate_json(value or b"")
        kept = {"include": {DECISION_FIELD, *self.repeated_fields}} if self.decides else {"exclude": {"source"}}
        says = result.model_dump_json(**kept)
        return Published(result.tenant_id, self.source_id(result), result.event_version, result.source, says)

    def decode(self, record: Record) -> ItemT:
        """Validate a record and return its item.

        Raises:
            Rejected: the record is not valid; the error names the field and the reason.
            NewerSchema: the record has a newer schema version than this worker supports.
        """
        if record.unreadable is not None:
            raise _unreadable(record.unreadable)
        event = decode_event(record.value, self.events)
        source_id: str = getattr(event, self.id_field)
        if record.key != f"{event.tenant_id}:{source_id}".encode():
            found = "but the record has no key" if record.key is None else "but the record has another key"
            made_of = f", where {self.id_field} is {event.SOURCE_ID}" if event.SOURCE_ID else ""
            expected = f"the key must be tenant_id:{self.id_field} with the values of the record{made_of}"
            raise Rejected(FailureReason.KEY_MISMATCH, "key", f"{expected}, {found}")
        if self.attached is not None and isinstance(event, self.attached.events) and self._is_of_source(record):
            raise Rejected(FailureReason.INVALID_VALUE, "reason", NOT_BY_SOURCES)
        return self.item(
            record=record,
            event=event,
            source_id=source_id,
            point_id=point_id(event.tenant_id, self.name, source_id),
            asks=Asks.NEVER if isinstance(event, Removal) else self.asks(event),
        )

    def _is_of_source(self, record: Record) -> bool:
        """Return whether a source has sent a record, rather than Millrace: also if its dead letter is replayed."""
        redo, headers = redo_topic(self.name), header_texts(record.headers)
        origin, detail = headers.get(FailureHeader.ORIGIN_TOPIC, redo), headers.get(FailureHeader.DETAIL)
        return record.topic != redo or origin != redo or detail == NOT_BY_SOURCES


def _is_source_id(field: FieldInfo) -> bool:
    return any(getattr(each, "pattern", None) == SOURCE_ID_PATTERN for each in field.metadata)


def _unreadable(part: str) -> Rejected:
    """Return the rejection of a record of which the client could not read the value or the headers."""
    if part == "value":
        why = "its batch is damaged, or is larger than 100 MB when decompressed"
        return Rejected(FailureReason.UNREADABLE, "value", why)
    return Rejected(
        FailureReason.INVALID_UTF8, "headers", "the name of a header is not UTF-8, so no header could be read"
    )
