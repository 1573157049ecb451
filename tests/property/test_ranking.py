"""Properties of the ranking and of the suggested reply, over drawn candidates and texts.

A green run does not prove that the ranking is good; that is measured.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.search.ranking import Asked, Ranking, rank
from shared.search.reply import REPLY_LIMIT_CHARS, SENTENCES, Resolution, suggest
from shared.search.tuning.measures import METRICS, measure_rankings
from shared.vectorstore.port import Candidate

FEW = settings(max_examples=100, deadline=None)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

cosines = st.floats(-1, 1)
weights = st.floats(0, 100)
ages = st.integers(-1_000, 10_000)
found = st.builds(
    lambda number, dense, bm25, age, digest, second: Candidate(
        UUID(int=number),
        dense,
        bm25,
        {"occurred_at": (NOW - timedelta(days=age)).isoformat(), "text_digest": digest},
        second,
    ),
    st.integers(0, 2**64),
    cosines,
    st.floats(0, 500),
    ages,
    st.integers(0, 30).map(str),
    st.none() | cosines,
)
candidates = st.lists(found, max_size=25, unique_by=lambda each: each.id)
rankings = st.builds(Ranking, weights, st.floats(0, 10), st.floats(0.1, 10_000), st.floats(0, 1))
asked = st.builds(Asked, st.integers(0, 200), st.just(NOW))


@FEW
@given(candidates, asked, rankings, st.randoms())
def test_the_order_of_the_candidates_does_not_matter(
    given_: list[Candidate], question: Asked, ranking: Ranking, random: object
) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's own Random
    assert rank(given_, question, ranking, 5) == rank(shuffled, question, ranking, 5)


@FEW
@given(candidates, asked, rankings, st.integers(0, 5))
def test_hits_are_ordered_distinct_and_at_most_the_limit(
    given_: list[Candidate], question: Asked, ranking: Ranking, limit: int
) -> None:
    hits = rank(given_, question, ranking, limit)
    assert len(hits) <= limit
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    digests = [hit.candidate.payload["text_digest"] for hit in hits]
    assert len(set(digests)) == len(digests)
    assert all(ranking.age_floor <= hit.decay <= 1 for hit in hits)


@FEW
@given(candidates, asked)
def test_with_weight_zero_and_no_decay_the_order_is_that_of_the_cosine(
    given_: list[Candidate], question: Asked
) -> None:
    distinct = [Candidate(c.id, c.dense, c.bm25, {**c.payload, "text_digest": str(c.id)}) for c in given_]
    hits = rank(distinct, question, Ranking(0.0, 0.0, 365, 1.0), 100)
    assert [hit.candidate.id for hit in hits] == [c.id for c in sorted(distinct, key=lambda c: (-c.dense, c.id))]


@FEW
@given(found, st.floats(0, 1), st.floats(0, 100), asked, rankings)
def test_a_higher_cosine_of_text_or_resolution_or_a_higher_bm25_never_lowers_a_score(
    hit: Candidate, nearer: float, more: float, question: Asked, ranking: Ranking
) -> None:
    second = None if hit.second is None else hit.second + nearer
    better = Candidate(hit.id, hit.dense + nearer, hit.bm25 + more, hit.payload, second)
    [one], [other] = rank([hit], question, ranking, 1), rank([better], question, ranking, 1)
    assert other.score >= one.score - 1e-9


@FEW
@given(ages, st.integers(0, 5_000), rankings)
def test_age_never_raises_a_score(age: int, later: int, ranking: Ranking) -> None:
    assert ranking.decay(age + later) <= ranking.decay(age) <= 1


@FEW
@given(st.lists(st.lists(st.booleans(), min_size=15, max_size=15), min_size=1, max_size=20), st.integers(0, 50))
def test_metrics_are_between_0_and_1_and_a_better_order_never_lowers_them(rows: list[list[bool]], missed: int) -> None:
    drawn = np.array(rows, np.bool_)
    wanted = np.maximum(1, drawn.sum(1) + missed)
    worse, better = (
        measure_rankings(drawn, wanted),
        measure_rankings(-np.sort(-drawn.astype(np.int8), axis=1) == 1, wanted),
    )
    for metric in METRICS:
        assert bool(np.all((worse[metric] >= 0) & (better[metric] <= 1 + 1e-9)))
        assert bool(np.all(better[metric] >= worse[metric] - 1e-9))


@FEW
@given(st.lists(st.tuples(st.text(max_size=300), st.floats(0, 2)), max_size=5))
def test_a_reply_is_short_and_contains_only_quotations(drawn: list[tuple[str, float]]) -> None:
    resolutions = [Resolution(str(place), text, score) for place, (text, score) in enumerate(drawn)]
    reply = suggest(resolutions)
    if reply is None:
        return
    assert 1 <= len(reply.sentences) <= SENTENCES
    assert len(reply.text) <= REPLY_LIMIT_CHARS
    for sentence in reply.sentences:
        source = drawn[int(sentence.ticket_id)][0]
        assert sentence.text in " ".join(source.split())
