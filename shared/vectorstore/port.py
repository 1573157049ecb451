"""The interface of a vector store. The contract suite in `tests/contract` runs on every adapter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol, Self, TypeGuard, runtime_checkable
from uuid import UUID

import numpy as np

from schemas.base import EVENT_VERSION_LIMIT
from shared.errors import Fatal
from shared.records import Point, SparseVector, Vector
from shared.vectorstore.conditions import Condition

IndexKind = Literal["keyword", "integer", "float", "datetime"]
VERSION_FIELD = "event_version"
"""The payload field whose value the guard compares; every point has it."""

UNIT_TOLERANCE = 0.02
"""How far a sum of squares may be from 1: float16 changes it by at most a thousandth, coarser formats by more."""


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A physical collection, and the alias its readers use.

    Attributes:
        alias: The name that readers use, for example `tickets`.
        name: The physical name. It contains the model's fingerprint, so that vectors of two models are never mixed.
        vectors: Dimension of each named vector; the distance is cosine.
        indexes: Payload fields that filters use, each with the kind of its index.
        sparse: Names of the sparse vectors. The store multiplies each term of a query by its inverse document
            frequency, ln((N - n + 0.5) / (n + 0.5) + 1), where N is the number of points with any terms and n the
            number of points with this term.
        conditions: The largest number of conditions in a query's filter; a server may allow fewer.
    """

    alias: str
    name: str
    vectors: Mapping[str, int]
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    sparse: tuple[str, ...] = ()
    conditions: int = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored for one id, without sparse vectors: they are computed again from the text."""

    version: int
    payload: Mapping[str, object]
    vectors: Mapping[str, Vector]


@dataclass(frozen=True, slots=True)
class Query:
    """A search for the points nearest to a vector by cosine similarity, best first.

    A query cannot exclude ids: queries of one batch with equal filters share one pass over the points, which was
    measured to be twice as fast. To exclude one point, ask for one more hit and drop that point.

    Attributes:
        vector: Shape (dim,), unit length.
        using: The named vector to compare with.
        equals: Payload fields and the value that each must have, or must contain if the field is a list.
        at_least: Integer payload fields and the smallest value that each may have.
        may_lack: Fields of `at_least` that a point may also lack or have as null.
        limit: The largest number of hits.
        payload: The payload fields to return.
        where: Further conditions, all of which a point must meet.
    """

    vector: Vector
    using: str
    limit: int
    equals: Mapping[str, str | int] = field(default_factory=dict)
    at_least: Mapping[str, int] = field(default_factory=dict)
    may_lack: tuple[str, ...] = ()
    payload: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()

    def with_limit(self, limit: int) -> Self:
        """Return the same query for another number of hits."""
        return self if limit == self.limit else replace(self, limit=limit)


@dataclass(frozen=True, slots=True)
class HybridQuery:
    """A search for the points near a vector, also by a second vector of theirs, and for the points that share terms.

    Attributes:
        nearest: The vector, the filter, the largest number of hits of each kind, and the payload fields to return.
        terms: The terms of the same text, as `terms.Terms.of_query` returns them.
        terms_using: The sparse vector to compare the terms with.
        second_using: A second named vector that is compared too; None for no comparison.
        second: What it is compared with; None for `nearest.vector`.
    """

    nearest: Query
    terms: SparseVector
    terms_using: str
    second_using: str | None = None
    second: Vector | None = None

    @property
    def second_nearest(self) -> Query | None:
        """The search by the second vector; None for no comparison."""
        if self.second_using is None:
            return None
        vector = self.nearest.vector if self.second is None else self.second
        return replace(self.nearest, using=self.second_using, vector=vector)

    @property
    def limit(self) -> int:
        """The largest number of hits of each kind."""
        return self.nearest.limit

    def with_limit(self, limit: int) -> Self:
        """Return the same query for another number of hits."""
        return self if limit == self.limit else replace(self, nearest=self.nearest.with_limit(limit))


class Hit(NamedTuple):
    """One point found, with its cosine similarity in [-1, 1]; a tuple, because each ticket needs dozens of them."""

    id: UUID
    score: float
    payload: Mapping[str, object]


class Candidate(NamedTuple):
    """One point found by a vector or its terms, with all scores; a tuple, because each ticket needs dozens of them.

    Attributes:
        id: The point's id.
        dense: Cosine similarity in [-1, 1].
        bm25: The BM25 score; 0 if no term is shared.
        payload: The requested fields.
        second: Cosine similarity of the second vector; None if it was not compared, or if the point lacks it.
    """

    id: UUID
    dense: float
    bm25: float
    payload: Mapping[str, object]
    second: float | None = None


class Collection(Protocol):
    """One collection, open for reading and writing. Every method may raise `Unavailable`.

    Other programs may write into it. Points with integer ids belong to them: such a point is never returned as a hit
    and never displaces one (`shared/vectorstore/widening.py`). Payloads may contain anything, so callers check the
    fields that they use.
    """

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return what is stored for these ids; ids without a point are left out.

        Raises:
            Fatal: a stored point has no valid version; the error names the point.
        """
        ...

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored version of each of these ids; ids without a point are left out.

        Raises:
            Fatal: a stored point has no valid version; the error names the point.
        """
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points and wait for the acknowledgement; each replaces only an absent or an older point.

        It is not an error if a point is not written because the stored one is as new or newer; `versions` shows it.

        Raises:
            ValueError: an id occurs twice, a vector has a wrong name or dimension or is not finite, a sparse vector's
                indices are not ascending, or a payload lacks its version. In that case nothing has been written.
        """
        ...

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Return the hits of several queries, in the order of the queries."""
        ...

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Return for each of several hybrid queries the best `limit` points by each vector and the best by BM25.

        A point that only one of these searches found has its other scores too, the same as if the other searches had
        found it. A point without the first vector is left out. Candidates are in the order of their ids; the caller
        ranks them.
        """
        ...

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of the payloads of these ids; ids without a point are left out."""
        ...

    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these payload fields as they are stored now: a worker's last read for a batch, after the write."""
        ...

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        """Return the exact number of points that match, with the conditions of `Query`; no point is read."""
        ...

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield the id and the requested payload fields of every point with a UUID as id, in no particular order."""
        ...

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield the same for every point, including those of other programs, whose ids are integers."""
        ...


