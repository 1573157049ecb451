"""Choosing the weight: never below the better of the two alone, on any metric, overall and on each slice.

A green run does not prove that a weight chosen on one collection is right for another.
"""

from dataclasses import replace

import numpy as np
import pytest

from shared.search.tuning.measures import METRICS
from shared.search.tuning.weights import (
    BM25_WEIGHTS,
    ONLY,
    SLICE_LEAST_QUERIES,
    ScoreTable,
    Weights,
    choose_weights,
    measure_alone,
    measure_fused,
    split_queries,
    tuning_report,
)

NONE = np.full((1, 2), np.nan)


def table(dense: float, bm25: float, queries: int = 400, seed: int = 3, slices: int = 2) -> ScoreTable:
    """Return a table of random scores: the relevant hit of each query is better by the given margin, in each kind."""
    rng = np.random.default_rng(seed)
    relevant = np.zeros((queries, 12), np.bool_)
    relevant[np.arange(queries), rng.integers(0, 12, queries)] = True
    near = rng.normal(0.5, 0.1, relevant.shape) + dense * relevant
    words = np.maximum(0, rng.normal(5, 3, relevant.shape)) + bm25 * relevant
    parts = rng.integers(0, slices, queries)
    return ScoreTable(
        near,
        words,
        np.full_like(near, np.nan),
        relevant,
        np.ones_like(relevant),
        np.ones(queries, np.int64),
        np.full(queries, 4),
        {f"part {n}": parts == n for n in range(slices)},
    )


