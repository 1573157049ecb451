"""What the engine asks of a vector store. The contract suite in `tests/contract` runs on every adapter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, Self, TypeGuard, runtime_checkable
from uuid import UUID

import numpy as np

from schemas.base import EVENT_VERSION_LIMIT
from shared.errors import Fatal
from shared.records import Point, SparseVector, Vector

IndexKind = Literal["keyword", "integer"]
VERSION_FIELD = "event_version"
"""The payload field that the guard compares; every point has it."""

UNIT_TOLERANCE = 0.02
"""How far a square sum may be from 1: float16 changes it by a thousandth at most, coarser kinds of storage by more."""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A physical collection, and the alias its readers use.

    Attributes:
        alias: What readers call it, for example `tickets`.
        name: The physical name, which holds the model's fingerprint: vectors of two models never meet.
        vectors: Dimension of each named vector; distance is cosine.
        indexes: Payload fields that filters use.
        sparse: Names of the sparse vectors. The store multiplies each term of a query by its inverse document frequency,
            ln((N - n + 0.5) / (n + 0.5) + 1), with N the points that have any terms and n those that have this one.
        conditions: The most conditions that a query's filter has; a server may allow fewer.
    """

    alias: str
    name: str
    vectors: Mapping[str, int]
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    sparse: tuple[str, ...] = ()
    conditions: int = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store holds of one id; sparse vectors are left out, for they are made again from the text."""

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
        may_lack: Fields of `at_least` that a point may also lack, or hold as null.
        limit: How many hits at most.
        payload: The payload fields wanted.
    """

    vector: Vector
    using: str
    limit: int
    equals: Mapping[str, str | int] = field(default_factory=dict)
    at_least: Mapping[str, int] = field(default_factory=dict)
    may_lack: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()

    def with_limit(self, limit: int) -> Self:
        """Return the same query for another number of hits."""
        return self if limit == self.limit else replace(self, limit=limit)


@dataclass(frozen=True, slots=True)
class HybridQuery:
    """The points near a vector together with those that share terms.

    Attributes:
        nearest: The vector, the filter, how many of each kind at most, and the payload fields wanted.
        terms: The terms of the same text, as `terms.Terms.of_query` gives them.
        terms_using: Which sparse vector to compare them with.
    """

    nearest: Query
    terms: SparseVector
    terms_using: str

    @property
    def limit(self) -> int:
        """How many hits of each kind at most."""
        return self.nearest.limit

    def with_limit(self, limit: int) -> Self:
        """Return the same query for another number of hits."""
        return self if limit == self.limit else replace(self, nearest=self.nearest.with_limit(limit))


class Hit(NamedTuple):
    """One point found, with its cosine similarity in [-1, 1]; a tuple, since dozens are made for each ticket."""

    id: UUID
    score: float
    payload: Mapping[str, object]


class Candidate(NamedTuple):
    """One point found by its vector or by its terms, with both scores; a tuple, since dozens are made for each ticket.

    Attributes:
        id: Which point.
        dense: Cosine similarity in [-1, 1].
        bm25: BM25, 0 where no term is shared.
        payload: The fields wanted.
    """

    id: UUID
    dense: float
    bm25: float
    payload: Mapping[str, object]


