"""Whether a text belongs to any label at all: how spread its probabilities are, and how near the nearest training text is.

Either alone misses much: a head can be sure of a text that is like nothing it has seen, and a text near a known one can lie
between two labels. Figures are in `docs/accuracy.md`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from shared.embedding.port import Matrix
from shared.routing.calibration import LEAST_PROBABILITY, Floats

REJECTED_IN_SCOPE = 0.02
"""The share of in-scope texts that the default threshold gives up: the price of catching what belongs nowhere."""

BALANCES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""What a standard deviation of similarity counts against one of the entropy, both of in-scope texts."""

ABOUT_AS_WELL = 0.001
LEAST_WIDTH = 0.01
"""Where nearly all in-scope texts are alike their spread says nothing, and a slope made of it would be a step."""

LEAST_SLOPE = 1e-3
ROWS_AT_ONCE = 1_024


@dataclass(frozen=True, slots=True)
class Scope:
    """score = 1 / (1 + exp(-(spread * entropy + nearness * similarity + offset))): 1 is surely in scope.

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
"""Where there are too few labels to learn from leaving some out: about the weights that Banking77 gave."""


def entropy(probabilities: Floats) -> NDArray[np.float32]:
    """Return how spread each row of probabilities is, in nats: shape (n,), float32, from 0 (certain) to log(labels)."""
    return np.asarray(-(probabilities * np.log(np.maximum(probabilities, LEAST_PROBABILITY))).sum(axis=1), np.float32)


def nearest(vectors: Matrix, known: Matrix) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return for each vector the row of the nearest known one and their cosine: shapes (n,) and (n,), float32."""
    rows, similarities = np.zeros(len(vectors), np.intp), np.zeros(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        cosines = vectors[start : start + ROWS_AT_ONCE] @ known.T
        best = cosines.argmax(axis=1)
        rows[start : start + ROWS_AT_ONCE] = best
        similarities[start : start + ROWS_AT_ONCE] = cosines[np.arange(len(best)), best]
    return rows, similarities


def fit_scope(probabilities: Floats, similarity: Floats, inside: NDArray[np.bool_]) -> Scope:
    """Learn the weights from texts that were held out, some of them of labels that were held out as a whole.

    The balance of the two is the one that relies most on the probabilities among those that part the texts about as well
    as the best (by AUROC): left-out labels of the training file lie farther from the others than what really comes from
    outside, so that the best balance there relies too much on similarity.

    Args:
        probabilities: One row per text, from a head that has seen none of them.
        similarity: Cosine of each to its nearest training text.
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
    """Return the threshold that gives up `REJECTED_IN_SCOPE` of these in-scope texts."""
    return float(np.quantile(scores, REJECTED_IN_SCOPE)) if len(scores) else 0.0
