"""Totals of samples, and how far two samples lie apart in each family of statistics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

COUNTED = (
    "centroids",
    "labels",
    "actions",
    "languages",
    "channels",
    "lengths",
    "confidences",
    "outliers",
    "empty",
    "failed",
)
"""The families of counts: each is compared cell by cell."""

PEAKED = ("centroids", "labels", "far")
"""The families of counts with many cells: the cell that has grown most is compared too, because a sum over all cells hides
the growth of one."""

FAMILIES = (*COUNTED, "far", "nearness", "mean", "spread", "within", *(f"{name}_peak" for name in PEAKED))
"""All families of statistics. `far` counts the far items of each centroid, `nearness` is the mean cosine similarity to the
nearest centroid, `mean` and `spread` are the mean of the vectors and their variance around it, and `within` is the mean of
what remains of the vectors without their centroids: it stays as it is if known topics grow."""

LEAST = 1e-9
"""Added to denominators, so that empty cells give 0."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of one sample, or of many at once: all arrays then have the same leading axes (...).

    Attributes:
        vectors: Shape (...,): number of vectors.
        vector_sum: Shape (..., dim): the sum of the vectors.
        squared_norms: Shape (...,): the sum of their squared lengths.
        cosines: Shape (...,): the sum of their cosine similarities to their nearest centroids.
        within: Shape (..., dim): the sum of the vectors less their centroids, see `remainders`.
        counts: By each of `COUNTED`, and for `far`, the items of each cell: shape (..., cells).
    """

    vectors: Numbers
    vector_sum: Numbers
    squared_norms: Numbers
    cosines: Numbers
    within: Numbers
    counts: Mapping[str, Numbers]


def distances(window: Totals, reference: Totals) -> Numbers:
    """Return the distance in each of `FAMILIES`, shape (..., families).

    The distances are scaled so that, without drift, they hardly depend on the sizes of the samples. A family of which one
    sample has nothing, such as labels without a head, says nothing: its distance is 0.
    """
    found = {name: _between_counts(window.counts[name], reference.counts[name]) for name in COUNTED}
    found["far"] = _between_far(window.counts, reference.counts)
    noise = 1 / np.maximum(window.vectors, 1) + 1 / np.maximum(reference.vectors, 1)
    means = [_mean(each.vector_sum, each.vectors[..., None]) for each in (window, reference)]
    nearness = _mean(window.cosines, window.vectors) - _mean(reference.cosines, reference.vectors)
    spread = _spread(window, means[0]) - _spread(reference, means[1])
    found["nearness"] = nearness**2 / noise
    found["mean"] = ((means[0] - means[1]) ** 2).sum(-1) / noise
    found["spread"] = spread**2 / noise
    within = [_mean(each.within, each.vectors[..., None]) for each in (window, reference)]
    found["within"] = ((within[0] - within[1]) ** 2).sum(-1) / noise
    found |= {f"{name}_peak": _peak(name, window.counts, reference.counts) for name in PEAKED}
    return np.stack([np.where(_both_have(name, window, reference), found[name], 0.0) for name in FAMILIES], axis=-1)


def remainders(vector_sum: Numbers, items: Numbers, centroids: NDArray[np.float32], nearness: float) -> Numbers:
    """Return the sum of vectors less the means of their centroids, shape (..., dim).

    Args:
        vector_sum: Shape (..., dim): the sum of the vectors.
        items: Shape (..., k): the vectors of each centroid.
        centroids: Shape (k, dim): the centroids.
        nearness: The mean cosine similarity to them; times it, a centroid is roughly the mean vector of its items.
    """
    return np.asarray(vector_sum - nearness * (items @ centroids))


def moved_between(window: Numbers, reference: Numbers) -> float:
    """Return the total variation of two samples of counts, less what is expected of such samples without drift."""
    items, known = float(window.sum()), float(reference.sum())
    if not items or not known:
        return 0.0
    both = (window + reference) / (items + known)
    expected = np.sqrt(2 / np.pi * both * (1 - both) * (1 / items + 1 / known)).sum() / 2
    return max(float(np.abs(window / items - reference / known).sum() / 2 - expected), 0.0)


def moved_share(window: Totals, reference: Totals) -> float:
    """Return the share of items that would move the mean as far, if each moved by the standard deviation of the vectors."""
    means = [_mean(each.vector_sum, each.vectors[..., None]) for each in (window, reference)]
    spread = float(_spread(reference, means[1]))
    noise = spread * (1 / max(float(window.vectors), 1) + 1 / max(float(reference.vectors), 1))
    beyond = max(float(((means[0] - means[1]) ** 2).sum()) - noise, 0.0)
    return min(float(np.sqrt(beyond / max(spread, LEAST))), 1.0)


def _both_have(family: str, window: Totals, reference: Totals) -> NDArray[np.bool_]:
    """Return whether both samples have vectors, and items that the family counts: shape (...,)."""
    name = family.removesuffix("_peak")
    sides = [
        (each.vectors, each.counts[name].sum(-1) if name in COUNTED else each.vectors) for each in (window, reference)
    ]
    return np.asarray(np.minimum.reduce([np.minimum(*side) for side in sides]) > 0)


def _mean(total: Numbers, vectors: Numbers) -> Numbers:
    return np.asarray(total / np.maximum(vectors, 1))


def _spread(totals: Totals, mean: Numbers) -> Numbers:
    """Return the variance of the vectors around their mean, without the bias of small samples."""
    variance = _mean(totals.squared_norms, totals.vectors) - (mean**2).sum(-1)
    return np.asarray(variance * totals.vectors / np.maximum(totals.vectors - 1, 1))


def _between_counts(window: Numbers, reference: Numbers) -> Numbers:
    """Return Pearson's statistic of two samples of counts."""
    items, known = window.sum(-1), reference.sum(-1)
    ratio = np.sqrt(np.maximum(known, 1) / np.maximum(items, 1))[..., None]
    return np.asarray(((window * ratio - reference / ratio) ** 2 / (window + reference + LEAST)).sum(-1))


