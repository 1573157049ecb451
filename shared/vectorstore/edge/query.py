"""Conversion of points, guards and queries to Qdrant Edge's types, and the batches that answer hybrid queries.

Why there are several: `docs/decisions/0009-hybrid-ranking.md`.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Collection as Ids
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from shared.records import Point, SparseVector
from shared.vectorstore.conditions import Condition
from shared.vectorstore.moments import Moments
from shared.vectorstore.port import VERSION_FIELD, Candidate, Hit, HybridQuery, Query

Ask = Callable[[Sequence[edge.QueryRequest]], list[list[edge.ScoredPoint]]]
"""A function that sends requests as one planned batch and returns the hits of each."""

Fields = tuple[str, ...]
Read = Callable[[Ids[Any], Fields], Mapping[Any, Mapping[str, object]]]
"""A function that returns fields of the payloads of ids; ids without a point are left out."""

Scores = dict[int, float]
"""The points that a search found, by the id as a number: a UUID takes six times as long to hash, and Edge creates a new
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


def find_hits(queries: Sequence[Query], ask: Ask, read: Read) -> list[list[Hit]]:
    """Return the best points by vector, best first."""
    batch = _Batch(ask, read)
    found = batch.ask([_near(query, None) for query in queries])
    payloads = batch.payloads([query.payload for query in queries], found)
    return [
        [Hit(batch.ids[key], score, stored[key]) for key, score in scores.items() if key in stored]
        for scores, stored in zip(found, payloads, strict=True)
    ]


def find_candidates(queries: Sequence[HybridQuery], ask: Ask, read: Read) -> list[list[Candidate]]:
    """Return the best points by vector, by second vector and by terms, each with the scores of the other searches too.

    Edge scores neighbouring requests of the same kind and filter in one pass, so each kind is asked separately: mixed
    requests cost twice as much.
    """
    batch = _Batch(ask, read)
    kinds = (_by_vector, _by_second, _by_terms)
    best = [batch.ask([kind(query, None) for query in queries]) for kind in kinds]
    complete = []
    for kind, own in zip(kinds, best, strict=True):
        missing = [_missing(own, best, place, query.limit) for place, query in enumerate(queries)]
        late = batch.ask([kind(query, batch.named(keys)) for query, keys in zip(queries, missing, strict=True)])
        complete.append([scores | more for scores, more in zip(own, late, strict=True)])
    payloads = batch.payloads([query.nearest.payload for query in queries], complete[0])
    return [
        [
            Candidate(batch.ids[key], dense, like.get(key, 0.0), stored[key], second.get(key))
            for key, dense in sorted(near.items())
            if key in stored
        ]
        for near, second, like, stored in zip(*complete, payloads, strict=True)
    ]


def to_id(value: Any) -> Any:
    """Return an id that came from Edge as a UUID, or unchanged if it is an integer."""
    return value if isinstance(value, (UUID, int)) else UUID(str(value))


class _Batch:
    """The searches for one batch of queries, with one object for each id that they find."""

    def __init__(self, ask: Ask, read: Read) -> None:
        self._ask, self._read = ask, read
        self.ids: dict[int, Any] = {}

    def ask(self, requests: Sequence[edge.QueryRequest | None]) -> list[Scores]:
        """Send the requests that are not None; return what each found, best first, and nothing for a None."""
        present = [request for request in requests if request is not None]
        answers = iter(self._ask(present))
        return [{} if request is None else self._scores(next(answers)) for request in requests]

    def named(self, keys: Ids[int]) -> set[Any]:
        """Return the ids of these numbers."""
        return {self.ids[key] for key in keys}

    def payloads(self, fields: Sequence[Fields], found: Sequence[Scores]) -> list[Mapping[int, Mapping[str, object]]]:
        """Return these fields of the points found for each query; points that were deleted meanwhile are left out.

        Each point is read once: with the payloads in its hits, Edge would read them again for each hit, which takes
        three times as long as finding them.
        """
        stored: dict[Fields, Mapping[int, Mapping[str, object]]] = {}
        for each in set(fields):
            keys = {key for own, scores in zip(fields, found, strict=True) if own == each for key in scores}
            read = self._read([self.ids[key] for key in keys], each)
            stored[each] = {_number(which): payload for which, payload in read.items()}
        return [stored[each] for each in fields]

    def _scores(self, answer: Sequence[edge.ScoredPoint]) -> Scores:
        scores: Scores = {}
        for hit in answer:
            which = to_id(hit.id)
            key = _number(which)
            self.ids.setdefault(key, which)
            scores[key] = hit.score
        return scores


def _missing(own: Sequence[Scores], best: Sequence[Sequence[Scores]], place: int, limit: int) -> list[int]:
    """Return the points that the other searches found for a query, and this one may still find.

    A search with fewer hits than its limit has found all that it can find: the others have the same filter.
    """
    found = own[place]
    if len(found) < limit:
        return []
    return [key for each in best if each is not own for key in each[place] if key not in found]


def _by_vector(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return a search by vector, with the query's filter or among these ids; None if there are no ids."""
    return _near(query.nearest, ids)


def _by_second(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return the same by the second vector; None if the query has no second vector."""
    second = query.second_nearest
    return None if second is None else _near(second, ids)


def _near(query: Query, ids: set[Any] | None) -> edge.QueryRequest | None:
    if ids is not None and not ids:
        return None
    return edge.QueryRequest(
        limit=query.limit if ids is None else len(ids),
        query=edge.Query.Nearest(query.vector.tolist(), using=query.using),
        filter=_filter_or_ids(query, ids),
    )


def _by_terms(query: HybridQuery, ids: set[Any] | None) -> edge.QueryRequest | None:
    """Return a search by terms, with the query's filter or among these ids; None if it could not find anything."""
    if query.terms.indices.size == 0 or (ids is not None and not ids):
        return None
    return edge.QueryRequest(
        limit=query.limit if ids is None else len(ids),
        query=edge.Query.Nearest(_to_sparse(query.terms), using=query.terms_using),
        filter=_filter_or_ids(query.nearest, ids),
    )


def _filter_or_ids(query: Query, ids: set[Any] | None) -> edge.Filter:
    return _filter_of(query) if ids is None else edge.Filter(must=[edge.HasIdCondition(ids)])


def _number(which: Any) -> int:
    return which.int if isinstance(which, UUID) else -1 - which


def _filter_of(query: Query) -> edge.Filter:
    return to_filter(query.equals, query.at_least, query.may_lack, query.where)


def _compared(condition: Condition) -> edge.FieldCondition | edge.Filter:
    if condition.operator != "!=":
        return _lies(condition)
    return edge.Filter(must_not=[_lies(condition), edge.IsEmptyCondition(condition.path)])


def _lies(condition: Condition) -> edge.FieldCondition:
    """Return the comparison with the value, where != compares as = does."""
    if isinstance(condition.value, str):
        return edge.FieldCondition(condition.path, match=edge.MatchValue(condition.value))
    if isinstance(condition.value, Moments):
        bounds = {name: bound.isoformat() for name, bound in condition.moment_bounds.items()}
        return edge.FieldCondition(condition.path, range=edge.RangeDateTime(**bounds))
    return edge.FieldCondition(condition.path, range=edge.RangeFloat(**condition.bounds))


def _to_sparse(terms: SparseVector) -> edge.SparseVector:
    return edge.SparseVector(terms.indices.tolist(), terms.values.tolist())
