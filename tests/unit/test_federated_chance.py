"""What chance gives: the two distributions of scores and the number of independent methods, on drawn scores.

A green run does not prove that the scores of real collections follow these distributions, nor that the packaged questions
fit nothing: `millrace search evaluate` measures both.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.search.federated.background import background_texts
from shared.search.federated.chance import (
    LEAST_SCORES,
    TAIL_SHARE,
    BestByChance,
    any_of,
    effective_count,
    fit_best,
    fit_pairs,
)

LOCATION, SCALE = 0.31, 0.04
scores = st.floats(allow_nan=False, allow_infinity=False, width=64)
shares = st.floats(0, 1)


def best(count: int = 4_000, seed: int = 1) -> NDArray[np.float64]:
    """Return scores from a Gumbel distribution."""
    return np.random.default_rng(seed).gumbel(LOCATION, SCALE, count)


def pairs(count: int = 2_000) -> NDArray[np.float64]:
    """Return the scores of pairs, from a normal distribution."""
    return np.random.default_rng(2).normal(0.2, 0.1, count)


def test_the_packaged_questions_are_enough_and_differ() -> None:
    texts = background_texts()
    assert len(texts) >= 4 * LEAST_SCORES, "the quartiles of fewer would vary too much"
    assert len(set(texts)) == len(texts)
    assert all(text == text.strip() and text for text in texts)


# --- the best score ---


def test_the_fit_recovers_the_distribution_that_scores_were_drawn_from() -> None:
    fitted = fit_best(best())
    assert fitted is not None
    assert fitted.location == pytest.approx(LOCATION, abs=0.003)
    assert fitted.scale == pytest.approx(SCALE, rel=0.06)


def test_the_share_is_that_of_the_drawn_scores() -> None:
    drawn, fitted = best(20_000, seed=3), BestByChance(LOCATION, SCALE)
    for score in np.quantile(drawn, [0.05, 0.5, 0.9, 0.95, 0.99]).tolist():
        assert fitted.share(score) == pytest.approx(float((drawn >= score).mean()), abs=0.01)


def threshold(fitted: BestByChance | None) -> float:
    """Return the score that 5 % of the questions that fit nothing exceed, in scales above the mode that was drawn from."""
    assert fitted is not None
    return (fitted.location - fitted.scale * math.log(-math.log(0.95)) - LOCATION) / SCALE


def test_a_fifth_of_questions_that_fit_after_all_moves_the_fit_by_a_bounded_amount() -> None:
    drawn = best()
    near, far = (threshold(fit_best(np.concatenate([drawn, np.full(len(drawn) // 4, at)]))) for at in (0.9, 90.0))
    assert threshold(fit_best(drawn)) == pytest.approx(2.97, abs=0.15)
    assert near == far, "how well they fit does not matter"
    assert near < 2.97 + 3
    spoilt = np.concatenate([drawn, np.full(len(drawn) // 4, 0.9)])
    scale = float(np.std(spoilt)) * math.sqrt(6) / math.pi
    by_moments = BestByChance(float(np.mean(spoilt)) - np.euler_gamma * scale, scale)
    assert threshold(by_moments) > 2.97 + 8, "what a fit by moments would give"


@pytest.mark.parametrize("count", [0, 1, LEAST_SCORES - 1])
def test_too_few_scores_are_not_fitted(count: int) -> None:
    assert fit_best(best(count)) is None
    assert fit_pairs(pairs(count)) is None


def test_scores_that_are_all_alike_are_not_fitted() -> None:
    assert fit_best(np.full(100, 0.4)) is None
    assert fit_pairs(np.full(100, 0.4)) is None


@given(scores, scores, st.floats(-1, 1), st.floats(1e-9, 1e3))
def test_a_higher_best_score_is_never_likelier(one: float, other: float, location: float, scale: float) -> None:
    low, high = sorted((one, other))
    fitted = BestByChance(location, scale)
    assert 0 <= fitted.share(high) <= fitted.share(low) <= 1


# --- pairs ---


@given(scores, scores)
def test_a_higher_score_of_a_pair_is_never_likelier(one: float, other: float) -> None:
    low, high = sorted((one, other))
    fitted = fit_pairs(pairs(200))
    assert fitted is not None
    assert 0 <= fitted.share(high) <= fitted.share(low) <= 1


def test_the_share_of_pairs_is_that_of_the_drawn_ones_up_to_the_tail() -> None:
    drawn = pairs()
    fitted = fit_pairs(drawn)
    assert fitted is not None
    for score in np.quantile(drawn, [0.01, 0.3, 0.8, 0.94]).tolist():
        assert fitted.share(score) == pytest.approx(float((drawn >= score).mean()), abs=0.002)


def test_where_the_tail_begins_the_share_does_not_jump() -> None:
    drawn = pairs()
    fitted = fit_pairs(drawn)
    assert fitted is not None
    last = float(fitted.scores[-1])
    assert last == pytest.approx(float(np.quantile(drawn, 1 - TAIL_SHARE)), abs=0.002)
    assert fitted.share(math.nextafter(last, 1)) == pytest.approx(TAIL_SHARE)
    assert 0 < fitted.share(last) - TAIL_SHARE < 2 / len(drawn)


def test_the_tail_falls_as_an_exponential_distribution_does() -> None:
    drawn = np.random.default_rng(4).exponential(0.1, 50_000)
    fitted = fit_pairs(drawn)
    assert fitted is not None
    assert fitted.tail_scale == pytest.approx(0.1, rel=0.05)
    assert fitted.share(1.0) == pytest.approx(math.exp(-10), rel=0.5)
    assert 0 < fitted.share(3.0) < 1e-9, "beyond all that were drawn, a share is still estimated"


# --- several methods ---


@given(shares, shares, st.floats(1, 20))
def test_any_of_several_is_at_least_as_likely_and_keeps_the_order(one: float, other: float, count: float) -> None:
    low, high = sorted((one, other))
    assert low - 1e-12 <= any_of(low, count) <= any_of(high, count) <= 1


@given(st.lists(shares, min_size=1, max_size=60))
def test_there_is_at_least_one_method(lowest: list[float]) -> None:
    count = effective_count(np.array(lowest))
    assert 1 <= count < math.inf


@pytest.mark.parametrize("methods", [1, 2, 5])
def test_independent_methods_are_counted_exactly(methods: int) -> None:
    """The lowest of m uniform shares has the quantiles 1 - (1 - p) ** (1 / m)."""
    levels = np.linspace(0, 1, 1_001)
    assert effective_count(1 - (1 - levels) ** (1 / methods)) == pytest.approx(methods, rel=1e-6)


def test_drawn_independent_methods_are_counted_about_right_and_copies_as_one() -> None:
    drawn = np.random.default_rng(5).random((3, 20_000))
    assert effective_count(drawn.min(0)) == pytest.approx(3, rel=0.1)
    assert effective_count(np.stack([drawn[0]] * 3).min(0)) == pytest.approx(1, rel=0.1)


def test_the_share_of_any_method_is_right_for_a_tenth_of_the_questions() -> None:
    lowest = np.random.default_rng(6).random((4, 2_000)).min(0) ** 1.3  # a distribution that does not fit exactly
    count = effective_count(lowest)
    judged = np.array([any_of(share, count) for share in lowest.tolist()])
    assert float((judged <= 0.1).mean()) == pytest.approx(0.1, abs=0.002)
