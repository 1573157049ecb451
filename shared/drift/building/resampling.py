"""Baselines: the totals of a sample, and how far apart resamples of it lie.

Both sides are resampled: a window and a reference are drawn from the rows, with replacement, and compared. A bootstrap of
the window alone would ignore that the reference is itself a sample, and find drift too often.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.drift.baseline import BY_CLASS, QUANTILES, Baseline, Null
from shared.drift.reference import Reference, Seen
from shared.drift.totals import Numbers, Totals, distances, remainders

LEAST_CELL = 5
"""Classes with fewer items than this, among the items that the centroids are fitted to, are counted together. They are
chosen among other items than those that are counted: a choice among the same ones would make the common cell too small."""

MOST_RARE = 200
"""Classes of the common cell whose counts are kept; they name causes."""

UNSEEN = 0.5
"""Items of classes that the rows do not have, as if there were half a one: the mean under the prior of Jeffreys (1946)."""

STEADY_ITEMS = 5
"""The share of far items of a centroid is drawn towards that of all, as if it had these items more: a centroid without far
items can get some."""

AT_ONCE = 250


class Beside(NamedTuple):
    """What is known of the items that are not among the rows.

    Attributes:
        empty: Items with nothing to embed; None if it is not known.
        failed: Records that became dead letters; None if it is not known.
        items: Number of items, to which both are compared.
    """

    empty: int | None
    failed: int | None
    items: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows of a baseline as features that are summed.

    Attributes:
        features: Shape (n, columns), float32.
        columns: The columns of each part.
        classes: The classes of the cells, see `Baseline`.
        beside: What is known of other items.
        centroids: Those of the reference.
        rare: See `Baseline`.
    """

    features: NDArray[np.float32]
    columns: Mapping[str, slice]
    classes: Mapping[str, Sequence[str]]
    beside: Beside
    centroids: NDArray[np.float32]
    rare: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(
        cls, reference: Reference, rows: Sequence[Seen], classes: Mapping[str, Sequence[str]], beside: Beside
    ) -> "Sample":
        """Return the features of rows, by the centroids and thresholds of a reference, and in the cells of `classes`."""
        vectors = np.stack([row.vector for row in rows]).astype(np.float32)
        near = reference.nearest(vectors)
        centroids = near.centroids[:, None] == np.arange(len(reference.centroids))
        parts = {
            "vector_sum": vectors,
            "squared_norms": np.einsum("nd,nd->n", vectors, vectors)[:, None],
            "cosines": near.cosines[:, None],
            "outliers": np.stack([near.is_outlier, ~near.is_outlier], axis=1),
            "centroids": centroids,
            "far": centroids & near.is_far[:, None],
        }
        rare = {}
        for name in BY_CLASS:
            values = [row.traits.get(name) for row in rows]
            cells = {each: number for number, each in enumerate(classes[name])}
            others = Counter(each for each in values if each is not None and each not in cells)
            rare[name] = dict(others.most_common(MOST_RARE))
            found = np.array([-1 if each is None else cells.get(each, len(cells)) for each in values])
            parts[name] = found[:, None] == np.arange(len(cells) + 1)
        columns, start = {}, 0
        for name, part in parts.items():
            columns[name] = slice(start, start + part.shape[1])
            start += part.shape[1]
        features = np.concatenate([part.astype(np.float32) for part in parts.values()], axis=1)
        return cls(features, columns, classes, beside, reference.centroids, rare)

    @property
    def nearness(self) -> float:
        """The mean cosine similarity of the rows to their nearest centroids."""
        return float(self.features[:, self.columns["cosines"]].mean(dtype=np.float64))

    @property
    def far_shares(self) -> Numbers:
        """Shape (k,): by centroid, the probability that an item is far."""
        items, far = (
            self.features[:, self.columns[name]].sum(axis=0, dtype=np.float64) for name in ("centroids", "far")
        )
        return np.asarray((far + STEADY_ITEMS * far.sum() / items.sum()) / (items + STEADY_ITEMS))

    def totals(self) -> Totals:
        """Return the totals of the rows."""
        beside = {
            "empty": _beside(self.beside.empty, self.beside.items),
            "failed": _beside(self.beside.failed, self.beside.items),
        }
        return self._totals(self.features.sum(axis=0, dtype=np.float64), np.asarray(float(len(self.features))), beside)

    def draw(self, items: int, times: int, rng: np.random.Generator, beside_items: int | None = None) -> Totals:
        """Return the totals of samples that are drawn from the rows with replacement, `times` of them.

        Args:
            items: The rows of each sample.
            times: The number of samples.
            rng: Draws them.
            beside_items: The items to which empty and failed ones are compared; the rows if it is not given.
        """
        rows = len(self.features)
        shares = np.full(rows, 1 / rows)
        drawn = rng.multinomial(items, shares, size=times).astype(np.float32)
        sums = (drawn @ self.features).astype(np.float64)
        for name in BY_CLASS:
            own = self.columns[name]
            rest = own.stop - 1
            if self.classes[name] and not self.features[:, rest].any():
                sums[:, rest] += rng.poisson(
                    UNSEEN * items / rows, size=times
                )  # a class that the rows do not have can occur
        sums[:, self.columns["far"]] = rng.binomial(
            np.rint(sums[:, self.columns["centroids"]]).astype(np.int64), self.far_shares
        )
        size = (items if beside_items is None else beside_items, times)
        beside = {
            "empty": _drawn_beside(self.beside.empty, self.beside.items, size, rng),
            "failed": _drawn_beside(self.beside.failed, self.beside.items, size, rng),
        }
        return self._totals(sums, np.full(times, float(items)), beside)

    def _totals(self, sums: Numbers, vectors: Numbers, beside: Mapping[str, Numbers]) -> Totals:
        part = {name: sums[..., own] for name, own in self.columns.items()}
        counts = {name: part[name] for name in ("centroids", "far", "outliers", *BY_CLASS)}
        return Totals(
            np.asarray(vectors),
            part["vector_sum"],
            part["squared_norms"][..., 0],
            part["cosines"][..., 0],
            remainders(part["vector_sum"], part["centroids"], self.centroids, self.nearness),
            {**counts, **beside},
        )


