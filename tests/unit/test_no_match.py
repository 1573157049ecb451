"""How often "nothing matches" is wrong, against values computed by hand.

A green run does not prove that any search keeps its stated rate; `millrace search evaluate` measures it.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.search.tuning.no_match import Judged, measure_no_match


def judged(fitting: list[tuple[float, bool]], others: list[float]) -> Judged:
    """Return what was judged of queries that something fits, with whether a relevant hit matches, and of others."""
    lowest = [chance for chance, _ in fitting] + others
    fits = [True] * len(fitting) + [False] * len(others)
    found = [is_found for _, is_found in fitting] + [False] * len(others)
    return Judged(np.array(lowest), np.array(fits, np.bool_), np.array(found, np.bool_))


def test_the_shares_are_those_of_the_queries() -> None:
    fitting = [(0.001, True), (0.02, False), (0.05, True), (0.051, False), (math.inf, False)]
    found = measure_no_match(judged(fitting, [0.04, 0.05, 0.3, 0.9]), 0.05)
    assert (found["fitting"], found["unfitting"], found["stated_false_rate"]) == (5, 4, 0.05)
    assert found["lost"] == pytest.approx(2 / 5)
    assert found["only_others_match"] == pytest.approx(1 / 5)
    assert found["false_matches"] == pytest.approx(2 / 4), "a chance of exactly the stated rate matches"


def test_the_intervals_are_those_of_wilson() -> None:
    """5 of 50: Wilson's interval is 0.0435 to 0.2136, as published tables have it."""
    found = measure_no_match(judged([(0.9, False)] * 5 + [(0.01, True)] * 45, []), 0.05)
    assert found["lost"] == pytest.approx(0.1)
    assert found["lost_interval"] == pytest.approx([0.0435, 0.2136], abs=1e-4)


def test_what_would_be_lost_at_exactly_the_stated_rate() -> None:
    """Of 40 queries that nothing fits, two may match at 5 %: the bound is the third lowest chance."""
    others = [0.001, 0.002, 0.2, *([0.7] * 37)]
    fitting = [(0.1, True), (0.19, True), (0.2, True), (0.5, True)]
    exact = measure_no_match(judged(fitting, others), 0.05)["at_false_rate"]
    assert (exact["chance_below"], exact["false_matches"], exact["lost"]) == (0.2, 0.05, 0.5)


def test_with_few_queries_not_one_may_match() -> None:
    exact = measure_no_match(judged([(0.01, True), (0.3, True)], [0.02, 0.5]), 0.05)["at_false_rate"]
    assert (exact["chance_below"], exact["false_matches"], exact["lost"]) == (0.02, 0.0, 0.5)


def test_of_equal_chances_all_or_none_are_below_the_bound() -> None:
    exact = measure_no_match(judged([(0.1, True)], [0.2] * 10), 0.5)["at_false_rate"]
    assert (exact["false_matches"], exact["lost"]) == (0.0, 0.0)


def test_without_a_chance_nothing_matches_at_any_bound() -> None:
    exact = measure_no_match(judged([(math.inf, False), (0.9, True)], [math.inf] * 3), 0.05)["at_false_rate"]
    assert (exact["chance_below"], exact["false_matches"], exact["lost"]) == (None, 0.0, 0.5)


def test_a_share_of_no_queries_is_unknown() -> None:
    only_fitting = measure_no_match(judged([(0.01, True)], []), 0.05)
    assert (only_fitting["false_matches"], only_fitting["false_matches_interval"]) == (None, None)
    assert only_fitting["at_false_rate"] is None
    only_others = measure_no_match(judged([], [0.3]), 0.05)
    assert (only_others["lost"], only_others["only_others_match"], only_others["at_false_rate"]) == (None, None, None)
    assert only_others["false_matches"] == 0.0


chances = st.lists(st.floats(0, 1) | st.just(math.inf), min_size=1, max_size=60)


@given(chances, chances, st.floats(0.001, 0.5))
def test_at_the_stated_rate_no_more_than_it_match(fitting: list[float], others: list[float], rate: float) -> None:
    found = measure_no_match(judged([(chance, True) for chance in fitting], others), rate)
    exact = found["at_false_rate"]
    assert exact["false_matches"] <= rate + 1e-9
    for name, part in (("lost", found), ("false_matches", found), ("lost", exact)):
        low, high = part[f"{name}_interval"]
        assert low - 1e-9 <= part[name] <= high + 1e-9


@given(chances, chances)
def test_a_higher_rate_loses_no_more(fitting: list[float], others: list[float]) -> None:
    given_queries = judged([(chance, True) for chance in fitting], others)
    low, high = (measure_no_match(given_queries, rate) for rate in (0.05, 0.3))
    assert low["lost"] >= high["lost"]
    assert low["false_matches"] <= high["false_matches"]
    assert low["at_false_rate"]["lost"] >= high["at_false_rate"]["lost"]