def means(values: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> list[float]:
    return [float(values[name].mean()) for name in METRICS]


def test_weight_zero_gives_the_order_by_cosine_and_a_huge_one_that_by_bm25() -> None:
    drawn = table(0.1, 3.0)
    assert means(measure_fused(drawn, Weights(0.0, 0.0))) == means(measure_alone(drawn, "dense"))
    assert means(measure_fused(drawn, Weights(ONLY, 0.0))) == pytest.approx(
        means(measure_alone(drawn, "bm25")), abs=0.01
    )
    assert BM25_WEIGHTS[0] == 0.0
    assert BM25_WEIGHTS[-1] == ONLY


@pytest.mark.parametrize(("dense", "bm25"), [(0.2, 0.0), (0.0, 6.0), (0.15, 4.0), (0.02, 0.5)])
def test_the_chosen_weight_is_never_below_either_alone(dense: float, bm25: float) -> None:
    drawn = table(dense, bm25, queries=600)
    choice = choose_weights(drawn)
    for part in (drawn, *(drawn.part(inside) for inside in drawn.slices.values())):
        fused = means(measure_fused(part, choice.weights))
        alone = [means(measure_alone(part, "dense")), means(measure_alone(part, "bm25"))]
        if choice.never_below:
            assert all(f >= max(pair) - 1e-9 for f, *pair in zip(fused, *alone, strict=True))
    assert choice.never_below or min(dense, bm25) > 0


def test_both_together_beat_either_if_both_carry_information() -> None:
    drawn = table(0.15, 4.0)
    choice = choose_weights(drawn)
    assert choice.never_below
    assert 0 < choice.weights.bm25 < ONLY
    fused = means(measure_fused(drawn, choice.weights))
    assert fused[3] > max(means(measure_alone(drawn, "dense"))[3], means(measure_alone(drawn, "bm25"))[3]) + 0.02


def test_noise_gets_little_weight() -> None:
    assert choose_weights(table(0.4, 0.0)).weights.bm25 < 0.01


def test_a_weight_that_harms_one_slice_is_not_chosen_even_if_it_is_best_overall() -> None:
    good, bad = table(0.15, 5.0, queries=1_000, slices=1), table(0.3, -4.0, queries=200, slices=1)
    inside = np.arange(1_200) >= 1_000
    both = ScoreTable(
        np.vstack([good.dense, bad.dense]),
        np.maximum(0, np.vstack([good.bm25, bad.bm25])),
        np.vstack([good.resolution, bad.resolution]),
        np.vstack([good.relevant, bad.relevant]),
        np.vstack([good.is_hit, bad.is_hit]),
        np.ones(1_200, np.int64),
        np.full(1_200, 4),
        {"good": ~inside, "bad": inside},
    )
    free = replace(both, slices={})
    assert choose_weights(free).weights.bm25 > choose_weights(both).weights.bm25
    harmed = means(measure_fused(free.part(inside), choose_weights(free).weights))[3]
    assert harmed < means(measure_alone(free.part(inside), "dense"))[3]


def test_a_small_slice_excludes_no_weight() -> None:
    drawn = table(0.15, 4.0, queries=SLICE_LEAST_QUERIES * 4, slices=1)
    few = np.arange(len(drawn.wanted)) < SLICE_LEAST_QUERIES - 1
    dense = np.where(few[:, None], drawn.relevant * 1.0, drawn.dense)
    bm25 = np.where(few[:, None], 1.0 - drawn.relevant, drawn.bm25)
    with_few = replace(drawn, dense=dense, bm25=bm25, slices={"few": few})
    assert choose_weights(with_few).never_below


def answered_table(resolution: float, dense: float = 0.05) -> ScoreTable:
    """Return a table with resolutions for all hits but some: that of the relevant hit is nearer by the given margin."""
    drawn = table(dense, 0.0)
    rng = np.random.default_rng(5)
    second = rng.normal(0.4, 0.1, drawn.dense.shape) + resolution * drawn.relevant
    return replace(drawn, bm25=drawn.bm25 * 0, resolution=np.where(drawn.relevant | (drawn.bm25 > 3), second, np.nan))


def test_resolutions_get_weight_if_they_carry_information_and_none_if_they_do_not() -> None:
    drawn = answered_table(0.3)
    choice = choose_weights(drawn)
    assert choice.weights.resolution > 0
    fused, without = (
        measure_fused(drawn, Weights(0.0, weight))["mrr"].mean() for weight in (choice.weights.resolution, 0)
    )
    assert fused > without + 0.1
    random = replace(drawn, resolution=np.random.default_rng(6).normal(0.4, 0.1, drawn.dense.shape))
    assert choose_weights(replace(random, dense=drawn.dense + drawn.relevant)).weights.resolution == 0


def test_without_resolutions_their_weight_is_not_tuned() -> None:
    drawn = table(0.1, 2.0)
    assert drawn.parts == ("dense", "bm25")
    assert choose_weights(drawn).weights.resolution == 0


def test_if_no_fused_ranking_keeps_up_with_its_best_part_that_part_ranks_alone() -> None:
    """Two slices that each need another part: no weights keep up with both, so the better part is used."""
    queries, hits = 200, 12
    first = np.arange(queries) < 120
    relevant = np.zeros((queries, hits), np.bool_)
    relevant[:, 0] = True
    right, wrong = np.eye(1, hits)[0] * 0.5, np.linspace(0.0, 0.9, hits)
    drawn = ScoreTable(
        dense=np.where(first[:, None], right, wrong),
        bm25=np.where(first[:, None], wrong, right) * 10 + 1,
        resolution=np.full((queries, hits), np.nan),
        relevant=relevant,
        is_hit=np.ones_like(relevant),
        wanted=np.ones(queries, np.int64),
        terms=np.full(queries, 8),
        slices={"first": first, "second": ~first},
    )
    choice = choose_weights(drawn)
    assert (choice.alone, choice.weights, choice.never_below) == ("dense", Weights(0.0, 0.0), False)
    report = tuning_report(drawn, choice.weights)
    assert (report["best_part"], report["shortfall"]) == ("dense", 0.0)
    assert report["slices"]["second"]["best_part"] == "bm25"
    assert report["slices"]["second"]["shortfall"] > 0.5
    assert (report["slices"]["second"]["worse"], report["slices"]["first"]["worse"]) == (True, False)


def test_a_report_shows_what_the_resolutions_add() -> None:
    drawn = answered_table(0.3)
    found = tuning_report(drawn, Weights(0.0, 0.5))
    assert found["without_resolutions"]["mrr"] == found["dense"]["mrr"]
    assert found["fused"]["mrr"] > found["without_resolutions"]["mrr"] + 0.1
    assert found["best_part"] == "resolution"


def test_bm25_alone_finds_only_hits_that_share_a_term() -> None:
    hits = np.array([[True, False]])
    nothing = ScoreTable(
        np.array([[0.9, 0.1]]), np.zeros((1, 2)), NONE, hits, np.ones_like(hits), np.array([1]), np.array([3]), {}
    )
    assert means(measure_alone(nothing, "bm25")) == [0.0] * 4
    assert means(measure_fused(nothing, Weights(ONLY, 0.0))) == [1.0] * 4


def test_rows_are_padded_with_invalid_hits() -> None:
    short = ScoreTable(
        np.array([[0.1, 0.0]]),
        np.array([[1.0, 0.0]]),
        NONE,
        np.array([[False, True]]),
        np.array([[True, False]]),
        np.array([1]),
        np.array([3]),
        {},
    )
    assert means(measure_fused(short, Weights(0.5, 0.0))) == [0.0] * 4


def test_halves_are_disjoint_and_always_the_same() -> None:
    drawn = table(0.1, 1.0, queries=101)
    one, other = split_queries(drawn)
    assert (len(one.wanted), len(other.wanted)) == (50, 51)
    assert sorted(np.vstack([one.dense, other.dense])[:, 0]) == sorted(drawn.dense[:, 0])
    assert split_queries(drawn)[0].dense.tolist() == one.dense.tolist()


def test_a_report_has_all_three_rankings_overall_and_for_each_slice() -> None:
    found = tuning_report(table(0.1, 2.0), Weights(0.02, 0.0))
    assert set(found) == {"fused", "dense", "bm25", "best_part", "shortfall", "slices"}
    assert set(found["slices"]) == {"part 0", "part 1"}
    for part in found["slices"].values():
        assert set(part) == {"queries", "chance", "worse", "fused", "dense", "bm25", "best_part", "shortfall"}
    assert sum(part["queries"] for part in found["slices"].values()) == 400
    assert 0 <= found["fused"]["mrr_interval"][0] <= found["fused"]["mrr"] <= found["fused"]["mrr_interval"][1] <= 1
