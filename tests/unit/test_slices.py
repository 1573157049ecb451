"""Slices of an evaluation: what is in them, and which are named as worse than the whole.

A green run does not prove that a slice's rows are independent: rewordings of one text count as several.
"""

import numpy as np
import pytest

from shared.slices import VALUES_SHOWN, column_slices, judge_slices, length_slices, mean_interval

ROWS = 400


def test_each_value_of_a_column_is_a_slice_and_rows_without_a_value_are_in_none() -> None:
    slices = column_slices({"channel": ["mail", "chat", None, "mail", ""], "plan": ["pro"] * 5})
    assert {name: inside.tolist() for name, inside in slices.items()} == {
        "channel chat": [False, True, False, False, False],
        "channel mail": [True, False, False, True, False],
        "plan pro": [True] * 5,
    }


def test_rare_values_of_a_column_with_many_values_share_one_slice() -> None:
    values = [f"t{number:02}" for number in range(VALUES_SHOWN)] * 2 + ["rare one", "rare two", None]
    slices = column_slices({"tenant": values})
    assert len(slices) == VALUES_SHOWN + 1
    assert slices["tenant (other values)"].nonzero()[0].tolist() == [2 * VALUES_SHOWN, 2 * VALUES_SHOWN + 1]


def test_texts_are_sliced_by_their_words_and_empty_slices_are_left_out() -> None:
    slices = length_slices(["one two", "word " * 7, "word " * 6])
    assert {name: inside.tolist() for name, inside in slices.items()} == {
        "short": [True, False, True],
        "medium": [False, True, False],
    }


def test_a_slice_that_is_clearly_worse_is_named_and_its_complement_is_not() -> None:
    inside = np.arange(ROWS) < ROWS // 10
    values = np.where(inside, np.arange(ROWS) % 2, np.arange(ROWS) % 10 > 0).astype(float)
    judged = judge_slices(values, {"language fr": inside, "language en": ~inside})
    assert judged["language fr"].worse
    assert not judged["language en"].worse
    assert judged["language fr"].mean == 0.5
    assert judged["language fr"].rows == ROWS // 10
    chance = judged["language fr"].chance
    assert chance is not None
    assert chance < 0.001


def test_without_a_difference_any_slice_is_named_in_at_most_one_evaluation_of_twenty() -> None:
    rng = np.random.default_rng(3)
    evaluations, named = 100, 0
    for _ in range(evaluations):
        values = (rng.random(100) < 0.8).astype(float)
        group = rng.integers(0, 10, 100)
        judged = judge_slices(values, {str(number): group == number for number in range(10)})
        named += any(each.worse for each in judged.values())
    assert named <= 11  # the 99 % quantile of a binomial with 100 trials of 5 %


def test_the_chance_of_a_slice_of_ones_and_zeros_is_the_hypergeometric_one() -> None:
    values = np.array([0.0] * 4 + [1.0] * 16)
    inside = np.zeros(20, np.bool_)
    inside[:5] = True
    exact = 16 / 15504  # all four zeros and one of sixteen ones, of all choices of five of twenty
    chance = judge_slices(values, {"bad": inside})["bad"].chance
    assert chance == pytest.approx(exact, abs=0.0012)


def test_a_slice_of_few_rows_or_of_all_rows_is_shown_but_not_tested() -> None:
    values = np.array([0.0] * 4 + [1.0] * 96)
    judged = judge_slices(values, {"few": values == 0, "all": np.ones(100, np.bool_), "none": np.zeros(100, np.bool_)})
    assert {name: (each.rows, each.chance, each.worse) for name, each in judged.items()} == {
        "few": (4, None, False),
        "all": (100, None, False),
    }
    assert judged["few"].as_dict()["mean"] == 0.0


def test_equal_values_are_never_worse_whatever_their_rounding() -> None:
    values = np.full(300, 1 / 3)
    judged = judge_slices(values, {"half": np.arange(300) % 2 == 0})
    assert judged["half"].chance == 1.0


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(48, 48, 0.926, 1.0), (0, 10, 0.0, 0.278), (81, 263, 0.255, 0.366)],
    ids=["all-right", "none-right", "some-right"],
)
def test_the_interval_of_a_share_is_wilsons(right: int, rows: int, low: float, high: float) -> None:
    values = np.array([1.0] * right + [0.0] * (rows - right))
    assert mean_interval(values) == pytest.approx((low, high), abs=0.001)


def test_the_interval_of_other_values_contains_their_mean_and_narrows_with_more_rows() -> None:
    values = np.linspace(0.0, 1.0, 50)
    low, high = mean_interval(values)
    narrow_low, narrow_high = mean_interval(np.tile(values, 20))
    assert low < narrow_low < 0.5 < narrow_high < high
