"""MRR, recall, nDCG, precision, MAP and the bootstrap, against values computed by hand.

A green run does not prove that these metrics measure what an agent finds useful.
"""

import math

import numpy as np
import pytest

from shared.search.tuning.measures import METRICS, MORE_METRICS, measure_more, measure_rankings, summarise
from shared.slices import intervals


def one(relevant: list[int], wanted: int) -> dict[str, float]:
    """Return the metrics of one query."""
    values = measure_rankings(np.array([relevant], np.bool_), np.array([wanted]))
    return {name: float(value[0]) for name, value in values.items()}


@pytest.mark.parametrize(
    ("relevant", "wanted", "mrr", "at_1", "at_5", "ndcg"),
    [
        ([1, 0, 0, 0, 0, 0], 1, 1.0, 1.0, 1.0, 1.0),
        ([0, 0, 1, 0, 0, 0], 1, 1 / 3, 0.0, 1.0, 0.5),
        ([0, 0, 0, 0, 0, 1], 1, 1 / 6, 0.0, 0.0, 1 / math.log2(7)),
        ([0] * 12, 3, 0.0, 0.0, 0.0, 0.0),
        ([0] * 10 + [1], 1, 0.0, 0.0, 0.0, 0.0),
        ([1, 1, 1, 1, 1] + [1] * 7, 40, 1.0, 1.0, 1.0, 1.0),
        ([1, 0, 1, 0, 0, 0], 2, 1.0, 1.0, 1.0, 1.5 / (1 + 1 / math.log2(3))),
        ([1, 0, 0, 0, 0, 0], 8, 1.0, 1.0, 0.2, None),
        ([1], 1, 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_metrics_match_values_computed_by_hand(
    relevant: list[int], wanted: int, mrr: float, at_1: float, at_5: float, ndcg: float | None
) -> None:
    found = one(relevant, wanted)
    assert (found["mrr"], found["recall_at_1"], found["recall_at_5"]) == pytest.approx((mrr, at_1, at_5))
    assert ndcg is None or found["ndcg_at_10"] == pytest.approx(ndcg)


def test_ranks_without_a_hit_are_not_relevant() -> None:
    assert one([0, 1], 5)["mrr"] == 0.5


@pytest.mark.parametrize(
    ("relevant", "wanted", "at_10", "precision", "average"),
    [
        ([1], 1, 1.0, 0.2, 1.0),
        ([0, 1, 0, 0, 0, 1], 2, 1.0, 0.2, (1 / 2 + 2 / 6) / 2),
        ([1, 0, 1, 0, 0, 1], 3, 1.0, 0.4, (1 + 2 / 3 + 3 / 6) / 3),
        ([0] * 10 + [1], 1, 0.0, 0.0, 1 / 11),
        ([1, 1, 1, 1, 1], 5, 1.0, 1.0, 1.0),
        ([1, 1], 8, 0.25, 0.4, 2 / 8),
        ([1] * 12, 20, 1.0, 1.0, 12 / 20),
        ([0, 0], 3, 0.0, 0.0, 0.0),
    ],
)
def test_precision_and_map_match_values_computed_by_hand(
    relevant: list[int], wanted: int, at_10: float, precision: float, average: float
) -> None:
    values = measure_more(np.array([relevant], np.bool_), np.array([wanted]))
    assert tuple(values) == MORE_METRICS
    found = [float(values[name][0]) for name in ("recall_at_10", "precision_at_5", "map")]
    assert found == pytest.approx([at_10, precision, average])
    same = one(relevant, wanted)
    assert {name: float(values[name][0]) for name in METRICS} == same


def test_a_summary_holds_each_mean_with_its_interval() -> None:
    rng = np.random.default_rng(1)
    relevant = rng.random((200, 10)) < 0.3
    values = measure_rankings(relevant, np.maximum(1, relevant.sum(1)))
    summary = summarise(values)
    assert set(summary) == {name for metric in METRICS for name in (metric, f"{metric}_interval")}
    for metric in METRICS:
        low, high = summary[f"{metric}_interval"]
        assert low < summary[metric] < high
    assert summary == summarise(values)


def test_the_interval_is_that_of_the_mean_of_a_known_distribution() -> None:
    """The standard error of the mean of 400 fair coins is 0.025, so the ends are near 0.5 -/+ 0.049."""
    low, high = intervals(np.array([[0.0], [1.0]] * 200))
    assert low[0] == pytest.approx(0.451, abs=0.005)
    assert high[0] == pytest.approx(0.549, abs=0.005)


def test_without_any_variance_the_interval_is_a_point() -> None:
    low, high = intervals(np.ones((10, 2)))
    assert low.tolist() == high.tolist() == [1.0, 1.0]
