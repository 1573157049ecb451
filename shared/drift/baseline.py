"""What windows are compared with: the totals of a sample of items, and how far apart samples lie without drift."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.drift.totals import FAMILIES, Totals, distances, remainders
from shared.drift.window import Window

QUANTILES = np.array([*np.arange(0, 0.9, 0.1), 0.9, 0.925, 0.95])
"""The quantiles of the distances without drift that are kept; beyond the last one, the tail is exponential."""

BY_CLASS = ("labels", "actions", "languages", "channels", "lengths", "confidences")
"""The families whose cells are named classes, and a last one for all other classes."""


LEAST_TAIL_SHARE, LEAST_TAIL = 0.1, 1e-6
"""The mean excess is at least this share of the range of the quantiles: in a family of few values, the last quantile can be
the largest value, and a mean excess of 0 would make any larger distance infinitely unlikely."""


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """How far windows of one size lie from the reference without drift: from resamples of both sides.

    Attributes:
        items: The size of the windows.
        quantiles: Shape (families, quantiles), float64: the quantiles of the distances, see `QUANTILES`.
        tails: Shape (families,), float64: the mean excess over the last quantile.
        largest: Shape (resamples,), float32, ascending: the largest of the families' scores in each resample.
    """

    items: int
    quantiles: NDArray[np.float64]
    tails: NDArray[np.float64]
    largest: NDArray[np.float32]

    def scores(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the negative natural logarithms of the p-values of distances, shape (..., families), one by one."""
        scores = np.zeros_like(found)
        usual, last = -np.log1p(-QUANTILES), -np.log1p(-QUANTILES[-1])
        for number in range(found.shape[-1]):
            each = found[..., number]
            known, first = np.unique(self.quantiles[number], return_index=True)
            least = max(LEAST_TAIL_SHARE * (known[-1] - known[0]), LEAST_TAIL)
            beyond = last + (each - known[-1]) / max(self.tails[number], least)
            scores[..., number] = np.where(each > known[-1], beyond, np.interp(each, known, usual[first]))
        return scores

    def p_value(self, largest: float) -> float:
        """Return the share of resamples whose largest score is at least this one: (k + 1) / (n + 1)."""
        reached = len(self.largest) - int(np.searchsorted(self.largest, largest * (1 - 1e-6), side="left"))
        return (reached + 1) / (len(self.largest) + 1)


class Compared(NamedTuple):
    """How a window differs from a baseline.

    Attributes:
        scores: By family, the negative natural logarithm of its p-value on its own.
        p_value: The p-value of all families together.
    """

    scores: Mapping[str, float]
    p_value: float


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The totals of a part of the reference's items.

    Attributes:
        slot: The slot of the week, see `shared.drift.slots`; None for the whole.
        totals: Its totals.
        classes: The classes of the cells of each family of `BY_CLASS`; a last cell counts all other classes.
        nulls: By size of windows, ascending.
        centroids: Shape (k, dim): those of the reference.
        rare: The counts of the commonest of the classes that share the last cell, by family.
    """

    slot: int | None
    totals: Totals
    classes: Mapping[str, Sequence[str]]
    nulls: tuple[Null, ...]
    centroids: NDArray[np.float32]
    rare: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def nearness(self) -> float:
        """The mean cosine similarity of the items to their nearest centroids."""
        return float(self.totals.cosines / max(float(self.totals.vectors), 1.0))

    def compare(self, window: Window) -> Compared:
        """Return how a window differs from this baseline."""
        fitting = [null for null in self.nulls if null.items <= window.items]
        null = fitting[-1] if fitting else self.nulls[0]
        scores = null.scores(distances(self.totals_of(window), self.totals))
        return Compared(dict(zip(FAMILIES, scores.tolist(), strict=True)), null.p_value(float(scores.max())))

    def totals_of(self, window: Window) -> Totals:
        """Return the totals of a window, in the cells of this baseline."""
        k = self.totals.counts["centroids"].shape[-1]
        counts = {
            name: np.array([window.counts[name][str(number)] for number in range(k)], np.float64)
            for name in ("centroids", "far")
        }
        for name, classes in self.classes.items():
            found = [window.counts[name][each] for each in classes]
            counts[name] = np.array([*found, window.counts[name].total() - sum(found)], np.float64)
        vectors = counts["centroids"].sum()
        counts["outliers"] = np.array([window.outliers, vectors - window.outliers], np.float64)
        counts["empty"] = np.array([window.empty, window.items - window.empty], np.float64)
        counts["failed"] = np.array([window.failed, window.items], np.float64)
        return Totals(
            np.asarray(vectors),
            window.vector_sum,
            np.asarray(window.squared_norms),
            np.asarray(window.cosines),
            remainders(window.vector_sum, counts["centroids"], self.centroids, self.nearness),
            counts,
        )
