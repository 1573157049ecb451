"""Softmax, temperature, calibration error and coverage, against values computed by hand or from a known distribution.

A green run does not prove that a head's confidences are right: only that they are measured and corrected as defined.
"""

import numpy as np
import pytest

from shared.routing.calibration import (
    BINS,
    Coverage,
    coverage_at_precision,
    coverage_curve,
    expected_calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    softmax,
)


def test_softmax_gives_the_known_shares_whatever_the_size_of_the_logits() -> None:
    logits = np.log(np.array([[1, 2, 5], [4, 4, 2]], np.float32))
    expected = [[0.125, 0.25, 0.625], [0.4, 0.4, 0.2]]
    np.testing.assert_allclose(softmax(logits), expected, rtol=1e-6)
    np.testing.assert_allclose(softmax(logits + np.float32(1_000)), expected, rtol=1e-3)
    np.testing.assert_allclose(softmax(2 * logits, 2.0), expected, rtol=1e-6)
    assert softmax(logits, 3.0).dtype == np.float32


def test_log_loss_is_the_mean_over_the_right_labels_and_stays_finite() -> None:
    shares = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)
    assert log_loss(shares, np.array([0, 1])) == pytest.approx((np.log(2) + np.log(10)) / 2)
    assert np.isfinite(log_loss(np.array([[1.0, 0.0]]), np.array([1])))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature: float) -> None:
    drawn = np.random.default_rng(7)
    logits = drawn.normal(scale=2, size=(20_000, 6)).astype(np.float32)
    shares = softmax(logits, temperature).astype(np.float64)
    truth = (shares.cumsum(axis=1) < drawn.random((len(shares), 1))).sum(axis=1).clip(max=5)
    found = fit_temperature(logits, truth)
    assert found == pytest.approx(temperature, rel=0.05)
    losses = [log_loss(softmax(logits, found * factor), truth) for factor in (0.8, 1.0, 1.25)]
    assert losses[1] == min(losses)


def test_a_few_texts_that_are_all_right_do_not_make_every_answer_certain() -> None:
    def highest_confidence(count: int) -> float:
        logits, truth = np.tile(np.array([[1.0, 0.0]], np.float32), (count, 1)), np.zeros(count, int)
        return float(softmax(logits, fit_temperature(logits, truth)).max())

    assert highest_confidence(4) == pytest.approx(9 / 10, abs=0.01), "one more text of each label: (4 + 1/2) / (4 + 1)"
    assert highest_confidence(4) < highest_confidence(40) < highest_confidence(400) < 1


def test_the_calibration_error_is_the_weighted_gap_computed_by_hand() -> None:
    confidence = np.array([0.95, 0.95, 0.5, 0.5, 0.5])
    right = np.array([True, False, True, True, False])
    bins = reliability(confidence, right)
    assert [(each.count, round(each.confidence, 6), round(each.accuracy, 6)) for each in bins] == [
        (3, 0.5, 0.666667),
        (2, 0.95, 0.5),
    ]
    assert expected_calibration_error(confidence, right) == pytest.approx(3 / 5 * (2 / 3 - 0.5) + 2 / 5 * 0.45)


def test_a_confidence_of_1_falls_into_the_last_bin() -> None:
    bins = reliability(np.array([1.0, (BINS - 0.5) / BINS, 0.0]), np.array([True, True, False]))
    assert [each.count for each in bins] == [1, 2]
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_without_texts_there_is_no_calibration_error_and_no_coverage() -> None:
    nothing = np.zeros(0)
    assert expected_calibration_error(nothing, nothing.astype(bool)) == 0
    assert coverage_at_precision(nothing, nothing.astype(bool)) == Coverage(0.0, 1.0)


def test_coverage_takes_the_most_confident_first() -> None:
    confidence = np.array([0.6, 0.9, 0.8, 0.7])
    right = np.array([False, True, True, False])
    assert coverage_at_precision(confidence, right) == Coverage(0.5, 0.8)
    assert coverage_at_precision(confidence, right, 0.6) == Coverage(0.75, 0.7)


def test_equal_confidences_are_counted_together() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.7])
    right = np.array([True, True, False, False])
    assert coverage_at_precision(confidence, right, 0.75) == Coverage(0.25, 0.9), (
        "no threshold separates the two at 0.8"
    )
    share, precision, threshold = coverage_curve(confidence, right)
    assert (share.tolist(), threshold.tolist()) == ([0.25, 0.75, 1.0], [0.9, 0.8, 0.7])
    np.testing.assert_allclose(precision, [1, 2 / 3, 1 / 2])


def test_an_early_mistake_does_not_end_the_coverage() -> None:
    confidence = np.linspace(0.99, 0.5, 40)
    right = np.arange(40) != 0
    assert coverage_at_precision(confidence, right) == Coverage(1.0, 0.5), "39 of 40 are right"


@pytest.mark.parametrize(("right", "expected"), [(False, Coverage(0.0, 1.0)), (True, Coverage(1.0, 0.3))])
def test_no_text_or_every_text_reaches_the_precision(right: bool, expected: Coverage) -> None:
    assert coverage_at_precision(np.array([0.9, 0.3]), np.array([right, right])) == expected
