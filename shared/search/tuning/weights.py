"""Chooses the weights of BM25 and of resolutions on labelled data, so that the fused ranking keeps up with its parts.

A table holds the hits of each query with all scores. All rankings and weights are computed from it, without the store.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.search.ranking import answered, lexical
from shared.search.tuning.measures import METRICS, measure_rankings, summarise
from shared.slices import Flags, Values, judge_slices
from shared.stream_settings import MOST_WEIGHT

Part = Literal["dense", "bm25", "resolution"]
"""A part of the fused ranking that can also rank alone."""

ONLY = float(MOST_WEIGHT)
"""A weight so large that BM25 or the resolution alone decides the order, and the text's cosine only breaks ties."""


class Weights(NamedTuple):
    """The weights of `shared.search.ranking.Ranking` that are tuned."""

    bm25: float
    resolution: float


ALONE: Mapping[Part, Weights] = {
    "dense": Weights(0.0, 0.0),
    "bm25": Weights(ONLY, 0.0),
    "resolution": Weights(0.0, ONLY),
}
"""The weights at which one part decides alone."""

BM25_WEIGHTS: tuple[float, ...] = (0.0, *(float(f"{w:.2g}") for w in np.geomspace(0.001, 1, 46)), ONLY)
RESOLUTION_WEIGHTS: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 1.0, 1.5, ONLY)
OBJECTIVE = METRICS.index("ndcg_at_10")
"""The metric whose mean is maximised: of the four metrics, it considers the largest part of the ranking."""

JUDGED_BY = "mrr"
"""The metric by which slices are compared with the whole: what an agent notices is where the first good hit is."""

TOLERANCE = 0.002
"""How far a metric of the fused ranking may be below that of its best part, overall and on each large slice."""

SLICE_LEAST_QUERIES = 50
"""A slice with fewer queries cannot exclude a weight: one query in it changes a metric by more than 2 %."""

SEED = 7
ROUNDING = 1e-9


@dataclass(frozen=True)
class ScoreTable:
    """The hits of each query. Hits are in the order of their ids; shorter rows are padded.

    Attributes:
        dense: Shape (queries, hits), float64: cosines.
        bm25: Shape (queries, hits), float64: BM25 scores.
        resolution: Shape (queries, hits), float64: cosines of the resolutions, NaN for hits without one.
        relevant: Shape (queries, hits): whether each hit is relevant.
        is_hit: Shape (queries, hits): False for padding.
        wanted: Shape (queries,): number of relevant texts in the corpus, found or not, 1 or more.
        terms: Shape (queries,): number of terms of each query.
        slices: Name of a slice -> whether each query is in it, shape (queries,).
    """

    dense: NDArray[np.float64]
    bm25: NDArray[np.float64]
    resolution: NDArray[np.float64]
    relevant: Flags
    is_hit: Flags
    wanted: NDArray[np.int64]
    terms: NDArray[np.int64]
    slices: Mapping[str, Flags]

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts that a ranking of this table can have: without resolutions, only two."""
        answers = bool((self.is_hit & ~np.isnan(self.resolution)).any())
        return ("dense", "bm25", "resolution") if answers else ("dense", "bm25")

    def part(self, chosen: Flags) -> "ScoreTable":
        """Return the table of some of the queries."""
        slices = {name: inside[chosen] for name, inside in self.slices.items()}
        return ScoreTable(
            self.dense[chosen],
            self.bm25[chosen],
            self.resolution[chosen],
            self.relevant[chosen],
            self.is_hit[chosen],
            self.wanted[chosen],
            self.terms[chosen],
            slices,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen weights.

    Attributes:
        weights: The weights.
        never_below: Whether no metric falls below that of any part alone, overall and on each large slice.
        alone: The part that ranks alone, because every fused ranking falls more than 0.002 below one of the parts;
            None if the ranking is fused.
    """

    weights: Weights
    never_below: bool
    alone: Part | None = None


def measure_fused(table: ScoreTable, weights: Weights) -> dict[str, Values]:
    """Return each metric of the fused ranking for each query; age and duplicates are ignored."""
    words = lexical(table.bm25, table.terms, weights.bm25)
    return _measure(
        table, table.dense + words + answered(table.dense, table.resolution, weights.resolution), table.is_hit
    )


def measure_alone(table: ScoreTable, part: Part) -> dict[str, Values]:
    """Return each metric of the ranking by one part alone.

    BM25 finds only texts that share a term, and resolutions find only texts that have one.
    """
    if part == "dense":
        return _measure(table, table.dense, table.is_hit)
    if part == "bm25":
        return _measure(table, table.bm25, table.is_hit & (table.bm25 > 0))
    return _measure(table, table.resolution, table.is_hit & ~np.isnan(table.resolution))


