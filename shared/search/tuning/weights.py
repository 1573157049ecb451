"""Chooses the weight of BM25 on labelled data, so that no metric falls below the better of cosine and BM25 alone.

A table holds the hits of each query with both scores. All rankings and weights are computed from it, without the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared.search.ranking import lexical
from shared.search.tuning.measures import METRICS, measure_rankings, summarise
from shared.slices import Flags, Values, judge_slices

How = Literal["dense", "bm25"]
BM25_ALONE = 1_000_000.0
"""A weight so large that BM25 alone decides the order, and cosine only breaks ties."""

WEIGHTS: tuple[float, ...] = (0.0, *(float(f"{w:.2g}") for w in np.geomspace(0.001, 1, 46)), BM25_ALONE)
OBJECTIVE = "ndcg_at_10"
"""The metric whose mean is maximised: of the four metrics, it considers the largest part of the ranking."""

JUDGED_BY = "mrr"
"""The metric by which slices are compared with the whole: what an agent notices is where the first good hit is."""

SLICE_LEAST_QUERIES = 50
"""A slice with fewer queries cannot exclude a weight: one query in it changes a metric by more than 2 %."""

SEED = 7
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The hits of each query. Hits are in the order of their ids; shorter rows are padded.

    Attributes:
        dense: Shape (queries, hits), float64: cosines.
        bm25: Shape (queries, hits), float64: BM25 scores.
        relevant: Shape (queries, hits): whether each hit is relevant.
        is_hit: Shape (queries, hits): False for padding.
        wanted: Shape (queries,): number of relevant texts in the corpus, found or not, 1 or more.
        terms: Shape (queries,): number of terms of each query.
        slices: Name of a slice -> whether each query is in it, shape (queries,).
    """

    dense: NDArray[np.float64]
    bm25: NDArray[np.float64]
    relevant: Flags
    is_hit: Flags
    wanted: NDArray[np.int64]
    terms: NDArray[np.int64]
    slices: Mapping[str, Flags]

    def part(self, chosen: Flags) -> "ScoreTable":
        """Return the table of some of the queries."""
        slices = {name: inside[chosen] for name, inside in self.slices.items()}
        return ScoreTable(
            self.dense[chosen],
            self.bm25[chosen],
            self.relevant[chosen],
            self.is_hit[chosen],
            self.wanted[chosen],
            self.terms[chosen],
            slices,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen weight.

    Attributes:
        weight: The weight of BM25.
        never_below: Whether no metric falls below cosine alone or BM25 alone, overall and on each slice.
    """

    weight: float
    never_below: bool


def measure_fused(table: ScoreTable, weight: float) -> dict[str, Values]:
    """Return each metric of the fused ranking for each query; age and duplicates are ignored."""
    return _measure(table, table.dense + lexical(table.bm25, table.terms, weight), table.is_hit)


def measure_alone(table: ScoreTable, how: How) -> dict[str, Values]:
    """Return each metric of the ranking by cosine or by BM25 alone; BM25 finds only texts that share a term."""
    if how == "dense":
        return _measure(table, table.dense, table.is_hit)
    return _measure(table, table.bm25, table.is_hit & (table.bm25 > 0))


def choose_weight(table: ScoreTable, weights: Sequence[float] = WEIGHTS) -> Choice:
    """Return the weight with the best mean nDCG among those that never fall below cosine or BM25 alone.

    Of equally good weights, the smallest is chosen. If every weight falls below on some metric, the one with the
    smallest shortfall is chosen.
    """
    floors = _floors(table)
    best: tuple[float, float, float] | None = None
    for weight in weights:
        means = _means(table, measure_fused(table, weight))
        shortfall = float(np.maximum(0, floors - means).max())
        key = (-(shortfall if shortfall > ROUNDING else 0.0), float(means[0, METRICS.index(OBJECTIVE)]), -weight)
        best = key if best is None else max(best, key)
    if best is None:
        raise ValueError("weights is empty: give at least one weight")
    return Choice(-best[2], best[0] == 0)


def split_queries(table: ScoreTable) -> tuple[ScoreTable, ScoreTable]:
    """Return two halves of the queries, drawn at random with a fixed seed."""
    chosen = np.zeros(len(table.wanted), np.bool_)
    chosen[np.random.default_rng(SEED).permutation(len(chosen))[: len(chosen) // 2]] = True
    return table.part(chosen), table.part(~chosen)


def tuning_report(table: ScoreTable, weight: float) -> dict[str, Any]:
    """Return the metrics of all three rankings with their intervals, overall and for each slice.

    Each slice also states whether the MRR of the fused ranking is worse on it by more than chance explains; see
    `shared.slices.judge_slices`.
    """
    rankings = {
        "fused": measure_fused(table, weight),
        "dense": measure_alone(table, "dense"),
        "bm25": measure_alone(table, "bm25"),
    }
    found: dict[str, Any] = {name: summarise(values) for name, values in rankings.items()}
    found["slices"] = {}
    for name, judged in judge_slices(rankings["fused"][JUDGED_BY], table.slices).items():
        inside = table.slices[name]
        parts = {how: {metric: of[inside] for metric, of in values.items()} for how, values in rankings.items()}
        found["slices"][name] = {"queries": judged.rows, "chance": judged.chance, "worse": judged.worse} | {
            how: summarise(of) for how, of in parts.items()
        }
    return found


def _floors(table: ScoreTable) -> NDArray[np.float64]:
    """Return the higher mean of cosine alone and BM25 alone, for all queries and each large slice, and each metric."""
    return np.maximum(*(_means(table, measure_alone(table, how)) for how in ("dense", "bm25")))


def _means(table: ScoreTable, values: Mapping[str, Values]) -> NDArray[np.float64]:
    """Return means of shape (1 + number of large slices, metrics); the first row covers all queries."""
    rows = np.stack([values[name] for name in METRICS], axis=1)
    large = [inside for inside in table.slices.values() if inside.sum() >= SLICE_LEAST_QUERIES]
    return np.stack([rows.mean(0), *(rows[inside].mean(0) for inside in large)])


def _measure(table: ScoreTable, scores: NDArray[np.float64], found: Flags) -> dict[str, Values]:
    order = np.argsort(np.where(found, -scores, np.inf), axis=1, kind="stable")
    return measure_rankings(np.take_along_axis(table.relevant & found, order, axis=1), table.wanted)
