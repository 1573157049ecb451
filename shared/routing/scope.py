"""The scope score: whether a text fits any label, by the entropy of its probabilities and its nearest training text.

Either measure alone misses many texts: a head can be certain about a text that resembles none of its training texts,
and a text near a known one can lie between two labels. Figures are in `docs/accuracy.md`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from shared.embedding.port import Matrix
from shared.routing.calibration import LEAST_PROBABILITY, Floats

REJECTED_IN_SCOPE = 0.02
"""The share of in-scope texts that the default threshold rejects, as the cost of rejecting texts that fit no label."""

RATIOS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0)
"""Candidate weights of one unit of similarity, relative to one nat of entropy."""

USUAL_RATIO = 6.0
"""The ratio to keep unless the file gives evidence against it: it was at least as good as a learned one on Banking77, on
HINT3's curekart and on four sets that were not used here (`docs/accuracy.md`)."""

BEYOND_CHANCE = 2.0
"""Evidence against the usual ratio must exceed this many standard errors, which is about 95 % certainty."""

LEAST_WIDTH = 0.01
"""The least standard deviation that is used: if nearly all in-scope texts are alike, their spread carries no
information, and a slope derived from it would be a step."""

LEAST_SLOPE = 1e-3
ROWS_AT_ONCE = 1_024


@dataclass(frozen=True, slots=True)
class Scope:
    """score = 1 / (1 + exp(-(spread * entropy + nearness * similarity + offset))): 1 is certainly in scope.

    Attributes:
        spread: Weight of the entropy of the label probabilities, in nats.
        nearness: Weight of the cosine to the nearest training text.
        offset: The constant.
        threshold: Below this score a text is out of scope.
    """

    spread: float
    nearness: float
    offset: float
    threshold: float

    def score(self, probabilities: Floats, similarity: Floats) -> NDArray[np.float32]:
        """Return the score of each text: shape (n,), float32, in [0, 1]."""
        total = self.spread * entropy(probabilities) + self.nearness * similarity + self.offset
        return np.asarray(1 / (1 + np.exp(-np.clip(total, -50, 50))), np.float32)


UNTRAINED = Scope(spread=-2.1, nearness=12.5, offset=-9.2, threshold=0.0)
"""Used if too few labels exist to learn the weights by leaving some out: about the weights that Banking77 gave."""


def entropy(probabilities: Floats) -> NDArray[np.float32]:
    """Return the entropy of each row, in nats: shape (n,), float32, from 0 (certain) to log(labels)."""
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, LEAST_PROBABILITY))).sum(axis=1), np.float32)


def nearest(vectors: Matrix, known: Matrix) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the row of the nearest known vector for each vector, and their cosine: shapes (n,) and (n,), float32."""
    rows, similarities = np.zeros(len(vectors), np.intp), np.zeros(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        cosines = vectors[start : start + ROWS_AT_ONCE] @ known.T
        best = cosines.argmax(axis=1)
        rows[start : start + ROWS_AT_ONCE] = best
        similarities[start : start + ROWS_AT_ONCE] = cosines[np.arange(len(best)), best]
    return rows, similarities


def fit_scope(probabilities: Floats, similarity: Floats, inside: NDArray[np.bool_], sources: NDArray[np.intp]) -> Scope:
    """Learn the weights from held-out texts, some of which have labels that were left out of training altogether.

    Left-out labels of a training file lie farther from the other labels than real out-of-scope texts do, and their
    number is small. So the usual ratio of the two weights is kept, unless another one separates the texts better beyond
    chance; then the nearest ratio that is as good as the best is used. The slope and the offset are always learned.

    Args:
        probabilities: One row per text, from a head that has seen none of the texts.
        similarity: Cosine of each text to its nearest training text.
        inside: Whether the head knew the text's label.
        sources: Where each text comes from, shape (n,): texts of one left-out label are not independent evidence.
    """
    certainty = -entropy(probabilities).astype(np.float64)
    separation = np.stack([_separation(certainty + ratio * similarity, inside, sources) for ratio in RATIOS], axis=1)
    ratio = _ratio(separation)
    total = certainty + ratio * similarity
    width = max(float(total[inside].std()), LEAST_WIDTH)
    fitted = LogisticRegression(class_weight="balanced").fit(total[:, None] / width, inside)
    slope = max(float(fitted.coef_[0, 0]), LEAST_SLOPE) / width
    return Scope(-slope, slope * ratio, float(fitted.intercept_[0]), threshold=0.0)


def _separation(scores: Floats, inside: NDArray[np.bool_], sources: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return for each source of out-of-scope texts the share of in-scope texts that score higher: shape (sources,)."""
    known = np.sort(scores[inside])
    ranks = (np.searchsorted(known, scores[~inside], "left") + np.searchsorted(known, scores[~inside], "right")) / 2
    _, number = np.unique(sources[~inside], return_inverse=True)
    return np.asarray(1 - np.bincount(number, ranks) / np.bincount(number) / len(known), np.float64)


def _ratio(separation: NDArray[np.float64]) -> float:
    """Return the ratio nearest to the usual one that is not worse than the best one beyond chance.

    Args:
        separation: Shape (sources, ratios).
    """
    if len(separation) < 2:
        return USUAL_RATIO
    lost = separation[:, [int(separation.mean(axis=0).argmax())]] - separation
    chance = BEYOND_CHANCE * lost.std(axis=0, ddof=1) / np.sqrt(len(separation))
    good = [ratio for ratio, enough in zip(RATIOS, lost.mean(axis=0) <= chance, strict=True) if enough]
    return min(good, key=lambda ratio: abs(np.log(ratio / USUAL_RATIO)))


def threshold_for(scores: Floats) -> float:
    """Return the threshold that rejects a share of `REJECTED_IN_SCOPE` of these in-scope texts."""
    return float(np.quantile(scores, REJECTED_IN_SCOPE)) if len(scores) else 0.0
