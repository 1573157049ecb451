"""How often chance alone gives a score as high as that of a hit, so that scores of different methods can be compared.

docs/decisions/0029-one-search.md has the figures that these two distributions were chosen by.
"""

from dataclasses import dataclass
from math import exp, expm1, log, log1p
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LEAST_SCORES = 40
"""With fewer scores, a distribution is not estimated."""

LARGEST_EXPONENT = 700.0
FITTED_SHARE = 0.1
TAIL_SHARE = 0.05
"""The share of the highest scores of pairs; above them, the share is assumed to fall exponentially."""


class ByChance(Protocol):
    """The scores that chance gives."""

    def share(self, score: float) -> float:
        """Return how often chance gives this score or a higher one, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class BestByChance:
    """The best score in a collection for a question that fits nothing: a Gumbel distribution.

    That is the limit for the highest of many scores of one kind, whatever their distribution, unless its tail is heavy
    (Gumbel 1958, Statistics of Extremes, chapter 5).

    Attributes:
        location: Its mode.
        scale: Its scale.
    """

    location: float
    scale: float

    def share(self, score: float) -> float:
        """Return the share of questions that fit nothing for which the best score is this or higher."""
        exponent = min(LARGEST_EXPONENT, (self.location - score) / self.scale)
        return -expm1(-exp(exponent))


@dataclass(frozen=True, slots=True, eq=False)
class PairsByChance:
    """The scores of pairs of random items.

    Attributes:
        scores: Those up to the tail, ascending, shape (n,).
        tail_scale: The mean by which the scores in the tail exceed the last of them.
    """

    scores: NDArray[np.float64]
    tail_scale: float

    def share(self, score: float) -> float:
        """Return the share of pairs whose score is this or higher."""
        last = float(self.scores[-1])
        if score > last:
            return TAIL_SHARE * exp(-(score - last) / self.tail_scale)
        above = self.scores.size - int(np.searchsorted(self.scores, score, side="left"))
        return TAIL_SHARE + (1 - TAIL_SHARE) * above / (self.scores.size + 1)


def fit_best(best: NDArray[np.float64]) -> BestByChance | None:
    """Return the distribution of the best score by chance; None if there are too few scores, or they are all alike.

    It is fitted to the quartiles: up to a quarter of the questions may fit something after all.

    Args:
        best: The best score for each of many questions that fit nothing, shape (n,).
    """
    if best.size < LEAST_SCORES:
        return None
    low, middle, high = (float(each) for each in np.quantile(best, [0.25, 0.5, 0.75]))
    scale = (high - low) / (_reduced(0.75) - _reduced(0.25))
    return BestByChance(middle - scale * _reduced(0.5), scale) if scale > 0 else None


def fit_pairs(scores: NDArray[np.float64]) -> PairsByChance | None:
    """Return the distribution of the scores of pairs; None if there are too few, or they are all alike.

    Args:
        scores: The scores, shape (n,).
    """
    if scores.size < LEAST_SCORES:
        return None
    ascending = np.sort(scores)
    begin = int(np.ceil((1 - TAIL_SHARE) * ascending.size))
    tail_scale = float(np.mean(ascending[begin:] - ascending[begin - 1]))
    return PairsByChance(ascending[:begin], tail_scale) if tail_scale > 0 else None


def any_of(share: float, count: float) -> float:
    """Return how often one of several independent events happens: 1 - (1 - share) ** count (Šidák 1967).

    Args:
        share: How often each of them happens.
        count: Their number; of events that depend on each other, see `effective_count`.
    """
    return 1.0 if share >= 1 else -expm1(count * log1p(-share))


def effective_count(lowest: NDArray[np.float64]) -> float:
    """Return how many independent methods have the same lowest shares as those that were compared.

    It is at least 1, and at most the number of questions, which is what they can show.

    Methods depend on each other, and no distribution fits exactly. The number is chosen so that `any_of` is right where
    it matters: for a tenth of the questions.

    Args:
        lowest: The lowest share of chance of any method, for each of many questions that fit nothing, shape (n,).
    """
    tenth = min(float(np.quantile(lowest, FITTED_SHARE)), 1 - FITTED_SHARE)
    if tenth * lowest.size <= FITTED_SHARE:
        return float(lowest.size)
    return min(float(lowest.size), max(1.0, log1p(-FITTED_SHARE) / log1p(-tenth)))


def _reduced(share: float) -> float:
    """Return the quantile of the Gumbel distribution with mode 0 and scale 1."""
    return -log(-log(share))