def cells_of(rows: Sequence[Seen]) -> Mapping[str, Sequence[str]]:
    """Return the classes that are counted in cells of their own, by family: those that are not rare among these rows."""
    found = {}
    for name in BY_CLASS:
        counted = Counter(row.traits[name] for row in rows if name in row.traits)
        found[name] = sorted(each for each, count in counted.items() if count >= LEAST_CELL)
    return found


def baseline_of(
    sample: Sample,
    slot: int | None,
    sizes: Sequence[int],
    resamples: int,
    rng: np.random.Generator,
    progress: Callable[[int], None],
) -> Baseline:
    """Return the baseline of a sample, with what is expected without drift for windows of these sizes."""
    rows = len(sample.features)
    parts = [AT_ONCE] * (resamples // AT_ONCE) + [resamples % AT_ONCE] * bool(resamples % AT_ONCE)
    references = [sample.draw(rows, part, rng, sample.beside.items) for part in parts]
    nulls = []
    for number, size in enumerate(sizes, 1):
        found = [distances(sample.draw(size, part, rng), each) for part, each in zip(parts, references, strict=True)]
        nulls.append(null_of(size, np.concatenate(found)))
        progress(number)
    return Baseline(slot, sample.totals(), sample.classes, tuple(nulls), sample.centroids, sample.rare)


def null_of(items: int, found: Numbers) -> Null:
    """Return what is expected without drift for windows of a size, given the distances of resamples."""
    quantiles = np.quantile(found, QUANTILES, axis=0).T
    excess = found - quantiles[:, -1]
    beyond = excess > 0
    tails = np.where(beyond.any(axis=0), (excess * beyond).sum(axis=0) / np.maximum(beyond.sum(axis=0), 1), 0.0)
    bare = Null(items, quantiles, tails, np.empty(0, np.float32))
    largest = np.sort(bare.scores(found).max(axis=1)).astype(np.float32)
    return Null(items, bare.quantiles, bare.tails, largest)


def _beside(count: int | None, items: int) -> Numbers:
    return np.array([0.0, 0.0] if count is None else [count, items], np.float64)


def _drawn_beside(count: int | None, items: int, size: tuple[int, int], rng: np.random.Generator) -> Numbers:
    """Return counts of items beside the rows; one that was never seen is drawn as if there were half a one."""
    drawn, times = size
    if count is None:
        return np.zeros((times, 2))
    found = rng.poisson(drawn * max(count, UNSEEN) / max(items, 1), size=times)
    return np.stack([found, np.full(times, drawn)], axis=1).astype(np.float64)
