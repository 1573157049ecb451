"""The figures of a head on labelled texts, against values computed by hand.

A green run does not prove that any head is good.
"""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from shared.routing.features import TfIdf
from shared.routing.head import Head, Known, Predictions
from shared.routing.linear import Linear
from shared.routing.scope import Scope
from shared.routing.training.evaluate import Evaluation, evaluate_predictions

HEAD = Head(
    labels=("a", "b", "c"),
    model="30bde1f0",
    linear=Linear(np.eye(3, dtype=np.float32), np.zeros((0, 3), np.float32), np.zeros(3, np.float32)),
    terms=TfIdf([], [], np.zeros(0, np.float32)),
    scope=Scope(-1.0, 1.0, 0.0, threshold=0.5),
    known=Known(("x",), ("a",), np.ones((1, 3), np.float32)),
)
SHARES = [[0.8, 0.1, 0.1], [0.1, 0.9, 0.0], [0.3, 0.6, 0.1], [0.7, 0.2, 0.1]]


def reported(shares: list[list[float]], scope: list[float], similarity: list[float]) -> Predictions:
    """Return a head's answer."""
    parts: list[NDArray[np.float32]] = [np.array(part, np.float32) for part in (shares, similarity, scope)]
    return Predictions(*parts)


INSIDE = reported(SHARES, [0.9, 0.9, 0.4, 0.9], [0.9, 0.8, 0.7, 0.6])


def test_the_figures_match_values_computed_by_hand() -> None:
    found = evaluate_predictions(HEAD, INSIDE, ["a", "b", "a", "a"])
    f1 = {"a": 2 * 1 * (2 / 3) / (1 + 2 / 3), "b": 2 * 0.5 * 1 / 1.5}
    ece = (abs(1 - 0.8) + abs(1 - 0.9) + abs(0 - 0.6) + abs(1 - 0.7)) / 4
    assert found.as_dict() == {
        "rows": 4,
        "accuracy": 0.75,
        "macro_f1": pytest.approx((f1["a"] + f1["b"]) / 2),
        "ece": pytest.approx(ece, abs=1e-6),
        "coverage_at_95_precision": 0.75,
        "out_of_scope": 0,
    }


def test_rows_without_a_label_are_right_when_rejected() -> None:
    outer = reported(
        [*SHARES, [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]], [0.9, 0.9, 0.4, 0.9, 0.6, 0.1], [0.9, 0.8, 0.7, 0.6, 0.65, 0.1]
    )
    found = evaluate_predictions(HEAD, outer, ["a", "b", "a", "a", "nowhere", "nowhere"])
    alone = evaluate_predictions(HEAD, INSIDE, ["a", "b", "a", "a"])
    assert (found.rows, found.out_of_scope) == (6, 2)
    assert found.accuracy == pytest.approx(4 / 6), "three right labels and one rejected stranger"
    assert found.in_scope_accuracy == 0.75
    assert (found.macro_f1, found.ece, found.coverage_at_95_precision) == (
        alone.macro_f1,
        alone.ece,
        alone.coverage_at_95_precision,
    )
    assert found.oos_auroc == pytest.approx(7 / 8), "of eight pairs, the stranger of 0.6 is above the text of 0.4"
    assert found.oos_auroc_confidence == pytest.approx((4 + 0.5) / 8), "0.9 is above all but one, with which it ties"
    assert found.oos_auroc_nearest == pytest.approx(7 / 8)


def test_a_right_label_that_is_rejected_is_a_wrong_decision() -> None:
    rejected = reported([[0.9, 0.1, 0.0]] * 2, [0.1, 0.1], [0.5, 0.5])
    found = evaluate_predictions(HEAD, rejected, ["a", "nowhere"])
    assert (found.accuracy, found.in_scope_accuracy) == (0.5, 1.0)
    assert evaluate_predictions(HEAD, rejected, ["a", "a"]).accuracy == 1, (
        "without strangers the scope score does not count"
    )


def test_a_score_at_the_threshold_is_in_scope() -> None:
    at = reported([[0.9, 0.1, 0.0]] * 2, [0.5, 0.5], [0.5, 0.5])
    assert evaluate_predictions(HEAD, at, ["a", "nowhere"]).accuracy == 0.5
    higher = replace(HEAD, scope=replace(HEAD.scope, threshold=0.51))
    assert evaluate_predictions(higher, at, ["a", "nowhere"]).accuracy == 0.5
    assert evaluate_predictions(higher, at, ["a", "nowhere"]).oos_auroc == 0.5


def test_no_known_label_is_refused() -> None:
    with pytest.raises(ValueError, match="no text has a label that the head knows"):
        evaluate_predictions(HEAD, INSIDE, ["x", "y", "z", "x"])


def test_figures_that_do_not_apply_are_left_out() -> None:
    plain = Evaluation(rows=1, accuracy=1.0, macro_f1=1.0, ece=0.0, coverage_at_95_precision=1.0)
    assert not [name for name in plain.as_dict() if name.startswith("oos") or name.startswith("in_scope")]


def test_an_explanation_adds_up_to_the_odds_between_the_first_two_labels() -> None:
    texts = ["card lost", "card stolen", "fee charged", "fee unfair"]
    terms = TfIdf.fit(texts)
    drawn = np.random.default_rng(8)
    dense, sparse, bias = (drawn.normal(size=(rows, 3)).astype(np.float32) for rows in (3, len(terms), 1))
    linear = Linear(dense, sparse, bias.ravel())
    vectors = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    head = replace(HEAD, linear=linear, terms=terms, known=Known(tuple(texts), ("a", "a", "b", "b"), vectors))
    text, vector = "card fee", np.array([0.6, 0.8, 0.0], np.float32)
    found = head.explain(text, vector, limit=1_000)
    assert [share for _, share in found.shares] == sorted((share for _, share in found.shares), reverse=True)
    assert sum(share for _, share in found.shares) == pytest.approx(1, abs=1e-5)
    first, second = (head.labels.index(label) for label, _ in found.shares[:2])
    constant = float(linear.bias[first] - linear.bias[second])
    odds = np.log(found.shares[0][1] / found.shares[1][1])
    assert found.dense + sum(weight for _, weight in found.terms) + constant == pytest.approx(odds, abs=1e-4)
    assert found.scope == pytest.approx(float(head.predict([text], vector[None]).scope[0]))
    short = head.explain(text, vector, limit=2)
    assert short.terms == found.terms[:2]
    assert np.abs(short.terms[0][1]) == max(abs(weight) for _, weight in found.terms)
    assert [(round(cosine, 6), label, known) for cosine, label, known in short.nearest] == [
        (0.8, "a", "card stolen"),
        (0.6, "a", "card lost"),
    ]


def test_no_text_gives_no_answer() -> None:
    answers = HEAD.predict([], np.zeros((0, 3), np.float32))
    assert answers.probabilities.shape == (0, 3)
    assert answers.scope.shape == answers.similarity.shape == (0,)
    assert HEAD.terms.weigh([]).shape == csr_matrix((0, 0)).shape
