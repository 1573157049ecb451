"""Groups of near outliers, and whether usual traffic explains them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.drift.recent import Recent

MOST_TERMS = 4
"""Words in the name of a spike."""

LEAST_SHARE = 1 / 3
"""The share of the customers that must use a word before it is part of the name."""

UNNAMED = "items without shared words"


def largest_star(newest: int, vectors: NDArray[np.float32], near: float) -> list[int]:
    """Return the largest group around the newest vector or around one of its neighbours, as numbers in order.

    Args:
        newest: Number of the newest vector.
        vectors: Shape (n, dim), unit length.
        near: The least cosine similarity of neighbours.
    """
    around = np.flatnonzero(vectors @ vectors[newest] >= near)
    stars = vectors[around] @ vectors.T >= near
    return [int(each) for each in np.flatnonzero(stars[int(stars.sum(axis=1).argmax())])]


def chance(count: int, expected: float) -> float:
    """Return the probability of at least `count` events of which `expected` are usual, by the Poisson distribution."""
    if count <= 0:
        return 1.0
    if expected <= 0:
        return 0.0
    if count <= expected:
        return 1.0
    term = math.exp(count * math.log(expected) - expected - math.lgamma(count + 1))
    total, at = 0.0, count
    while term > total * 1e-9:
        total += term
        at += 1
        term *= expected / at
    return min(total, 1.0)


def name_of(members: Sequence[Recent], others: Sequence[Recent]) -> str:
    """Return a name made of words that several customers share and that other outliers use less.

    No word of a single customer becomes part of it.
    """
    inside, outside = _customers_by_term(members), _customers_by_term(others)
    least = max(2.0, LEAST_SHARE * len({member.customer for member in members}))
    scores = {term: len(who) / (1 + len(outside.get(term, ()))) for term, who in inside.items() if len(who) >= least}
    best = sorted(scores, key=lambda term: (-scores[term], -len(inside[term])))[:MOST_TERMS]
    return ", ".join(best) or UNNAMED


def _customers_by_term(outliers: Sequence[Recent]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for outlier in outliers:
        for term in outlier.terms:
            found.setdefault(term, set()).add(outlier.customer)
    return found
