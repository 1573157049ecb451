"""The scope score: entropy, the nearest training text, and what is learned from out-of-scope texts.

A green run does not prove that the score detects real strangers: `tests/golden/test_banking77_head.py` measures that.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.routing.scope import (
    REJECTED_IN_SCOPE,
    ROWS_AT_ONCE,
    UNTRAINED,
    USUAL_RATIO,
    Scope,
    entropy,
    fit_scope,
    nearest,
    threshold_for,
)
from shared.routing.training.folds import Rows


def test_entropy_is_0_for_certainty_and_highest_for_equal_shares() -> None:
    shares = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25] * 4], np.float32)
    np.testing.assert_allclose(entropy(shares), [0, np.log(2), np.log(4)], atol=1e-6)


def test_the_score_follows_the_formula() -> None:
    scope = Scope(spread=-2.0, nearness=3.0, offset=0.5, threshold=0.1)
    shares = np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)
    total = [-2 * np.log(2) + 3 * 0.25 + 0.5, 3 * -1.0 + 0.5]
    found = scope.score(shares, np.array([0.25, -1.0], np.float32))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-np.array(total))), rtol=1e-5)
    assert found.dtype == np.float32


def test_a_score_never_overflows() -> None:
    scope = Scope(spread=0.0, nearness=1e6, offset=0.0, threshold=0.0)
    certain = np.array([[1.0, 0.0]] * 2, np.float32)
    low, high = scope.score(certain, np.array([-1.0, 1.0], np.float32))
    assert low == pytest.approx(0, abs=1e-9)
    assert high == 1


def test_the_nearest_text_is_found_across_blocks_of_rows() -> None:
    drawn = np.random.default_rng(3)
    vectors, known = (drawn.normal(size=(count, 4)).astype(np.float32) for count in (ROWS_AT_ONCE + 7, 50))
    rows, similarities = nearest(vectors, known)
    cosines = vectors @ known.T
    assert (rows == cosines.argmax(axis=1)).all()
    np.testing.assert_allclose(similarities, cosines.max(axis=1), rtol=1e-5)
    assert nearest(vectors[:0], known)[1].shape == (0,)


def test_the_learned_score_separates_near_and_confident_from_far_and_unsure() -> None:
    drawn = np.random.default_rng(5)
    sure = np.concatenate([drawn.beta(20, 1, 200), drawn.beta(2, 2, 60)])
    shares = np.stack([sure, 1 - sure], axis=1)
    similarity = np.concatenate([drawn.normal(0.8, 0.1, 200), drawn.normal(0.4, 0.1, 60)])
    inside = np.arange(260) < 200
    scope = fit_scope(shares, similarity, inside, np.arange(260))
    scores = scope.score(shares, similarity)
    assert scope.spread < 0 < scope.nearness
    assert ((scores > 0.5) == inside).mean() > 0.95
    assert scope.threshold == 0


def strangers(near: float, sources: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_], Rows]:
    """Return 600 in-scope texts and 300 others that only certainty sets apart; all have about this similarity."""
    drawn = np.random.default_rng(9)
    sure = np.concatenate([drawn.beta(30, 1, 600), drawn.beta(2, 2, 300)])
    similarity = np.concatenate([drawn.normal(0.6, 0.1, 600), drawn.normal(near, 0.1, 300)])
    origin = np.concatenate([np.zeros(600, np.intp), 1 + np.arange(300) % sources])
    return np.stack([sure, 1 - sure], axis=1), similarity, np.arange(900) < 600, origin


def test_one_left_out_label_is_no_evidence_against_the_usual_ratio() -> None:
    scope = fit_scope(*strangers(near=0.75, sources=1))
    assert scope.nearness / -scope.spread == pytest.approx(USUAL_RATIO)


def test_many_left_out_labels_move_the_ratio() -> None:
    scope = fit_scope(*strangers(near=0.75, sources=60))
    assert scope.nearness / -scope.spread < USUAL_RATIO / 2, "similarity misleads here: strangers are nearer"


def test_the_ratio_stays_if_another_one_is_better_by_chance_only() -> None:
    drawn = np.random.default_rng(2)
    shares, similarity, inside, _ = strangers(near=0.6, sources=1)
    noisy = fit_scope(shares, drawn.permutation(similarity) * 1e-3, inside, np.arange(900))
    assert noisy.nearness / -noisy.spread == pytest.approx(USUAL_RATIO)


def test_training_data_that_is_all_of_one_kind_causes_no_error() -> None:
    shares, similarity = np.full((6, 2), 0.5), np.full(6, 0.7)
    scores = fit_scope(shares, similarity, np.arange(6) < 3, np.arange(6)).score(shares, similarity)
    assert (scores == scores[0]).all()
    assert 0 < scores[0] < 1


def test_the_threshold_rejects_its_share_of_in_scope_texts() -> None:
    scores = np.random.default_rng(1).permutation(np.linspace(0, 1, 1_001))
    assert threshold_for(scores) == pytest.approx(REJECTED_IN_SCOPE)
    assert (scores < threshold_for(scores)).mean() == pytest.approx(REJECTED_IN_SCOPE, abs=0.001)
    assert threshold_for(np.zeros(0)) == 0


def test_the_untrained_score_prefers_near_and_confident() -> None:
    sure, unsure = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    near, far = np.array([0.9]), np.array([0.2])
    assert UNTRAINED.score(sure, near)[0] > UNTRAINED.score(unsure, near)[0] > UNTRAINED.score(unsure, far)[0]
    assert UNTRAINED.score(sure, near)[0] > 0.8
    assert UNTRAINED.score(unsure, far)[0] < 0.05
