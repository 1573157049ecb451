"""Properties of a head: a text gets the same answer alone and among others, and any text gets shares that sum to 1.

A green run does not prove that the embedding model has these properties: a stand-in gives the vectors.
"""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.routing.head import Head
from shared.routing.training.plan import plan_training
from shared.routing.training.train import train
from tests.support.labelled import WordModel, examples, support

FEW = settings(max_examples=40, deadline=None)

known_words = st.sampled_from(
    ["card", "Parcel", "refund", "fee", "what about my", "zzz", "卡", "Größe", "-", "\n", "\x00"]
)
texts = (
    st.text(max_size=60) | st.lists(known_words, max_size=12).map(" ".join) | st.integers(0, 3_000).map("ab ".__mul__)
)


@cache
def head() -> Head:
    """Return a head trained on made-up texts of six labels."""
    return train(
        plan_training(examples(support(labels=6, per_label=6)), None), WordModel.fingerprint, lambda: None
    ).head


@FEW
@given(st.lists(texts, min_size=1, max_size=8))
def test_a_text_gets_the_same_answer_alone_and_among_others(company: list[str]) -> None:
    vectors = WordModel().embed(company).vectors
    together = head().predict(company, vectors)
    for row, text in enumerate(company):
        alone = head().predict([text], vectors[row : row + 1])
        np.testing.assert_allclose(together.probabilities[row], alone.probabilities[0], atol=1e-5)
        np.testing.assert_allclose(together.similarity[row], alone.similarity[0], atol=1e-5)
        np.testing.assert_allclose(together.scope[row], alone.scope[0], atol=1e-4)


@FEW
@given(texts)
def test_any_text_gets_shares_that_sum_to_one(text: str) -> None:
    answers = head().predict([text], WordModel().embed([text]).vectors)
    assert np.isfinite(answers.probabilities).all()
    assert answers.probabilities.min() >= 0
    np.testing.assert_allclose(answers.probabilities.sum(), 1, atol=1e-5)
    assert 0 <= answers.scope[0] <= 1
    assert -1.0001 <= answers.similarity[0] <= 1.0001


@FEW
@given(texts, st.integers(1, 20))
def test_an_explanation_names_the_answer(text: str, limit: int) -> None:
    vectors = WordModel().embed([text]).vectors
    answers = head().predict([text], vectors)
    reported = head().explain(text, vectors[0], limit)
    assert reported.shares[0][0] == head().labels[answers.probabilities[0].argmax()]
    assert dict(reported.shares) == dict(zip(head().labels, answers.probabilities[0].tolist(), strict=True))
    assert len(reported.nearest) == min(limit, len(head().known.texts))
    assert len(reported.terms) <= limit
    assert abs(reported.nearest[0][0] - answers.similarity[0]) < 1e-5