def _peak(name: str, window: Mapping[str, Numbers], reference: Mapping[str, Numbers]) -> Numbers:
    """Return the growth of the cell that has grown most, by the transform of counts that steadies their variance.

    Source: Anscombe 1948, Biometrika 35. The growth is divided by its standard deviation from both samples.
    """
    whole = "centroids" if name == "far" else name
    items, known = window[whole].sum(-1)[..., None], reference[whole].sum(-1)[..., None]
    ratio = items / np.maximum(known, 1)
    growth = 2 * (np.sqrt(window[name] + 3 / 8) - np.sqrt(reference[name] * ratio + 3 / 8)) / np.sqrt(1 + ratio)
    return np.asarray(np.maximum(growth, 0).max(-1))


def _between_far(window: Mapping[str, Numbers], reference: Mapping[str, Numbers]) -> Numbers:
    """Return how far the shares of far items have grown, given the items of each centroid; shares that fell count 0."""
    return np.asarray((np.maximum(far_scores(window, reference), 0) ** 2).sum(-1))


def far_scores(window: Mapping[str, Numbers], reference: Mapping[str, Numbers]) -> Numbers:
    """Return by centroid how many standard deviations its share of far items has grown: shape (..., k)."""
    items, known = window["centroids"], reference["centroids"]
    far, known_far = window["far"], reference["far"]
    share = (far + known_far) / (items + known + LEAST)
    deviation = np.sqrt(share * (1 - share) * (1 / (items + LEAST) + 1 / (known + LEAST)))
    growth = far / (items + LEAST) - known_far / (known + LEAST)
    return np.where((items > 0) & (known > 0), growth / (deviation + LEAST), 0.0)
