"""Calibration of confidences: temperature, calibration error, and the coverage at a required precision.

Works on arrays only. Probabilities have shape (n, labels), float32 or float64, and each row sums to 1; `truth` holds
the index of each row's right label: shape (n,), integers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

BINS = 15
"""The number of bins, of equal width over [0, 1]: Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 5."""

WANTED_PRECISION = 0.95
LEAST_PROBABILITY = 1e-12


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the probabilities: shape (n, labels), each row sums to 1."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def log_loss(probabilities: Floats, truth: Integers) -> float:
    """Return the mean negative log-likelihood of the right labels, in nats."""
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(right, LEAST_PROBABILITY)).mean())


def fit_temperature(logits: Floats, truth: Integers) -> float:
    """Return the temperature that minimises the log loss of held-out logits: Guo et al. 2017, section 4.2.

    The fit assumes one additional text that may have any label (like the target correction of Platt 1999). Without it,
    a small set of texts that all get the right answer would make every answer certain.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    right, mean = shifted[np.arange(len(truth)), truth].mean(), shifted.mean()
    extra = 1 / len(truth)

    def loss(log_t: float) -> float:
        temperature = float(np.exp(log_t))
        norm = np.log(np.exp(shifted / temperature).sum(axis=1)).mean()
        return float((1 + extra) * norm - (right + extra * mean) / temperature)

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


@dataclass(frozen=True, slots=True)
class Bin:
    """The decisions whose confidence lies in one interval.

    Attributes:
        count: Number of decisions.
        confidence: Their mean confidence.
        accuracy: Share of them that are right.
    """

    count: int
    confidence: float
    accuracy: float


def reliability(confidence: Floats, right: NDArray[np.bool_]) -> list[Bin]:
    """Return the bins that are not empty, lowest confidence first."""
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    chosen = [index == number for number in range(BINS) if (index == number).any()]
    return [Bin(int(m.sum()), float(confidence[m].mean()), float(right[m].mean())) for m in chosen]


def expected_calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the mean gap between confidence and accuracy over the bins, weighted by their count: Guo et al. 2017."""
    bins = reliability(confidence, right)
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many decisions can be taken at a required precision, the most confident first.

    Attributes:
        share: Share of all decisions.
        threshold: Lowest confidence among them; 1.0 if no decisions reach the precision.
    """

    share: float
    threshold: float


def coverage_curve(confidence: Floats, right: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return the share, the precision and the lowest confidence if the most confident 1, 2, ... decisions are taken.

    Decisions of equal confidence are taken together, so that each row corresponds to a threshold.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    last = np.append(sorted_confidence[1:] != sorted_confidence[:-1], True)
    taken = np.arange(1, len(order) + 1)
    precision = np.cumsum(right[order]) / taken
    return (taken / len(order))[last], precision[last], sorted_confidence[last]


def coverage_at_precision(confidence: Floats, right: NDArray[np.bool_], wanted: float = WANTED_PRECISION) -> Coverage:
    """Return the largest coverage whose precision is at least `wanted`."""
    if not len(confidence):
        return Coverage(0.0, 1.0)
    share, precision, threshold = coverage_curve(confidence, right)
    enough = np.flatnonzero(precision >= wanted)
    return Coverage(float(share[enough[-1]]), float(threshold[enough[-1]])) if len(enough) else Coverage(0.0, 1.0)
