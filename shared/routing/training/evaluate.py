"""Measures how good a head is on labelled texts that it has not seen."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from shared.routing.calibration import coverage_at_precision, expected_calibration_error
from shared.routing.head import Head, Predictions


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The metrics of a head on labelled texts.

    `macro_f1`, `ece`, `coverage_at_95_precision` and `in_scope_accuracy` cover the in-scope rows only, whatever their
    scope score.

    Attributes:
        rows: Number of texts.
        accuracy: Share of right answers. With out-of-scope rows: share of right decisions, where rejecting is right for
            out-of-scope rows and wrong for in-scope rows.
        macro_f1: Mean over labels of the harmonic mean of precision and recall.
        ece: Expected calibration error, 15 bins.
        coverage_at_95_precision: Share that can be decided at 95 % precision, the most confident first.
        out_of_scope: Number of rows that belong to no label of the head.
        in_scope_accuracy: Share of right labels over the in-scope rows; None if all rows are in scope.
        in_scope_given_up: Share of the in-scope rows that the threshold of the scope score rejects; None if all rows are
            in scope.
        oos_auroc: Probability that an in-scope text has a higher scope score than an out-of-scope one; None if all rows
            are in scope.
        oos_auroc_confidence: The same for the confidence alone.
        oos_auroc_nearest: The same for the similarity to the nearest training text alone.
    """

    rows: int
    accuracy: float
    macro_f1: float
    ece: float
    coverage_at_95_precision: float
    out_of_scope: int = 0
    in_scope_accuracy: float | None = None
    in_scope_given_up: float | None = None
    oos_auroc: float | None = None
    oos_auroc_confidence: float | None = None
    oos_auroc_nearest: float | None = None

    def as_dict(self) -> dict[str, float | int]:
        """Return the metrics that are not None, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def evaluate_predictions(head: Head, predictions: Predictions, truth: Sequence[str]) -> Evaluation:
    """Compare a head's answers with the right labels; rows with a label that the head does not have are out of scope.

    Raises:
        ValueError: no row is in scope.
    """
    columns = {label: column for column, label in enumerate(head.labels)}
    right_columns = np.array([columns.get(label, -1) for label in truth])
    inside = right_columns >= 0
    if not inside.any():
        raise ValueError("no text has a label that the head knows")
    confidence, answers = predictions.probabilities.max(axis=1), predictions.probabilities.argmax(axis=1)
    right = answers == right_columns
    figures = Evaluation(
        rows=len(truth),
        accuracy=float(right.mean()),
        macro_f1=float(f1_score(right_columns[inside], answers[inside], average="macro", zero_division=0.0)),
        ece=expected_calibration_error(confidence[inside], right[inside]),
        coverage_at_95_precision=coverage_at_precision(confidence[inside], right[inside]).share,
    )
    return figures if inside.all() else _with_outside(figures, head.scope_at, predictions, right, inside)


def right_decisions(head: Head, predictions: Predictions, truth: Sequence[str]) -> NDArray[np.bool_]:
    """Return whether each decision is right; their mean is the accuracy of `Evaluation`."""
    right = np.array(head.labels, object)[predictions.probabilities.argmax(axis=1)] == np.array(truth, object)
    inside = np.isin(truth, head.labels)
    rejected = predictions.scope < head.scope_at
    return np.asarray(right if inside.all() else np.where(inside, right & ~rejected, rejected), np.bool_)


def _with_outside(
    figures: Evaluation, scope_at: float, predictions: Predictions, right: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> Evaluation:
    rejected = predictions.scope < scope_at
    scores = {
        "oos_auroc": predictions.scope,
        "oos_auroc_confidence": predictions.probabilities.max(axis=1),
        "oos_auroc_nearest": predictions.similarity,
    }
    return Evaluation(
        **asdict(figures)
        | {
            "accuracy": float(np.where(inside, right & ~rejected, rejected).mean()),
            "out_of_scope": int((~inside).sum()),
            "in_scope_accuracy": float(right[inside].mean()),
            "in_scope_given_up": float(rejected[inside].mean()),
        }
        | {name: float(roc_auc_score(inside, score)) for name, score in scores.items()}
    )
