"""Ranking candidates: the sum, the decay by age, the folding of duplicates, ties.

A green run does not prove that the weights are good: `millrace similar evaluate` measures that.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest

from shared.search.ranking import Asked, Ranked, Ranking, answered, lexical, rank
from shared.stream_settings import MOST_WEIGHT
from shared.vectorstore.port import Candidate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RANKING = Ranking(bm25_weight=0.02, resolution_weight=0.3, half_life_days=365, age_floor=0.9)


def candidate(number: int, dense: float, bm25: float = 0.0, age_days: float = 0.0, digest: str = "") -> Candidate:
    happened = (NOW - timedelta(days=age_days)).isoformat()
    return Candidate(UUID(int=number), dense, bm25, {"occurred_at": happened, "text_digest": digest or str(number)})


def ranked(*candidates: Candidate, terms: int = 4, itself: int = 99, limit: int = 5) -> list[Ranked]:
    return rank(candidates, Asked(terms, NOW, UUID(int=itself)), RANKING, limit)


def numbers(hits: list[Ranked]) -> list[int]:
    return [hit.candidate.id.int for hit in hits]


def test_the_score_is_cosine_plus_weighted_bm25() -> None:
    [hit] = ranked(candidate(1, 0.7, 20.0), terms=16)
    assert (hit.lexical, hit.decay, hit.score) == pytest.approx((0.02 * 20 / 4, 1.0, 0.8))


def test_bm25_is_divided_by_the_root_of_the_number_of_query_terms_but_at_least_8() -> None:
    added = lexical(np.array([[8.0], [8.0], [8.0], [8.0]]), np.array([0, 8, 16, 64]), 0.5)
    assert added[:, 0].tolist() == pytest.approx([2**0.5, 2**0.5, 1.0, 0.5])


def test_half_of_the_part_that_ages_is_lost_after_the_half_life() -> None:
    assert RANKING.decay(0) == 1.0
    assert RANKING.decay(365) == pytest.approx(0.95)
    assert RANKING.decay(730) == pytest.approx(0.925)
    assert RANKING.decay(1e9) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("floor", "half_life_days", "left"),
    [
        (0.9, 365, [0.994, 0.971, 0.95, 0.925]),
        (0.5, 180, [0.945, 0.75, 0.623, 0.53]),
        (0, 90, [0.794, 0.25, 0.06, 0.004]),
    ],
)
def test_floor_and_half_life_set_what_is_left_after_30_180_365_and_730_days(
    floor: float, half_life_days: float, left: list[float]
) -> None:
    ranking = Ranking(0.0, 0.0, half_life_days, floor)
    assert ranking.decay([30, 180, 365, 730]).tolist() == pytest.approx(left, abs=6e-4)


def test_with_a_floor_of_zero_a_fresh_weak_answer_wins_over_an_obsolete_exact_one() -> None:
    old, fresh = candidate(1, 1.0, age_days=730), candidate(2, 0.4, age_days=10)
    asked = Asked(4, NOW)
    assert numbers(rank([old, fresh], asked, Ranking(0.0, 0.0, 180, 0.0), 5)) == [2, 1]
    assert numbers(rank([old, fresh], asked, Ranking(0.0, 0.0, 180, 1.0), 5)) == [1, 2]


def test_a_near_resolution_raises_a_score_and_a_far_or_missing_one_changes_nothing() -> None:
    dense, second = np.array([0.5, 0.5, 0.5]), np.array([0.6, 0.29, np.nan])
    assert answered(dense, second, 0.5).tolist() == pytest.approx([0.5 * (0.6 - 0.6 * 0.5), 0.0, 0.0])
    near, far, unsolved = (candidate(n, 0.5)._replace(second=each) for n, each in ((3, 0.6), (1, 0.29), (2, None)))
    hits = ranked(far, unsolved, near)
    assert numbers(hits) == [3, 1, 2]
    assert [hit.score for hit in hits] == pytest.approx([0.5 + 0.3 * 0.3, 0.5, 0.5])
    assert [hit.resolution for hit in hits] == pytest.approx([0.09, 0.0, 0.0])


def test_at_a_very_high_weight_the_resolution_alone_decides() -> None:
    ranking = Ranking(0.0, MOST_WEIGHT, 365, 1.0)
    hits = rank([candidate(n, n / 10)._replace(second=0.9 - n / 20) for n in range(5)], Asked(4, NOW), ranking, 5)
    assert numbers(hits) == [0, 1, 2, 3, 4]
    assert [hit.score for hit in hits] == pytest.approx([MOST_WEIGHT * (0.9 - n / 20) for n in range(5)])


def test_a_hit_from_the_future_counts_as_fresh() -> None:
    assert RANKING.decay(-400) == 1.0
    assert ranked(candidate(1, 0.7, age_days=-400))[0].decay == 1.0


def test_an_old_exact_answer_wins_over_a_fresh_weak_one_and_loses_to_a_fresh_good_one() -> None:
    old = candidate(1, 0.95, age_days=3_650)
    assert numbers(ranked(old, candidate(2, 0.80))) == [1, 2]
    assert numbers(ranked(old, candidate(2, 0.90))) == [2, 1]


def test_a_floor_of_one_switches_the_decay_off() -> None:
    assert Ranking(0.0, 0.0, 1, 1.0).decay(10_000) == 1.0


def test_of_equal_texts_the_best_stays() -> None:
    hits = ranked(candidate(1, 0.9, age_days=900, digest="x"), candidate(2, 0.9, digest="x"), candidate(3, 0.1))
    assert numbers(hits) == [2, 3]


def test_the_ticket_itself_is_left_out_before_the_limit_applies() -> None:
    candidates = [candidate(n, 0.9 - n / 100, digest="x" if n < 3 else "") for n in range(6)]
    assert numbers(ranked(*candidates, itself=0, limit=3)) == [1, 3, 4]


def test_ties_go_to_the_lower_id_whatever_the_input_order() -> None:
    candidates = [candidate(n, 0.5) for n in (3, 1, 2)]
    assert numbers(ranked(*candidates)) == [1, 2, 3]
    assert numbers(ranked(*reversed(candidates))) == [1, 2, 3]


def test_a_point_that_is_no_ticket_is_left_out() -> None:
    assert ranked(Candidate(UUID(int=1), 0.9, 0.0, {})) == []
    assert ranked() == []
