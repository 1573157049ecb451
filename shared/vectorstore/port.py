"""What the engine asks of a vector store. The contract suite in `tests/contract` runs on every adapter."""

from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

import numpy as np

from shared.records import Point, Vector

IndexKind = Literal["keyword", "integer"]
VERSION_FIELD = "event_version"
"""The payload field that the guard compares; every point has it."""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A physical collection, and the alias its readers use.

    Attributes:
        alias: What readers call it, for example `tickets`.
        name: The physical name, which holds the model's fingerprint: vectors of two models never meet.
        vectors: Dimension of each named vector; distance is cosine.
        indexes: Payload fields that filters use.
    """

    alias: str
    name: str
    vectors: Mapping[str, int]
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds of one id."""

    version: int
    payload: Mapping[str, object]
    vectors: Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class Query:
    """The nearest points to a vector: cosine, best first.

    There is no list of ids to leave out: queries of one batch whose filters are equal share one pass over the points,
    which was measured twice as fast. Ask for one hit more and drop it.

    Attributes:
        vector: Shape (dim,), unit length.
        using: Which named vector to compare with.
        equals: Payload fields and the value each must have, or hold where the field is a list.
        at_least: Integer payload fields and the least value each must have.
        limit: How many hits at most.
        payload: The payload fields wanted.
    """

    vector: Vector
    using: str
    limit: int
    equals: Mapping[str, str | int] = field(default_factory=dict)
    at_least: Mapping[str, int] = field(default_factory=dict)
    payload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One point found, with its cosine similarity in [-1, 1]."""

    id: UUID
    score: float
    payload: Mapping[str, object]


class Collection(Protocol):
    """One collection, open for reading and writing. Every method may raise `Unavailable`."""

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return what is stored of these ids; ids without a point are left out."""
        ...

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored version of these ids; ids without a point are left out."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, acknowledged, each only over an absent or an older one.

        A point that is not written because the stored one is as new or newer is no error: look again with `versions`.

        Raises:
            ValueError: an id stands twice, a vector has a wrong name or dimension or is not finite, or a payload lacks
                its version. Nothing has been written then.
        """
        ...

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answer several queries at once, in their order."""
        ...

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield every point's id and the wanted payload fields, in no particular order."""
        ...


class VectorStore(Protocol):
    """A store of collections."""

    def open(self, spec: CollectionSpec) -> Collection:
        """Open a collection, created if it is missing; the alias is set only where none is set yet."""
        ...

    def open_alias(self, alias: str) -> Collection | None:
        """Open the collection an alias stands for; None where there is no such alias."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


def check_points(points: Sequence[Point], dimensions: Mapping[str, int]) -> None:
    """Check all that a store would refuse half-way through a call, before the call.

    Raises:
        ValueError: see `Collection.upsert`.
    """
    if len({point.id for point in points}) < len(points):
        raise ValueError("an id stands twice in one call: which of the two would win depends on the store")
    for point in points:
        stated = point.payload.get(VERSION_FIELD)
        if type(stated) is not int or stated != point.version:
            raise ValueError(f"point {point.id}: its payload does not carry its version")
        for name, vector in point.vectors.items():
            if vector.shape != (dimensions.get(name),):
                raise ValueError(f"point {point.id}: vector {name!r} has shape {vector.shape}, expected {dimensions}")
            with np.errstate(over="ignore", invalid="ignore"):
                total = float(vector @ vector)  # NaN and infinity both survive this
            if not 0.98 < total < 1.02:
                raise ValueError(f"point {point.id}: vector {name!r} is not of unit length (its square sum is {total})")