def choose_weights(table: ScoreTable, bm25_weights: Sequence[float] = BM25_WEIGHTS) -> Choice:
    """Return the weights with the best mean nDCG among those that never fall below a part alone.

    If all fall below, the best of those that fall at most 0.002 below is chosen; if all fall further below, the best
    part ranks alone. Of equally good weights, the smallest are chosen.
    """
    floors = np.max([_means(table, measure_alone(table, part)) for part in table.parts], axis=0)
    best: tuple[tuple[int, float, float, float], Weights] | None = None
    for weights in _grid(table, bm25_weights):
        means = _means(table, measure_fused(table, weights))
        shortfall = float((floors - means).max())
        rank = 2 if shortfall <= ROUNDING else 1 if shortfall <= TOLERANCE else 0
        if rank or weights in ALONE.values():
            key = (rank, float(means[0, OBJECTIVE]), -weights.bm25, -weights.resolution)
            best = (key, weights) if best is None else max(best, (key, weights))
    if best is None:
        raise ValueError("bm25_weights contains neither a weight that keeps up with each part nor a part alone")
    (rank, *_), weights = best
    alone = next((part for part, only in ALONE.items() if only == weights), None) if not rank else None
    return Choice(weights, rank == 2, alone)


def split_queries(table: ScoreTable) -> tuple[ScoreTable, ScoreTable]:
    """Return two halves of the queries, drawn at random with a fixed seed."""
    chosen = np.zeros(len(table.wanted), np.bool_)
    chosen[np.random.default_rng(SEED).permutation(len(chosen))[: len(chosen) // 2]] = True
    return table.part(chosen), table.part(~chosen)


def tuning_report(table: ScoreTable, weights: Weights) -> dict[str, Any]:
    """Return the metrics of the fused ranking and of each part alone with their intervals, overall and for each slice.

    If there are resolutions, `without_resolutions` is the same ranking with weight 0 for them. `shortfall` is how far the
    MRR of the fused ranking is below that of `best_part`. Each slice also states whether the MRR of the fused ranking is
    worse on it by more than chance explains; see `shared.slices.judge_slices`.
    """
    rankings = {"fused": measure_fused(table, weights)}
    if "resolution" in table.parts:
        rankings["without_resolutions"] = measure_fused(table, Weights(weights.bm25, 0.0))
    rankings |= {part: measure_alone(table, part) for part in table.parts}
    everything = np.ones(len(table.wanted), np.bool_)
    found = _part_report(rankings, table.parts, everything)
    found["slices"] = {
        name: {"queries": judged.rows, "chance": judged.chance, "worse": judged.worse}
        | _part_report(rankings, table.parts, table.slices[name])
        for name, judged in judge_slices(rankings["fused"][JUDGED_BY], table.slices).items()
    }
    return found


def _part_report(rankings: Mapping[str, Mapping[str, Values]], parts: Sequence[Part], inside: Flags) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: summarise({metric: of[inside] for metric, of in values.items()}) for name, values in rankings.items()
    }
    best = max(parts, key=lambda part: float(found[part][JUDGED_BY]))
    return found | {"best_part": best, "shortfall": max(0.0, found[best][JUDGED_BY] - found["fused"][JUDGED_BY])}


def _grid(table: ScoreTable, bm25_weights: Sequence[float]) -> Iterator[Weights]:
    resolution = RESOLUTION_WEIGHTS if "resolution" in table.parts else (0.0,)
    for weight in resolution:
        yield from (Weights(bm25, weight) for bm25 in bm25_weights)


def _means(table: ScoreTable, values: Mapping[str, Values]) -> NDArray[np.float64]:
    """Return means of shape (1 + number of large slices, metrics); the first row covers all queries."""
    rows = np.stack([values[name] for name in METRICS], axis=1)
    large = [inside for inside in table.slices.values() if inside.sum() >= SLICE_LEAST_QUERIES]
    return np.stack([rows.mean(0), *(rows[inside].mean(0) for inside in large)])


def _measure(table: ScoreTable, scores: NDArray[np.float64], found: Flags) -> dict[str, Values]:
    order = np.argsort(np.where(found, -scores, np.inf), axis=1, kind="stable")
    return measure_rankings(np.take_along_axis(table.relevant & found, order, axis=1), table.wanted)
