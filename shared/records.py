"""Records as the broker gave them, messages as it takes them, and what the pipeline hands to settle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from schemas.outcomes import Outcome
from shared.errors import Rejected

Vector = NDArray[np.float32]
"""One vector: shape (dim,), float32, unit length."""


Headers = tuple[tuple[str, bytes | None], ...]
"""The headers of a record in their order; a name may stand twice, and a value may be null, which is not empty."""


def header_texts(headers: Headers) -> dict[str, str]:
    """Return headers as text, whoever wrote them: of a name that stands twice the last, and of a null nothing."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """A vector that is zero almost everywhere.

    Attributes:
        indices: Shape (n,), uint32: where it is not zero, ascending, none twice.
        values: Shape (n,), float32: what stands there, finite; any length, no norm.
    """

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RecordPosition(NamedTuple):
    """Where one record stands."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Return it as commands take it, such as `tickets/3@41`."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition that the record belongs to."""
        return TopicPartition(self.topic, self.partition)


class Watermarks(NamedTuple):
    """The offsets of a partition: that of its oldest record, and the one that its next record will get."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes as the broker gave them.

    `timestamp_ms` counts from the Unix epoch; -1 where the broker had none. `lease` numbers the assignment of the
    partition under which the record was read: once the partition is taken away, the number is never valid again.

    Attributes:
        topic_id: The broker's id of the topic, which a topic of the same name that is made later does not share; None if
            the broker gave none.
        unreadable: The part that the client could not read and left out: `headers` (a name is not UTF-8, and it gives none
            of them) or `value` (with key and headers; the compressed bytes cannot be expanded).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    lease: int = field(default=0, compare=False)
    topic_id: str | None = field(default=None, compare=False)
    unreadable: Literal["headers", "value"] | None = None

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition this record came from."""
        return TopicPartition(self.topic, self.partition)

    @property
    def position(self) -> RecordPosition:
        """Where this record stands in its topic."""
        return RecordPosition(self.topic, self.partition, self.offset)

    @property
    def size_bytes(self) -> int:
        """What key, value and headers take."""
        size = len(self.key or b"") + len(self.value or b"")
        return size + sum(len(name) + len(value or b"") for name, value in self.headers) if self.headers else size


@dataclass(frozen=True, slots=True)
class UnreadOffsets:
    """Offsets `first` to `last`, both included, that the log of a partition no longer held when their turn came."""

    topic_partition: TopicPartition
    topic_id: str | None
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many offsets they are; markers of transactions and gaps count too, since nobody can tell any more."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to produce. The broker's partitioner places it by key.

    `instead` is what is sent where the topic refuses this message as too large.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    instead: "Message | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who wrote a dead letter or a ledger message: the stream, and the fingerprints of its model and its head, if any."""

    stream: str
    model: str
    head: str | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text's vector, and how many windows of the model the text filled (more than 1: it was split and pooled)."""

    vector: Vector
    windows: int


@dataclass(frozen=True, slots=True)
class Point:
    """What is written to the vector store: named vectors (unit length, none for a tombstone) and a JSON payload.

    The write is guarded by `version`: it takes effect only over an absent or an older point. It replaces the point whole:
    a vector that is not named here is gone.
    """

    id: UUID
    version: int
    vectors: Mapping[str, Vector]
    payload: Mapping[str, object]
    sparse: Mapping[str, SparseVector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one record, and what settling has to write for it.

    `point_id` and `version` are set where a point of that id and version must be stored once this is settled; `point` is
    None where it is stored already. `results` are published, in their order.
    """

    record: Record
    outcome: Outcome
    point_id: UUID | None = None
    version: int | None = None
    point: Point | None = None
    results: tuple[Message, ...] = ()
    failure: Rejected | None = None


def next_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Return what to commit for these records: for each partition the highest offset, plus one."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[record.topic_partition] = max(offsets.get(record.topic_partition, 0), record.offset + 1)
    return offsets
