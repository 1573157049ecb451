"""Asking again if foreign points filled an answer: how often, for how many hits, and when not.

A green run does not prove that stores answer as this list does; the contract suites check that.
"""

from collections.abc import Sequence
from uuid import UUID

import pytest

from shared.vectorstore.port import Hit, HybridQuery, Query
from shared.vectorstore.widening import HITS_AT_ONCE, MOST_HITS, ask_for_ours, search_ours
from tests.support.vectors import terms, unit


class Ranked:
    """Answers with the first hits of a numbered list."""

    def __init__(self, size: int) -> None:
        self.hits = [Hit(UUID(int=number), 1.0, {}) for number in range(size)]
        self.asked: list[int] = []
        self.calls: list[int] = []

    def ask(self, queries: Sequence[Query]) -> list[list[Hit]]:
        self.calls.append(len(queries))
        self.asked += [query.limit for query in queries]
        return [self.hits[: query.limit] for query in queries]


def query(limit: int) -> Query:
    return Query(unit(1), "text", limit)


@pytest.mark.parametrize(
    ("foreign", "asked"),
    [
        (0, [11]),
        (1, [11, 44]),
        (33, [11, 44]),
        (34, [11, 44, 176]),
        (165, [11, 44, 176]),
        (2_000, [11, 44, 176, 704, 2_048]),
    ],
)
def test_more_hits_are_requested_until_enough_of_them_are_of_millrace(foreign: int, asked: list[int]) -> None:
    store = Ranked(5_000)
    [hits] = search_ours([query(11)], store.ask, lambda _, hit: hit.id.int >= foreign)
    assert store.asked == asked
    assert [hit.id.int for hit in hits] == list(range(foreign, foreign + 11))


def test_beyond_the_limit_the_hits_found_so_far_are_the_answer() -> None:
    store = Ranked(5_000)
    assert search_ours([query(11)], store.ask, lambda _, hit: hit.id.int >= 3_000) == [[]]
    assert store.asked[-1] == MOST_HITS
    store.asked.clear()
    assert len(search_ours([query(3_000)], store.ask, lambda _, hit: hit.id.int >= 10)[0]) == 2_990
    assert store.asked == [3_000]


def test_an_answer_that_was_not_full_is_not_requested_again() -> None:
    store = Ranked(5)
    [hits] = search_ours([query(11)], store.ask, lambda _, hit: hit.id.int >= 4)
    assert (store.asked, len(hits)) == ([11], 1)


def test_only_the_queries_of_a_batch_that_lack_hits_are_repeated() -> None:
    store = Ranked(100)
    answers = search_ours(
        [query(3), query(5), query(7)], store.ask, lambda asked, hit: asked.limit != 5 or hit.id.int > 2
    )
    assert store.asked == [3, 5, 7, 20]
    assert [[hit.id.int for hit in hits] for hits in answers] == [[0, 1, 2], [3, 4, 5, 6, 7], list(range(7))]
    assert ask_for_ours([], store.ask, lambda _, hit: True) == []


def test_a_batch_is_one_query_and_its_repetitions_are_split() -> None:
    store = Ranked(3_000)
    search_ours([query(11)] * 100, store.ask, lambda _, hit: hit.id.int >= 600)
    assert store.calls[:3] == [100, 100, 93], "100 queries of 11, of 44 and of 176 hits; of the last 93 are 16,384"
    assert all(calls * limit <= HITS_AT_ONCE for calls, limit in zip(store.calls[-4:], [704] * 4, strict=True))
    assert store.asked.count(704) == 100


def test_a_hybrid_query_is_widened_for_both_of_its_kinds() -> None:
    hybrid = HybridQuery(query(3), terms({1: 1.0}), "terms")
    wider = hybrid.with_limit(12)
    assert (wider.limit, wider.nearest.limit, wider.nearest.using, hybrid.limit) == (12, 12, "text", 3)
    assert hybrid.with_limit(3) is hybrid
