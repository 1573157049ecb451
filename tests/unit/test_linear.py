"""Linear classifiers and their combination: the arithmetic, and training data with two labels, one label or none.

A green run does not prove that the classifiers are good: `tests/golden/test_banking77_head.py` measures that.
"""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from shared.embedding.port import Matrix
from shared.routing.calibration import softmax
from shared.routing.features import TfIdf
from shared.routing.linear import (
    DENSE_C,
    DENSE_SCALE,
    Linear,
    early_stops,
    fit_dense,
    fit_joint,
    fit_sparse,
)
from tests.support.labelled import examples, support

LABELS = 4


def drawn(seed: int, dim: int = 3, terms: int = 5) -> Linear:
    """Return a classifier of random weights."""
    random = np.random.default_rng(seed)
    parts = (random.normal(size=shape).astype(np.float32) for shape in ((dim, LABELS), (terms, LABELS), LABELS))
    return Linear(*parts)


def rows(seed: int, count: int = 6) -> tuple[Matrix, csr_matrix]:
    """Return random vectors and terms."""
    random = np.random.default_rng(seed)
    terms = random.random((count, 5)) * (random.random((count, 5)) < 0.5)
    return random.normal(size=(count, 3)).astype(np.float32), csr_matrix(terms.astype(np.float32))


def every_fit(texts: dict[str, list[str]], labels: int) -> list[tuple[Linear, Matrix, csr_matrix]]:
    """Fit all three kinds, with room for more labels than the texts have."""
    given = examples(texts)
    weighed = TfIdf.fit(given.texts).weigh(given.texts)
    terms, dim = weighed.shape[1], given.vectors.shape[1]
    fits = (
        fit_dense(given.vectors, given.truth, labels, terms),
        fit_sparse(weighed, given.truth, labels, dim),
        fit_joint(given.vectors, weighed, given.truth, labels),
    )
    return [(fit, given.vectors, weighed) for fit in fits]


def test_logits_are_the_explicit_sums() -> None:
    linear, (vectors, terms) = drawn(1), rows(2)
    found = linear.logits(vectors, terms)
    assert found.dtype == np.float32
    for row, label in np.ndindex(found.shape):
        by_hand = sum(float(vectors[row, d]) * float(linear.dense[d, label]) for d in range(3))
        by_hand += sum(float(terms[row, t]) * float(linear.sparse[t, label]) for t in range(5))
        assert found[row, label] == pytest.approx(by_hand + float(linear.bias[label]), abs=1e-5)


def test_a_blend_of_logits_is_the_geometric_mean_of_the_probabilities() -> None:
    one, other, (vectors, terms) = drawn(3), drawn(4), rows(5)
    blended = softmax(one.times(0.3).plus(other.times(0.7)).logits(vectors, terms))
    mean = softmax(one.logits(vectors, terms)) ** 0.3 * softmax(other.logits(vectors, terms)) ** 0.7
    np.testing.assert_allclose(blended, mean / mean.sum(axis=1, keepdims=True), atol=1e-6)


def test_centring_and_scale_are_folded_into_the_weights() -> None:
    given = examples(support(labels=3))
    model = LogisticRegression(C=DENSE_C / DENSE_SCALE**2, max_iter=100, tol=1e-4)
    scaled = (given.vectors - given.vectors.mean(axis=0)) * DENSE_SCALE
    expected = model.fit(scaled, given.truth).predict_proba(scaled)
    linear = fit_dense(given.vectors, given.truth, 3, terms=1)
    found = softmax(linear.logits(given.vectors, csr_matrix((len(given.texts), 1), dtype=np.float32)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("labels", [2, 3])
def test_every_kind_learns_its_training_texts(labels: int) -> None:
    texts = support(labels=labels)
    truth = examples(texts).truth
    for linear, vectors, terms in every_fit(texts, labels):
        logits = linear.logits(vectors, terms)
        assert logits.shape == (len(truth), labels)
        assert (logits.argmax(axis=1) == truth).all()


def test_two_labels_share_one_boundary() -> None:
    for linear, vectors, terms in every_fit(support(labels=2), 2):
        logits = linear.logits(vectors, terms)
        np.testing.assert_allclose(logits[:, 0], -logits[:, 1], atol=1e-5)


def test_a_label_that_was_not_learned_is_never_answered() -> None:
    for linear, vectors, terms in every_fit(support(labels=3), 5):
        shares = softmax(linear.logits(vectors, terms))
        assert shares[:, 3:].max() < 1e-6
        assert not linear.dense[:, 3:].any()
        assert not linear.sparse[:, 3:].any()


def test_with_one_label_or_no_feature_the_learned_labels_are_equally_likely() -> None:
    for linear, vectors, terms in every_fit(support(labels=1), 3):
        np.testing.assert_allclose(softmax(linear.logits(vectors, terms)), [[1, 0, 0]] * len(vectors), atol=1e-6)
    bare = fit_sparse(csr_matrix((4, 0), dtype=np.float32), np.array([0, 0, 2, 2]), 3, dim=2)
    shares = softmax(bare.logits(np.ones((1, 2), np.float32), csr_matrix((1, 0), dtype=np.float32)))
    np.testing.assert_allclose(shares, [[0.5, 0, 0.5]], atol=1e-6)


def test_an_early_stop_is_no_warning_and_others_still_are() -> None:
    with early_stops():
        warnings.warn("stopped", ConvergenceWarning, stacklevel=1)
        with pytest.raises(UserWarning, match="another"):
            warnings.warn("another", UserWarning, stacklevel=1)
    with pytest.raises(ConvergenceWarning):
        warnings.warn("stopped", ConvergenceWarning, stacklevel=1)
