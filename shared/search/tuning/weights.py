"""Choosing the weight of BM25 on labelled data, never below the better of cosine and BM25 alone. Knows no store.

A table holds what the store found for each query with both scores; every ranking and every weight is computed from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared.search.ranking import lexical
from shared.search.tuning.measures import METRICS, Flags, Values, measure_rankings, summarise

How = Literal["dense", "bm25"]
BM25_ALONE = 1_000_000.0
"""So large a weight is the order by BM25, with cosine for its ties."""

WEIGHTS: tuple[float, ...] = (0.0, *(float(f"{w:.2g}") for w in np.geomspace(0.001, 1, 46)), BM25_ALONE)
OBJECTIVE = "ndcg_at_10"
"""The mean that the chosen weight makes highest: of the four metrics the one that sees most of the ranking."""

SLICE_LEAST_QUERIES = 50
"""A smaller slice forbids no weight: one query in it moves a metric by 2 % and more."""

SEED = 7
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """What was found for each query. Hits stand in the order of their ids; rows are filled up with hits that are none.

    Attributes:
        dense: Shape (queries, hits), float64: cosines.
        bm25: Shape (queries, hits), float64.
        relevant: Shape (queries, hits).
        is_hit: Shape (queries, hits); False where a row is only filled up.
        wanted: Shape (queries,): how many relevant ones the corpus has, found or not, 1 or more.
        terms: Shape (queries,): how many terms each query has.
        slices: Name of a slice -> which queries are in it, shape (queries,).
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
    """A chosen weight, and whether it is below neither cosine nor BM25 alone on any metric, overall and on each slice."""

    weight: float
    never_below: bool


def measure_fused(table: ScoreTable, weight: float) -> dict[str, Values]:
    """Return each metric of the fused ranking for each query; neither age nor duplicates play a part."""
    return _measure(table, table.dense + lexical(table.bm25, table.terms, weight), table.is_hit)


def measure_alone(table: ScoreTable, how: How) -> dict[str, Values]:
    """Return each metric of the ranking by cosine or by BM25 alone; BM25 finds only what shares a term."""
    if how == "dense":
        return _measure(table, table.dense, table.is_hit)
    return _measure(table, table.bm25, table.is_hit & (table.bm25 > 0))


def choose_weight(table: ScoreTable, weights: Sequence[float] = WEIGHTS) -> Choice:
    """Return the weight with the best mean nDCG among those that are never below; the least of equals.

    Where every weight is below on something, it is the one that is below by the least.
    """
    floors = _floors(table)
    best: tuple[float, float, float] | None = None
    for weight in weights:
        means = _means(table, measure_fused(table, weight))
        shortfall = float(np.maximum(0, floors - means).max())
        key = (-(shortfall if shortfall > ROUNDING else 0.0), float(means[0, METRICS.index(OBJECTIVE)]), -weight)
        best = key if best is None else max(best, key)
    if best is None:
        raise ValueError("no weight to choose from")
    return Choice(-best[2], best[0] == 0)


def split_queries(table: ScoreTable) -> tuple[ScoreTable, ScoreTable]:
    """Return two halves of the queries, drawn at random with a fixed seed."""
    chosen = np.zeros(len(table.wanted), np.bool_)
    chosen[np.random.default_rng(SEED).permutation(len(chosen))[: len(chosen) // 2]] = True
    return table.part(chosen), table.part(~chosen)


def tuning_report(table: ScoreTable, weight: float) -> dict[str, Any]:
    """Return the metrics of all three rankings with their intervals, overall and for each slice."""
    rankings = {
        "fused": measure_fused(table, weight),
        "dense": measure_alone(table, "dense"),
        "bm25": measure_alone(table, "bm25"),
    }
    found: dict[str, Any] = {name: summarise(values) for name, values in rankings.items()}
    found["slices"] = {}
    for name, inside in table.slices.items():
        parts = {how: {metric: of[inside] for metric, of in values.items()} for how, values in rankings.items()}
        if inside.any():
            found["slices"][name] = {"queries": int(inside.sum())} | {how: summarise(of) for how, of in parts.items()}
    return found


def _floors(table: ScoreTable) -> NDArray[np.float64]:
    """Return the better of cosine and BM25 alone for each part of the table and each metric."""
    return np.maximum(*(_means(table, measure_alone(table, how)) for how in ("dense", "bm25")))


def _means(table: ScoreTable, values: Mapping[str, Values]) -> NDArray[np.float64]:
    """Return means of shape (1 + slices that are large enough, metrics); the first row is over all queries."""
    rows = np.stack([values[name] for name in METRICS], axis=1)
    large = [inside for inside in table.slices.values() if inside.sum() >= SLICE_LEAST_QUERIES]
    return np.stack([rows.mean(0), *(rows[inside].mean(0) for inside in large)])


def _measure(table: ScoreTable, scores: NDArray[np.float64], found: Flags) -> dict[str, Values]:
    order = np.argsort(np.where(found, -scores, np.inf), axis=1, kind="stable")
    return measure_rankings(np.take_along_axis(table.relevant & found, order, axis=1), table.wanted)
