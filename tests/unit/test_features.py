"""The terms of texts: kept as lists and arrays, they get exactly the weights of scikit-learn's own vectorizers.

A green run does not prove that these terms are the best ones for routing.
"""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from shared.routing import features
from shared.routing.features import LETTERS, TfIdf

TEXTS = [
    "My card has not arrived",
    "the card, the CARD! 2 cards",
    "Größe 42 passt nicht, Straße 7",
    "我的卡在哪里 card",
    "why was I charged a fee 😡",
    "a fee, a fee, a fee",
]
NEW = [*TEXTS, "cards arrived", "", "??", "zzzz qqqq", "a"]


def fitted(words: TfidfVectorizer, pieces: TfidfVectorizer, texts: list[str]) -> csr_matrix:
    """Return the weights of two vectorizers, side by side."""
    return csr_matrix(hstack([words.transform(texts), pieces.transform(texts)]))


def test_restored_terms_have_exactly_the_weights_of_the_fitted_vectorizers() -> None:
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32).fit(TEXTS)
    pieces = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(LETTERS, LETTERS), sublinear_tf=True, min_df=2, dtype=np.float32
    ).fit(TEXTS)
    learned = TfIdf.fit(TEXTS)
    again = TfIdf(learned.words, learned.pieces, learned.rarity.copy())
    expected = fitted(words, pieces, NEW)
    for terms in (learned, again):
        weighed = terms.weigh(NEW)
        assert weighed.dtype == np.float32
        assert weighed.shape == expected.shape == (len(NEW), len(terms))
        assert (weighed != expected).nnz == 0


def test_each_half_of_a_row_is_of_unit_length_or_empty() -> None:
    terms = TfIdf.fit(TEXTS)
    weighed = terms.weigh(NEW)
    for half in (weighed[:, : len(terms.words)], weighed[:, len(terms.words) :]):
        lengths = np.sqrt(half.multiply(half).sum(axis=1)).A1
        assert all(length == pytest.approx(1, abs=1e-5) or length == 0 for length in lengths)
    assert weighed[NEW.index("zzzz qqqq")].nnz == weighed[NEW.index("")].nnz == 0


def test_columns_have_names_and_character_runs_are_between_dots() -> None:
    terms = TfIdf.fit(TEXTS)
    names = [terms[column] for column in range(len(terms))]
    assert names[: len(terms.words)] == terms.words
    assert {"card", "the card", "fee fee", "straße", "我的卡在哪里"} <= set(terms.words)
    assert "·card·" in names
    row = terms.weigh(["card"]).tocoo()
    assert {names[column] for column in row.col} == {"card", "· car·", "·card·", "·ard ·"}


@pytest.mark.parametrize("texts", [[], ["", ""], ["!!", "?? ...", ","], ["a", "b", "c"]])
def test_texts_without_a_term_give_no_column(texts: list[str]) -> None:
    terms = TfIdf.fit(texts)
    assert len(terms) == 0
    assert terms.weigh(["anything", ""]).shape == (2, 0)


def test_texts_with_only_character_runs_have_no_word() -> None:
    terms = TfIdf.fit(["!!!!", "!!!!"])
    assert (terms.words, terms.pieces) == ([], [" !!!", "!!! ", "!!!!"])
    assert terms.weigh(["!!!!", "x"]).shape == (2, 3)


def test_no_texts_give_no_rows() -> None:
    assert TfIdf.fit(TEXTS).weigh([]).shape[0] == 0


def test_of_many_terms_the_most_frequent_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "MAX_TERMS", 2)
    terms = TfIdf.fit(["card card fee", "card fee", "fee card once"])
    assert len(terms) == 4
    assert set(terms.words) <= {"card", "fee", "card fee", "fee card"}
