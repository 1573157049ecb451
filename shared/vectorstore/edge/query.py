"""Conversion of points, guards and queries to Qdrant Edge's types, and the batches that answer hybrid queries.

Why there are several: `docs/decisions/0009-hybrid-ranking.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from shared.records import Point, SparseVector
from shared.vectorstore.conditions import Condition
from shared.vectorstore.port import VERSION_FIELD, Candidate, HybridQuery, Query

Ask = Callable[[Sequence[edge.QueryRequest]], list[list[edge.ScoredPoint]]]
"""A function that sends requests as one planned batch and returns the hits of each."""

Hits = dict[int, tuple[Any, edge.ScoredPoint]]
"""Points found with their ids, by the id as a number: a UUID takes six times as long to hash, and Edge creates a new
one each time. An integer id gets a negative number, because it is not the same id as the UUID of the same value."""


def to_point(point: Point) -> edge.Point:
    """Return a point as Edge's type."""
    named: dict[str, Any] = {name: vector.tolist() for name, vector in point.vectors.items()}
    named |= {name: _to_sparse(terms) for name, terms in point.sparse.items()}
    return edge.Point(point.id, named, dict(point.payload))


def older_than(points: Sequence[Point]) -> edge.Filter:
    """Return the guard: it matches any of these ids that is stored with a version below the one to be written."""
    return edge.Filter(
        should=[
            edge.Filter(
                must=[
                    edge.HasIdCondition({point.id}),
                    edge.FieldCondition(VERSION_FIELD, range=edge.RangeFloat(lt=point.version)),
                ]
            )
            for point in points
        ]
    )


def to_request(query: Query) -> edge.QueryRequest:
    """Return a search by vector as Edge's type."""
    return edge.QueryRequest(
        limit=query.limit,
        query=edge.Query.Nearest(query.vector.tolist(), using=query.using),
        filter=_filter_of(query),
        with_payload=list(query.payload),
    )


def to_filter(
    equals: Mapping[str, str | int],
    at_least: Mapping[str, int],
    may_lack: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
) -> edge.Filter:
    """Return the filter of a `Query`."""
    must: list[Any] = [edge.FieldCondition(name, match=edge.MatchValue(value)) for name, value in equals.items()]
    for name, least in at_least.items():
        high = edge.FieldCondition(name, range=edge.RangeFloat(gte=least))
        lacking = edge.Filter(should=[high, edge.IsEmptyCondition(name)])
        must.append(lacking if name in may_lack else high)
    must += map(_compared, where)
    return edge.Filter(must=must)


def find_candidates(queries: Sequence[HybridQuery], ask: Ask) -> list[list[Candidate]]:
    """Return the best points by vector, by second vector and by terms, each with the scores of the other searches too.

    Edge scores neighbouring requests of the same kind and filter in one pass, so each kind is a separate batch: mixed
    batches cost twice as much.
    """
    kinds = (_by_vector, _by_second, _by_terms)
    best = [_ask_some([kind(query, None) for query in queries], ask) for kind in kinds]
    complete = []
    for kind, own in zip(kinds, best, strict=True):
        late = _ask_some([kind(query, _beyond(own, best, place)) for place, query in enumerate(queries)], ask)
        complete.append([hits | more for hits, more in zip(own, late, strict=True)])
    return [_candidates(*hits) for hits in zip(*complete, strict=True)]


def to_id(value: Any) -> Any:
    """Return an id that came from Edge as a UUID, or unchanged if it is an integer."""
    return value if isinstance(value, UUID | int) else UUID(str(value))


def _candidates(near: Hits, second: Hits, like: Hits) -> list[Candidate]:
    found = []
    for key, (which, hit) in sorted(near.items()):
        other, terms = second.get(key), like.get(key)
        bm25, beside = 0.0 if terms is None else terms[1].score, None if other is None else other[1].score
        found.append(Candidate(which, hit.score, bm25, hit.payload or {}, beside))
    return found


def _beyond(own: Sequence[Hits], best: Sequence[Sequence[Hits]], place: int) -> set[Any]:
    """Return the ids that the other searches found for a query, and this one did not."""
    found = own[place]
    others = (each[place] for each in best if each is not own)
    return {which for hits in others for key, (which, _) in hits.items() if key not in found}


def _by_vector(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return a search by vector, with the query's filter or among these ids; None if there are no ids."""
    return _near(query, query.nearest.using, ids, list(query.nearest.payload))


def _by_second(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return the same by the second vector, without payload; None if the query has no second vector."""
    return None if query.second_using is None else _near(query, query.second_using, ids, False)


def _near(query: HybridQuery, using: str, ids: set[Any] | None, payload: list[str] | bool) -> edge.QueryRequest | None:
    if ids is not None and not ids:
        return None
    return edge.QueryRequest(
        limit=query.limit if ids is None else len(ids),
        query=edge.Query.Nearest(query.nearest.vector.tolist(), using=using),
        filter=_filter_or_ids(query, ids),
        with_payload=payload,
    )


def _by_terms(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return a search by terms, with the query's filter or among these ids; None if it could not find anything."""
    if query.terms.indices.size == 0 or (ids is not None and not ids):
        return None
    return edge.QueryRequest(
        limit=query.limit if ids is None else len(ids),
        query=edge.Query.Nearest(_to_sparse(query.terms), using=query.terms_using),
        filter=_filter_or_ids(query, ids),
    )


def _filter_or_ids(query: HybridQuery, ids: set[Any] | None) -> edge.Filter:
    return _filter_of(query.nearest) if ids is None else edge.Filter(must=[edge.HasIdCondition(ids)])


def _ask_some(requests: Sequence[edge.QueryRequest | None], ask: Ask) -> list[Hits]:
    """Send the requests that are not None; return the hits of each request, none for a None."""
    present = [request for request in requests if request is not None]
    answers = iter(ask(present))
    return [{} if request is None else _by_number(next(answers)) for request in requests]


def _by_number(answer: Sequence[edge.ScoredPoint]) -> Hits:
    ids = [to_id(hit.id) for hit in answer]
    return {
        which.int if isinstance(which, UUID) else -1 - which: (which, hit)
        for which, hit in zip(ids, answer, strict=True)
    }


def _filter_of(query: Query) -> edge.Filter:
    return to_filter(query.equals, query.at_least, query.may_lack, query.where)


def _compared(condition: Condition) -> edge.FieldCondition:
    if isinstance(condition.value, str):
        return edge.FieldCondition(condition.path, match=edge.MatchValue(condition.value))
    return edge.FieldCondition(condition.path, range=edge.RangeFloat(**condition.bounds))


def _to_sparse(terms: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(terms.indices.tolist(), terms.values.tolist())
