"""Searches whose hits are checked: that a program of Millrace wrote them, and that they meet each condition exactly.

A store may read a text as a time that is not one here, and compares fractions with whole numbers; see `Condition`. Such
hits are dropped, and displace no others, as those of other programs (`shared/vectorstore/widening.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from shared.errors import Fatal
from shared.vectorstore.conditions import UNSUITED, Condition
from shared.vectorstore.port import Candidate, Hit, HybridQuery, Query
from shared.vectorstore.widening import ask_for_ours, has_uuid, search_ours

Asked = Query | HybridQuery
HitT = TypeVar("HitT", Hit, Candidate)


def search_checked(queries: Sequence[Query], ask: Callable[[Sequence[Query]], list[list[Hit]]]) -> list[list[Hit]]:
    """Return the best hits of each query; `ask` returns what the store finds, in order."""
    answers = search_ours([_with_fields(query) for query in queries], ask, _keep)
    return [_without_fields(hits, query) for hits, query in zip(answers, queries, strict=True)]


def candidates_checked(
    queries: Sequence[HybridQuery], ask: Callable[[Sequence[HybridQuery]], list[list[Candidate]]]
) -> list[list[Candidate]]:
    """Return the candidates of each hybrid query; `ask` returns what the store finds, in order."""
    asked = [replace(query, nearest=_with_fields(query.nearest)) for query in queries]
    answers = ask_for_ours(asked, ask, _keep)
    return [_without_fields(found, query.nearest) for found, query in zip(answers, queries, strict=True)]


def check_indexes(queries: Sequence[Asked], indexes: Mapping[str, str]) -> None:
    """Check that no condition is on a field whose payload index would answer it wrongly.

    Args:
        queries: The queries.
        indexes: The kind of each payload index of the collection.

    Raises:
        Fatal: such a condition was given; the error names the field and both kinds.
    """
    for condition in {each for query in queries for each in _where(query)}:
        found = indexes.get(condition.path, "")
        if found in UNSUITED.get(condition.kind, ()):
            raise Fatal(
                f"{condition.path} has an index of the kind {found}, with which a condition of the kind {condition.kind} "
                "would find wrong items: give this search and the worker the same SEARCH__INDEXED_ATTRIBUTES, and start "
                "the worker again (docs/filters.md)"
            )


def _where(query: Asked) -> tuple[Condition, ...]:
    return query.where if isinstance(query, Query) else query.nearest.where


def _keep(query: Asked, hit: Hit | Candidate) -> bool:
    return has_uuid(query, hit) and all(each.is_met_by(hit.payload) for each in _where(query) if each.is_checked)


def _fields(query: Query) -> tuple[str, ...]:
    """Return the payload fields that are read only for the check."""
    needed = dict.fromkeys(each.keys[0] for each in query.where if each.is_checked)
    return tuple(name for name in needed if name not in query.payload)


def _with_fields(query: Query) -> Query:
    more = _fields(query)
    return replace(query, payload=(*query.payload, *more)) if more else query


def _without_fields(hits: list[HitT], query: Query) -> list[HitT]:
    more = _fields(query)
    return [hit._replace(payload=_without(hit.payload, more)) for hit in hits] if more else hits


def _without(payload: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: value for name, value in payload.items() if name not in names}
