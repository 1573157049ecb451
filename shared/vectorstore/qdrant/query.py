"""Conversion of points, guards and queries to the types of Qdrant's client, and the two requests for hybrid queries."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from qdrant_client import models

from shared.records import Point, SparseVector
from shared.vectorstore.conditions import Condition
from shared.vectorstore.moments import Moments
from shared.vectorstore.port import VERSION_FIELD, Candidate, HybridQuery, Query

POINTS_PER_CALL = 200
BYTES_PER_CALL = 8 << 20
"""A quarter of the request size that a server accepts by default (`service.max_request_size_mb`, 32)."""

BYTES_PER_FLOAT = 24
"""The largest number of bytes of one float32 in JSON, with its sign, exponent and comma."""

Ask = Callable[[Sequence[models.QueryRequest]], list[list[models.ScoredPoint]]]
"""A function that sends requests as one batch and returns the hits of each, in order."""


def to_point(point: Point) -> models.PointStruct:
    """Return a point as Qdrant's type, without empty sparse vectors: they could change the document frequencies."""
    named: dict[str, Any] = {name: vector.tolist() for name, vector in point.vectors.items()}
    named |= {name: _to_sparse(terms) for name, terms in point.sparse.items() if terms.indices.size}
    return models.PointStruct(id=str(point.id), vector=named, payload=dict(point.payload))


def chunks(
    points: Sequence[Point], most_points: int = POINTS_PER_CALL, most_bytes: int = BYTES_PER_CALL
) -> Iterator[list[Point]]:
    """Yield the points in groups that each fit one call."""
    group: list[Point] = []
    size_bytes = 0
    for point in points:
        more_bytes = size_of(point)
        if group and (len(group) >= most_points or size_bytes + more_bytes > most_bytes):
            yield group
            group, size_bytes = [], 0
        group.append(point)
        size_bytes += more_bytes
    if group:
        yield group


def older_than(points: Sequence[Point]) -> models.Filter:
    """Return the guard: it matches any of these ids that is stored with a version below the one to be written."""
    return models.Filter(should=[_older(point) for point in points])


def to_request(query: Query) -> models.QueryRequest:
    """Return a search by vector as Qdrant's type."""
    return models.QueryRequest(
        query=query.vector.tolist(),
        using=query.using,
        filter=_filter_of(query),
        limit=query.limit,
        with_payload=list(query.payload),
    )


def to_filter(
    equals: Mapping[str, str | int],
    at_least: Mapping[str, int],
    may_lack: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
) -> models.Filter:
    """Return the filter of a `Query`."""
    must: list[Any] = [
        models.FieldCondition(key=name, match=models.MatchValue(value=value)) for name, value in equals.items()
    ]
    for name, least in at_least.items():
        high = models.FieldCondition(key=name, range=models.Range(gte=least))
        lacking = models.IsEmptyCondition(is_empty=models.PayloadField(key=name))
        must.append(models.Filter(should=[high, lacking]) if name in may_lack else high)
    must += map(_compared, where)
    return models.Filter(must=must)


def to_id(value: Any) -> Any:
    """Return an id that came from Qdrant as a UUID, or unchanged if it is an integer."""
    return value if isinstance(value, int) else UUID(str(value))


def find_candidates(queries: Sequence[HybridQuery], ask: Ask) -> list[list[Candidate]]:
    """Return the best points by vector, by second vector and by terms, each with the scores of the other searches too.

    This takes two batches. Requests of the same kind are neighbours, because the server shares work between neighbours
    with equal filters.
    """
    kinds = (_by_vector, _by_second, _by_terms)
    best = _ask_all([[kind(query, None) for query in queries] for kind in kinds], ask)
    ids = [[{hit.id for hit in hits} for hits in of_kind] for of_kind in best]
    missing = [
        [set().union(*found) - own for own, found in zip(of_kind, zip(*ids, strict=True), strict=True)]
        for of_kind in ids
    ]
    late = _ask_all(
        [
            [kind(query, beyond) for query, beyond in zip(queries, of_kind, strict=True)]
            for kind, of_kind in zip(kinds, missing, strict=True)
        ],
        ask,
    )
    near, second, like = (
        [hits + more for hits, more in zip(*pair, strict=True)] for pair in zip(best, late, strict=True)
    )
    return list(map(_joined, near, second, like))


Answers = list[list[models.ScoredPoint]]


