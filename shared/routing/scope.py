"""The scope score: whether a text fits any label, by the entropy of its probabilities and its nearest training text.

Either measure alone misses many texts: a head can be certain about a text that resembles none of its training texts,
and a text near a known one can lie between two labels. Figures are in `docs/accuracy.md`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from shared.embedding.port import Matrix
from shared.routing.calibration import LEAST_PROBABILITY, Floats

REJECTED_IN_SCOPE = 0.02
"""The share of in-scope texts that the default threshold rejects, as the cost of rejecting texts that fit no label."""

BALANCES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""Candidate weights of one standard deviation of similarity, relative to one of entropy, both measured on in-scope
texts."""

ABOUT_AS_WELL = 0.001
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


def fit_scope(probabilities: Floats, similarity: Floats, inside: NDArray[np.bool_]) -> Scope:
    """Learn the weights from held-out texts, some of which have labels that were left out of training altogether.

    Among the balances that separate the texts about as well as the best one (by AUROC), the one that relies most on the
    probabilities is chosen. The reason: left-out labels of the training file lie farther from the other labels than
    real out-of-scope texts do, so the balance that is best on them relies too much on similarity.

    Args:
        probabilities: One row per text, from a head that has seen none of the texts.
        similarity: Cosine of each text to its nearest training text.
        inside: Whether the head knew the text's label.
    """
    certainty = -entropy(probabilities).astype(np.float64)
    certainty_width, width = (max(float(values[inside].std()), LEAST_WIDTH) for values in (certainty, similarity))
    sums = {balance: certainty / certainty_width + balance * similarity / width for balance in BALANCES}
    quality = {balance: float(roc_auc_score(inside, total)) for balance, total in sums.items()}
    balance = min(each for each in BALANCES if quality[each] >= max(quality.values()) - ABOUT_AS_WELL)
    fitted = LogisticRegression(class_weight="balanced").fit(sums[balance][:, None], inside)
    slope = max(float(fitted.coef_[0, 0]), LEAST_SLOPE)
    offset = float(fitted.intercept_[0])
    return Scope(-slope / certainty_width, slope * balance / width, offset, threshold=0.0)


def threshold_for(scores: Floats) -> float:
    """Return the threshold that rejects a share of `REJECTED_IN_SCOPE` of these in-scope texts."""
    return float(np.quantile(scores, REJECTED_IN_SCOPE)) if len(scores) else 0.0
