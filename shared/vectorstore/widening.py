"""Searches in a collection that others write to: what is not ours is left out, and does not take the place of what is.

Knows neither a store nor a stream: who asks says what it keeps.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from shared.vectorstore.port import Candidate, Hit, HybridQuery, Query

WIDER = 4
MOST_HITS = 2_048
"""No query is widened beyond this: so many points of others, nearer than all of ours, do crowd ours out."""

HITS_AT_ONCE = 16_384
"""Queries that are asked again are asked so many at once that their hits take some megabytes."""

QueryT = TypeVar("QueryT", Query, HybridQuery)
HitT = TypeVar("HitT")


def ask_for_ours(
    queries: Sequence[QueryT],
    ask: Callable[[Sequence[QueryT]], list[list[HitT]]],
    keep: Callable[[QueryT, HitT], bool],
) -> list[list[HitT]]:
    """Return the hits that are kept, for each query in its order.

    Where nothing has to be left out, the queries are asked once. Where an answer may lack some of ours because of what was
    left out, its query is asked again for four times as many hits, up to 2,048; that answer may have more than its limit.

    Args:
        queries: What is asked.
        ask: Answers queries in their order; a hybrid query with up to `limit` hits of each kind.
        keep: Whether a hit of a query is ours.
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
            if len(answer) - len(kept) > spare and limit <= len(answer) and limit < MOST_HITS:
                pending.append((place, min(WIDER * limit, MOST_HITS)))
        at_once = max(1, HITS_AT_ONCE // max((limit for _, limit in pending), default=1))
    return found


def search_ours(
    queries: Sequence[Query],
    ask: Callable[[Sequence[Query]], list[list[Hit]]],
    keep: Callable[[Query, Hit], bool],
) -> list[list[Hit]]:
    """Return the best hits of ours, as `ask_for_ours`, and no more of each query than its limit."""
    answers = ask_for_ours(queries, ask, keep)
    return [hits[: query.limit] for query, hits in zip(queries, answers, strict=True)]


def has_uuid(_: object, hit: Hit | Candidate) -> bool:
    """Return whether a hit's id is a UUID; adapters give integers as they came, and leave them out by this."""
    return isinstance(hit.id, UUID)