@runtime_checkable
class Aliased(Protocol):
    """A collection whose alias somebody else may move while the collection is open."""

    def alias_fault(self) -> str | None:
        """Return a message if the alias used to point to this collection and no longer does, else None."""
        ...

    def watch_alias(self, notify: Callable[[bool], None]) -> None:
        """Call `notify` after every check from now on: True if the alias has moved or was deleted, else False."""
        ...


class VectorStore(Protocol):
    """A store of collections."""

    def open(self, spec: CollectionSpec) -> Collection:
        """Open a collection, and create it if it does not exist; the alias is set only if it does not exist yet."""
        ...

    def open_alias(self, alias: str) -> Collection | None:
        """Open the collection that an alias points to; return None if the alias does not exist."""
        ...

    def alias_target(self, alias: str) -> str | None:
        """Return the name of the collection that an alias points to; None if it does not exist or cannot be seen."""
        ...

    def close(self) -> None:
        """Flush, and release all resources."""
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
        Fatal: the version is missing or not valid, so that no write could be guarded.
    """
    found = (payload or {}).get(VERSION_FIELD)
    if is_version(found):
        return found
    fault = (
        f"it has no {VERSION_FIELD}" if found is None else f"its {VERSION_FIELD} is not a whole number of at least 1"
    )
    raise Fatal(f"point {which} was written by another program: {fault}; delete the point, then start the worker again")


def is_unit(vector: Vector) -> bool:
    """Return whether a vector is one row of finite numbers and has unit length, apart from rounding."""
    return vector.ndim == 1 and abs(_square_sum(vector) - 1) < UNIT_TOLERANCE


def _square_sum(vector: Vector) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(vector @ vector)  # not finite if any number in the vector is not finite


def check_points(points: Sequence[Point], dimensions: Mapping[str, int], sparse: Ids[str] = ()) -> None:
    """Check, before a call, everything that a store would reject half-way through it or accept although it is wrong.

    Args:
        points: The points to write.
        dimensions: Dimension of each named vector of the collection.
        sparse: The names of the collection's sparse vectors.

    Raises:
        ValueError: see `Collection.upsert`.
    """
    if len({point.id for point in points}) < len(points):
        raise ValueError("an id occurs twice in one call: which of the two points wins would depend on the store")
    for point in points:
        stated = point.payload.get(VERSION_FIELD)
        if type(stated) is not int or stated != point.version:
            raise ValueError(f"point {point.id}: {VERSION_FIELD} in its payload is not the point's version")
        for name, vector in point.vectors.items():
            if vector.shape != (dimensions.get(name),):
                raise ValueError(f"point {point.id}: vector {name!r} has shape {vector.shape}, expected {dimensions}")
            if not is_unit(vector):
                total = _square_sum(vector)
                raise ValueError(f"point {point.id}: vector {name!r} is not of unit length (sum of squares: {total})")
        for name, terms in point.sparse.items():
            fault = "the collection has no sparse vector of this name" if name not in sparse else _fault(terms)
            if fault:
                raise ValueError(f"point {point.id}: sparse vector {name!r}: {fault}")


def _fault(terms: SparseVector) -> str | None:
    indices, values = terms.indices, terms.values
    if indices.dtype != np.uint32 or values.dtype != np.float32:
        return f"its indices are {indices.dtype} and its values {values.dtype}, expected uint32 and float32"
    if indices.ndim != 1 or indices.shape != values.shape:
        return f"indices and values have shapes {indices.shape} and {values.shape}, expected two lists of one length"
    if not bool(np.all(indices[1:] > indices[:-1])):
        return "its indices are not ascending"
    return None if bool(np.isfinite(values).all()) else "it contains a value that is not finite"