class Collection(Protocol):
    """One collection, open for reading and writing. Every method may raise `Unavailable`.

    Other programs may write into it. A point whose id is an integer is theirs: it is no hit, and takes no hit's place
    (`shared/vectorstore/widening.py`). Payloads may hold anything; who reads them checks what it uses.
    """

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return what is stored of these ids; ids without a point are left out.

        Raises:
            Fatal: what stands under one of them has no version; the error names the point.
        """
        ...

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored version of these ids; ids without a point are left out.

        Raises:
            Fatal: what stands under one of them has no version; the error names the point.
        """
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, acknowledged, each only over an absent or an older one.

        A point that is not written because the stored one is as new or newer is no error: look again with `versions`.

        Raises:
            ValueError: an id stands twice, a vector has a wrong name or dimension or is not finite, a sparse vector's
                indices are not ascending, or a payload lacks its version. Nothing has been written then.
        """
        ...

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answer several queries at once, in their order."""
        ...

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Answer several hybrid queries at once: for each the best `limit` by cosine and the best `limit` by BM25.

        A point found in one way alone has its other score too, the same that it would have if that way had found it. The
        order is that of the ids; who asks ranks them.
        """
        ...

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of the payloads of these ids; ids without a point are left out."""
        ...

    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of what is stored now: a worker's last read of a batch, after it was written."""
        ...

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        """Return the exact number of points that have these values, as `Query` explains them; no point is read."""
        ...

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield the id and the wanted payload fields of every point whose id is a UUID, in no particular order."""
        ...

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield the same of every point, also of those of other programs whose id is an integer."""
        ...


@runtime_checkable
class Aliased(Protocol):
    """A collection whose alias somebody else may move while it is open."""

    def alias_fault(self) -> str | None:
        """Return where the alias stands now if it stood for this collection before; None if all is well."""
        ...

    def watch_alias(self, notify: Callable[[bool], None]) -> None:
        """Call `tell` from now on, with True where the alias is found elsewhere and with False where it is not."""
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


def with_uuid(
    points: Iterator[tuple[UUID | int, Mapping[str, object]]],
) -> Iterator[tuple[UUID, Mapping[str, object]]]:
    """Yield the points whose id is a UUID."""
    for which, payload in points:
        if isinstance(which, UUID):
            yield which, payload


def is_version(value: object) -> TypeGuard[int]:
    """Return whether a payload field holds a version: a whole number from 1 to 2^53 - 1."""
    return type(value) is int and 1 <= value < EVENT_VERSION_LIMIT


def stored_version(which: object, payload: Mapping[str, object] | None) -> int:
    """Return the version in a stored payload.

    Raises:
        Fatal: there is no valid one, so that no write could be guarded.
    """
    found = (payload or {}).get(VERSION_FIELD)
    if is_version(found):
        return found
    fault = f"it has no {VERSION_FIELD}" if found is None else f"its {VERSION_FIELD} is not a whole number from 1 on"
    raise Fatal(f"point {which} was written by something else: {fault}; remove it, then start again")


def is_unit(vector: Vector) -> bool:
    """Return whether a vector is one row of finite numbers of unit length, but for rounding."""
    return vector.ndim == 1 and abs(_square_sum(vector) - 1) < UNIT_TOLERANCE


def _square_sum(vector: Vector) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(vector @ vector)  # NaN and infinity both survive this


def check_points(points: Sequence[Point], dimensions: Mapping[str, int], sparse: Ids[str] = ()) -> None:
    """Check all that a store would refuse half-way through a call, or take although it is wrong, before the call.

    Args:
        points: What is to be written.
        dimensions: The collection's vectors.
        sparse: The names of the collection's sparse vectors.

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
            if not is_unit(vector):
                total = _square_sum(vector)
                raise ValueError(f"point {point.id}: vector {name!r} is not of unit length (its square sum is {total})")
        for name, terms in point.sparse.items():
            fault = "its name is unknown" if name not in sparse else _fault(terms)
            if fault:
                raise ValueError(f"point {point.id}: sparse vector {name!r}: {fault}")


def _fault(terms: SparseVector) -> str | None:
    indices, values = terms.indices, terms.values
    if indices.dtype != np.uint32 or values.dtype != np.float32:
        return f"indices are {indices.dtype} and values {values.dtype}, expected uint32 and float32"
    if indices.ndim != 1 or indices.shape != values.shape:
        return f"shapes {indices.shape} and {values.shape} differ or are no lists"
    if not bool(np.all(indices[1:] > indices[:-1])):
        return "its indices are not ascending"
    return None if bool(np.isfinite(values).all()) else "it holds a value that is not finite"