def _ask_all(kinds: Sequence[Sequence[models.QueryRequest | None]], ask: Ask) -> list[Answers]:
    """Send the requests that are not None in one batch; return the hits of each request, none for a None."""
    present = [request for requests in kinds for request in requests if request is not None]
    answers = iter(ask(present) if present else [])
    return [[[] if request is None else next(answers) for request in requests] for requests in kinds]


def _joined(
    near: Sequence[models.ScoredPoint], second: Sequence[models.ScoredPoint], like: Sequence[models.ScoredPoint]
) -> list[Candidate]:
    bm25 = {hit.id: hit.score for hit in like}
    beside = {hit.id: hit.score for hit in second}
    ordered = sorted(near, key=lambda hit: str(hit.id))  # as text, UUIDs keep their order; some ids may be integers
    return [
        Candidate(to_id(hit.id), hit.score, bm25.get(hit.id, 0.0), hit.payload or {}, beside.get(hit.id))
        for hit in ordered
    ]


def _by_vector(query: HybridQuery, ids: set[Any] | None) -> models.QueryRequest | None:
    """Return a search by vector, with the query's filter or among these ids; None if there are no ids."""
    return _limited(to_request(query.nearest), ids)


def _by_second(query: HybridQuery, ids: set[Any] | None) -> models.QueryRequest | None:
    """Return the same by the second vector, without payload; None if the query has no second vector."""
    second = query.second_nearest
    return None if second is None else _limited(to_request(replace(second, payload=())), ids)


def _limited(request: models.QueryRequest, ids: set[Any] | None) -> models.QueryRequest | None:
    if ids is None:
        return request
    changes = {"filter": among(sorted(ids, key=str)), "limit": len(ids), "params": EXACT}
    return request.model_copy(update=changes) if ids else None


def _by_terms(query: HybridQuery, ids: set[Any] | None) -> models.QueryRequest | None:
    """Return a search by terms, with the query's filter or among these ids; None if it could not find anything."""
    if query.terms.indices.size == 0 or (ids is not None and not ids):
        return None
    return models.QueryRequest(
        query=_to_sparse(query.terms),
        using=query.terms_using,
        filter=_filter_of(query.nearest) if ids is None else among(sorted(ids, key=str)),
        limit=query.nearest.limit if ids is None else len(ids),
        with_payload=False,
    )


EXACT = models.SearchParams(exact=True)
"""A point that is given by its id must be scored: an approximate search through the graph could miss it."""


def among(ids: Sequence[Any]) -> models.Filter:
    """Return the filter that matches only the points with these ids."""
    return models.Filter(must=[models.HasIdCondition(has_id=list(ids))])


def named_ids(condition: models.Filter | None) -> list[Any] | None:
    """Return the ids of a filter that `among` returned; None for any other filter."""
    must = None if condition is None else condition.must
    if isinstance(must, list) and len(must) == 1 and isinstance(must[0], models.HasIdCondition):
        return list(must[0].has_id)
    return None


def _older(point: Point) -> models.Filter:
    stored_below = models.FieldCondition(key=VERSION_FIELD, range=models.Range(lt=point.version))
    return models.Filter(must=[models.HasIdCondition(has_id=[str(point.id)]), stored_below])


def _filter_of(query: Query) -> models.Filter:
    return to_filter(query.equals, query.at_least, query.may_lack, query.where)


def _compared(condition: Condition) -> models.FieldCondition | models.Filter:
    if condition.operator != "!=":
        return _lies(condition)
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=condition.path))
    return models.Filter(must_not=[_lies(condition), empty])


def _lies(condition: Condition) -> models.FieldCondition:
    """Return the comparison with the value, where != compares as = does."""
    if isinstance(condition.value, str):
        return models.FieldCondition(key=condition.path, match=models.MatchValue(value=condition.value))
    if isinstance(condition.value, Moments):
        return models.FieldCondition(key=condition.path, range=models.DatetimeRange(**condition.moment_bounds))
    return models.FieldCondition(key=condition.path, range=models.Range(**condition.bounds))


def _to_sparse(terms: SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=terms.indices.tolist(), values=terms.values.tolist())


def size_of(point: Point) -> int:
    """Return the largest number of bytes that a point can take in a request."""
    floats = sum(vector.size for vector in point.vectors.values())
    floats += sum(2 * terms.indices.size for terms in point.sparse.values())
    return BYTES_PER_FLOAT * floats + len(json.dumps(point.payload))
