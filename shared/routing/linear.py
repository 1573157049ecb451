"""Linear classifiers on the vector of a text, on its terms, or on both, and how two of them are combined into one.

The sum of calibrated logits corresponds to the geometric mean of two classifiers' probabilities, and it is again
linear. So a head is one matrix per kind of feature, whichever combination cross-validation chose.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from shared.embedding.port import Matrix

DENSE_SCALE = 5.0
"""Centred vectors are multiplied by this factor before the fit: L-BFGS then reaches the same loss in a third of the
steps."""

DENSE_C = 10.0
SPARSE_C = 1.0
JOINT_DENSE_SCALE = 1.5
JOINT_C = 0.5
LOGISTIC_DENSE_SCALE = 2.5
LOGISTIC_C = 10.0
ABSENT_LOGIT = -30.0
"""The logit of a label that does not occur in a fold's training part."""


@dataclass(frozen=True, slots=True)
class Linear:
    """logits = vectors @ dense + terms @ sparse + bias.

    Attributes:
        dense: Shape (dim, labels), float32.
        sparse: Shape (terms, labels), float32.
        bias: Shape (labels,), float32.
    """

    dense: NDArray[np.float32]
    sparse: NDArray[np.float32]
    bias: NDArray[np.float32]

    def logits(self, vectors: Matrix, terms: csr_matrix) -> NDArray[np.float32]:
        """Return the logits of texts: shape (n, labels), float32."""
        return np.asarray(vectors @ self.dense + terms @ self.sparse + self.bias, np.float32)

    def times(self, factor: float) -> "Linear":
        """Return the classifier whose logits are these multiplied by a factor."""
        return Linear(*(np.asarray(part * factor, np.float32) for part in (self.dense, self.sparse, self.bias)))

    def plus(self, other: "Linear") -> "Linear":
        """Return the classifier whose logits are the sum."""
        return Linear(self.dense + other.dense, self.sparse + other.sparse, self.bias + other.bias)


def fit_dense(vectors: Matrix, truth: NDArray[np.intp], labels: int, terms: int, class_weights: bool = False) -> Linear:
    """Fit multinomial logistic regression on vectors; the sparse part is zero.

    With class weights, each label counts the same, however many texts it has.
    """
    middle = vectors.mean(axis=0)
    model = LogisticRegression(
        C=DENSE_C / DENSE_SCALE**2, max_iter=100, tol=1e-4, class_weight="balanced" if class_weights else None
    )
    weights, bias = _fitted(model, (vectors - middle) * DENSE_SCALE, truth, labels)
    dense = weights * DENSE_SCALE
    return Linear(dense, np.zeros((terms, labels), np.float32), np.asarray(bias - middle @ dense, np.float32))


def fit_sparse(
    terms: csr_matrix, truth: NDArray[np.intp], labels: int, dim: int, class_weights: bool = False
) -> Linear:
    """Fit one linear support vector machine per label on terms; the dense part is zero.

    With class weights, the texts of a label count as much as all others together.
    """
    model = LinearSVC(C=SPARSE_C, random_state=0, class_weight="balanced" if class_weights else None)
    weights, bias = _fitted(model, terms, truth, labels)
    return Linear(np.zeros((dim, labels), np.float32), weights, bias)


def fit_logistic(vectors: Matrix, terms: csr_matrix, truth: NDArray[np.intp], labels: int) -> Linear:
    """Fit multinomial logistic regression on centred vectors and terms side by side."""
    middle = vectors.mean(axis=0)
    both = hstack([csr_matrix((vectors - middle) * LOGISTIC_DENSE_SCALE), terms], format="csr", dtype=np.float32)
    weights, bias = _fitted(LogisticRegression(C=LOGISTIC_C, max_iter=100, tol=1e-4), both, truth, labels)
    dim = vectors.shape[1]
    dense = weights[:dim] * LOGISTIC_DENSE_SCALE
    return Linear(dense, weights[dim:], np.asarray(bias - middle @ dense, np.float32))


def fit_joint(vectors: Matrix, terms: csr_matrix, truth: NDArray[np.intp], labels: int) -> Linear:
    """Fit one linear support vector machine per label on vectors and terms side by side."""
    both = hstack([csr_matrix(vectors * JOINT_DENSE_SCALE), terms], format="csr", dtype=np.float32)
    weights, bias = _fitted(LinearSVC(C=JOINT_C, random_state=0), both, truth, labels)
    dim = vectors.shape[1]
    return Linear(weights[:dim] * JOINT_DENSE_SCALE, weights[dim:], bias)


@contextmanager
def early_stops() -> Iterator[None]:
    """Suppress the warnings of fits that stop before they converge: their held-out loss shows how good they are.

    Use it around all fits, not in each: Python's warning filters belong to the process, and folds are fitted in
    parallel.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _fitted(
    model: Any, features: Any, truth: NDArray[np.intp], labels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit and return weights (features, labels) and bias (labels,); scikit-learn gives two classes one shared row.

    If nothing can be learned (no features, or only one label), all labels that are present are equally likely.
    """
    present = np.unique(truth)
    weights = np.zeros((features.shape[1], labels), np.float32)
    bias = np.full(labels, ABSENT_LOGIT, np.float32)
    if not features.shape[1] or len(present) < 2:
        bias[present] = 0
        return weights, bias
    model.fit(features, truth)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(present) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weights[:, present] = coefficients.T
    bias[present] = intercepts
    return weights, bias
