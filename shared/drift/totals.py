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

FAMILIES = (*COUNTED, "far", "nearness", "mean", "spread")
"""All families of statistics. `far` counts the far items of each centroid, `nearness` is the mean cosine similarity to the
nearest centroid, and `mean` and `spread` are the mean of the vectors and their variance around it."""

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
        counts: By each of `COUNTED`, and for `far`, the items of each cell: shape (..., cells).
    """

    vectors: Numbers
    vector_sum: Numbers
    squared_norms: Numbers
    cosines: Numbers
    counts: Mapping[str, Numbers]


def distances(window: Totals, reference: Totals) -> Numbers:
    """Return the distance in each of `FAMILIES`, shape (..., families).

    The distances are scaled so that, without drift, they hardly depend on the sizes of the samples.
    """
    found = [_between_counts(window.counts[name], reference.counts[name]) for name in COUNTED]
    found.append(_between_far(window.counts, reference.counts))
    noise = 1 / np.maximum(window.vectors, 1) + 1 / np.maximum(reference.vectors, 1)
    means = [_mean(each.vector_sum, each.vectors[..., None]) for each in (window, reference)]
    nearness = _mean(window.cosines, window.vectors) - _mean(reference.cosines, reference.vectors)
    spread = _spread(window, means[0]) - _spread(reference, means[1])
    found += [nearness**2 / noise, ((means[0] - means[1]) ** 2).sum(-1) / noise, spread**2 / noise]
    return np.where(np.minimum(window.vectors, reference.vectors)[..., None] > 0, np.stack(found, axis=-1), 0.0)


def _mean(total: Numbers, vectors: Numbers) -> Numbers:
    return np.asarray(total / np.maximum(vectors, 1))


def _spread(totals: Totals, mean: Numbers) -> Numbers:
    """Return the variance of the vectors around their mean, without the bias of small samples."""
    variance = _mean(totals.squared_norms, totals.vectors) - (mean**2).sum(-1)
    return np.asarray(variance * totals.vectors / np.maximum(totals.vectors - 1, 1))


def _between_counts(window: Numbers, reference: Numbers) -> Numbers:
    """Return Pearson's statistic of two samples of counts; 0 if one of them is empty."""
    items, known = window.sum(-1), reference.sum(-1)
    ratio = np.sqrt(np.maximum(known, 1) / np.maximum(items, 1))[..., None]
    found = ((window * ratio - reference / ratio) ** 2 / (window + reference + LEAST)).sum(-1)
    return np.where((items > 0) & (known > 0), found, 0.0)


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
