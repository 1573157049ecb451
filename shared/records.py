"""Records as the broker gave them, messages as it takes them, and what the pipeline hands to settle."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from schemas.outcomes import Outcome
from shared.errors import Rejected

Vector = NDArray[np.float32]
"""One vector: shape (dim,), float32, unit length."""


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


@dataclass(frozen=True, slots=True)
class Record:
    """Bytes as the broker gave them.

    `timestamp_ms` counts from the Unix epoch; -1 where the broker had none. `lease` numbers the assignment of the
    partition under which the record was read: once the partition is taken away, the number is never valid again.
    Where `headers_unreadable`, a header's name is not UTF-8, and the client gives none of the headers.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    lease: int = field(default=0, compare=False)
    headers_unreadable: bool = False

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition this record came from."""
        return TopicPartition(self.topic, self.partition)

    @property
    def size_bytes(self) -> int:
        """What key, value and headers take."""
        size = len(self.key or b"") + len(self.value or b"")
        return size + sum(len(name) + len(value) for name, value in self.headers) if self.headers else size


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes to produce. The broker's partitioner places it by key."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


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
    None where it is stored already.
    """

    record: Record
    outcome: Outcome
    point_id: UUID | None = None
    version: int | None = None
    point: Point | None = None
    result: Message | None = None
    failure: Rejected | None = None


def next_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Return what to commit for these records: for each partition the highest offset, plus one."""
    offsets: dict[TopicPartition, int] = {}
    for record in records:
        offsets[record.topic_partition] = max(offsets.get(record.topic_partition, 0), record.offset + 1)
    return offsets
