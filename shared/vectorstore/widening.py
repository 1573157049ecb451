"""Searches in a collection to which other programs write: their points must not displace the points of Millrace.

This module knows neither the store nor the stream: the caller decides which hits to keep.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from shared.vectorstore.port import Candidate, Hit, HybridQuery, Query

WIDER = 4
MOST_HITS = 2_048
"""The limit to which a query is widened: if this many points of other programs are nearer, Millrace's are not found."""

HITS_AT_ONCE = 16_384
"""Hits that one call may ask for when queries are asked again, so that the answers take only some megabytes."""

QueryT = TypeVar("QueryT", Query, HybridQuery)
HitT = TypeVar("HitT")


def ask_for_ours(
    queries: Sequence[QueryT],
    ask: Callable[[Sequence[QueryT]], list[list[HitT]]],
    keep: Callable[[QueryT, HitT], bool],
    most_hits: int = MOST_HITS,
) -> list[list[HitT]]:
    """Return the hits to keep for each query, in the order of the queries.

    If no hit is dropped, each query is asked once. If dropped hits may have displaced hits to keep, the query is asked
    again for four times as many hits, up to `most_hits`; that answer may contain more hits than the query's limit.

    Args:
        queries: The queries to ask.
        ask: Returns the hits of each query, in order; for a hybrid query up to `limit` hits of each kind.
        keep: Returns whether to keep a hit of a query.
        most_hits: The limit to which a query is widened.
    """
    found: list[list[HitT]] = [[] for _ in queries]
    pending = [(place, query.limit) for place, query in enumerate(queries)]
    at_once = len(pending)
    while pending:
        group, pending = pending[:at_once], pending[at_once:]
        answers = ask([queries[place].with_limit(limit) for place, limit in group])
        for (place, limit), answer in zip(group, answers, strict=True):
            query = queries[place]
            found[place] = kept = [hit for hit in answer if keep(query, hit)]
            spare = limit - query.limit
            if len(answer) - len(kept) > spare and limit <= len(answer) and limit < most_hits:
                pending.append((place, min(WIDER * limit, most_hits)))
        at_once = max(1, HITS_AT_ONCE // max((limit for _, limit in pending), default=1))
    return found


def search_ours(
    queries: Sequence[Query],
    ask: Callable[[Sequence[Query]], list[list[Hit]]],
    keep: Callable[[Query, Hit], bool],
    most_hits: int = MOST_HITS,
) -> list[list[Hit]]:
    """Return the best hits to keep, as `ask_for_ours` does, but for each query no more than its limit."""
    answers = ask_for_ours(queries, ask, keep, most_hits)
    return [hits[: query.limit] for query, hits in zip(queries, answers, strict=True)]


def has_uuid(_: object, hit: Hit | Candidate) -> bool:
    """Return whether a hit's id is a UUID; adapters use this to drop the points of other programs, with integer ids."""
    return isinstance(hit.id, UUID)
