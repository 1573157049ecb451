"""Records as the broker delivers them, messages as it accepts them, and the pipeline's results to settle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from schemas.outcomes import Outcome
from shared.errors import Deferred, Rejected
from shared.facts import Facts

Vector = NDArray[np.float32]
"""One vector: shape (dim,), float32, unit length."""


Headers = tuple[tuple[str, bytes | None], ...]
"""The headers of a record, in order; a name may occur twice, and a value may be null, which differs from empty."""


def header_texts(headers: Headers) -> dict[str, str]:
    """Return headers as text, even if not valid UTF-8; the last of a repeated name counts, and null becomes empty."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """A vector that is zero almost everywhere.

    Attributes:
        indices: Shape (n,), uint32: the positions of the non-zero elements, ascending, without duplicates.
        values: Shape (n,), float32: the values at these positions, finite; not normalised.
    """

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class RecordPosition(NamedTuple):
    """The position of one record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Return the position in the form that commands accept, such as `tickets/3@41`."""
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition that the record belongs to."""
        return TopicPartition(self.topic, self.partition)


class Watermarks(NamedTuple):
    """Two offsets of a partition: `low` of its oldest record, and `high`, which its next record will get."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes as the broker delivered them.

    `timestamp_ms` counts from the Unix epoch; it is -1 if the broker has no timestamp. `lease` is the number of the
    partition assignment under which the record was read: once the partition is revoked, the number is never valid
    again. `read_s` is when the client delivered it, in seconds of the monotonic clock; -1 if not known.

    Attributes:
        topic_id: The broker's id of the topic; a topic created later under the same name has another id. None if the
            broker has no topic ids.
        unreadable: The part that the client could not read and left out: `headers` (a name is not UTF-8, so all headers
            are missing) or `value` (key and headers are missing too; the batch could not be decompressed).
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    lease: int = field(default=0, compare=False)
    read_s: float = field(default=-1.0, compare=False)
    topic_id: str | None = field(default=None, compare=False)
    unreadable: Literal["headers", "value"] | None = None

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition this record came from."""
        return TopicPartition(self.topic, self.partition)

    @property
    def position(self) -> RecordPosition:
        """The position of this record."""
        return RecordPosition(self.topic, self.partition, self.offset)

    @property
    def size_bytes(self) -> int:
        """The size of key, value and headers, in bytes."""
        size = len(self.key or b"") + len(self.value or b"")
        return size + sum(len(name) + len(value or b"") for name, value in self.headers) if self.headers else size


@dataclass(frozen=True, slots=True)
class UnreadOffsets:
    """Offsets `first` to `last`, both included, that a partition's log lost before they were read."""

    topic_partition: TopicPartition
    topic_id: str | None
    first: int
    last: int

    @property
    def count(self) -> int:
        """Number of offsets; transaction markers and gaps count too, because they can no longer be distinguished."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to produce. The producer's partitioner chooses the partition by key.

    `instead` is the message to send if the topic refuses this one as too large.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    instead: "Message | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Backfill:
    """The mark of a worker that processes old records again.

    Attributes:
        group: Its consumer group.
        index_only: Whether it writes points and publishes no result.
    """

    group: str
    index_only: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """The writer of a dead letter or a ledger message: stream, and fingerprints of its model and its head, if any.

    `backfill` is set if it is the worker of a backfill.
    """

    stream: str
    model: str
    head: str | None = None
    backfill: Backfill | None = None


@dataclass(frozen=True, slots=True)
class Embedded:
    """A text's vector, and the number of model windows that the text filled (more than 1: it was split and pooled)."""

    vector: Vector
    windows: int


@dataclass(frozen=True, slots=True)
class Point:
    """A point to write to the vector store: named vectors (unit length, no vectors for a tombstone) and a JSON payload.

    The write is guarded by `version`: it takes effect only if the stored point is absent or older. It replaces the
    whole point: vectors that are not named here are removed.
    """

    id: UUID
    version: int
    vectors: Mapping[str, Vector]
    payload: Mapping[str, object]
    sparse: Mapping[str, SparseVector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deferral:
    """When a record is tried again, and why it was deferred.

    Attributes:
        failure: Why this attempt failed, or was not made.
        tier: The tier of the retry lane in which it waits, from 1.
        due_at_ms: When it is due, in milliseconds since the Unix epoch.
        attempts: Number of attempts made so far in the lane, the first one included.
        since: When it was deferred first.
    """

    failure: Deferred
    tier: int
    due_at_ms: int
    attempts: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that a version of an item brings about, and what the point of the item lists of it.

    Attributes:
        message: The message.
        listed_in: The payload field that lists it.
        entry: What that field lists of it, as JSON.
    """

    message: Message
    listed_in: str
    entry: Mapping[str, object]

    def is_listed(self, payload: Mapping[str, object]) -> bool:
        """Return whether a stored payload lists it."""
        found = payload.get(self.listed_in)
        return isinstance(found, list) and dict(self.entry) in found


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of one record, and the data that settling has to write for it.

    `point_id` and `version` are set if a point with that id and version must be stored after settling; `point` is
    absent if that point is stored already. `results` are published in order; `repeated_fields` are the payload fields that
    they contain besides the decision, and that a repeat publishes again. `follow_ups` are sent with them. `failure` is set
    for a dead letter, `deferral` for a record that goes to the retry lane. `facts` is what the metrics show of its item;
    it is absent if there is no item, or nothing to show.
    """

    record: Record
    outcome: Outcome
    point_id: UUID | None = None
    version: int | None = None
    point: Point | None = None
    results: tuple[Message, ...] = ()
    repeated_fields: tuple[str, ...] = ()
    follow_ups: tuple[Listed, ...] = ()
    failure: Rejected | None = None
    deferral: Deferral | None = None
    facts: Facts | None = None


def next_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Return the offsets to commit for these records: for each partition the highest offset, plus one."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[record.topic_partition] = max(offsets.get(record.topic_partition, 0), record.offset + 1)
    return offsets
