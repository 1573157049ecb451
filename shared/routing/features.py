"""The sparse features of a text: its words, pairs of words and 4-grams of characters, weighted by rarity.

This is scikit-learn's TF-IDF. The learned terms and weights are kept as plain lists and arrays, so that nothing has to
be unpickled.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

MAX_TERMS = 50_000
"""The limit for each kind of term; Banking77 has 28,600 terms in all. A head needs 4 bytes for each term and label: at
most 40 MB for 100 labels."""

LETTERS = 4
"""4-grams of characters inside words tolerate misspellings and inflection. Lengths of 2 to 5 took twice as long and
gave the same accuracy on Banking77 (`docs/accuracy.md`)."""

WORDS = {"ngram_range": (1, 2), "sublinear_tf": True, "dtype": np.float32}
PIECES = {"analyzer": "char_wb", "ngram_range": (LETTERS, LETTERS), "sublinear_tf": True, "dtype": np.float32}


class TfIdf:
    """TF-IDF over words and over 4-grams of characters, each of unit length.

    Args:
        words: The word terms, in the order of their columns.
        pieces: The 4-grams, whose columns follow those of the words.
        rarity: Inverse document frequency of each column: shape (terms,), float32.
    """

    def __init__(self, words: Sequence[str], pieces: Sequence[str], rarity: NDArray[np.float32]) -> None:
        self.words, self.pieces, self.rarity = list(words), list(pieces), rarity
        split = len(self.words)
        self._word = _restored(WORDS, self.words, rarity[:split])
        self._piece = _restored(PIECES, self.pieces, rarity[split:])

    @classmethod
    def fit(cls, texts: Sequence[str]) -> "TfIdf":
        """Learn the terms of these texts. With more than two texts, a 4-gram must occur in at least two of them."""
        word = TfidfVectorizer(max_features=MAX_TERMS, **WORDS)
        piece = TfidfVectorizer(max_features=MAX_TERMS, min_df=2 if len(texts) > 2 else 1, **PIECES)
        learned = [_learn(word, texts), _learn(piece, texts)]
        return cls(learned[0][0], learned[1][0], np.concatenate([rarity for _, rarity in learned]))

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.words) + len(self.pieces)

    def __getitem__(self, column: int) -> str:
        """Return the term of a column; a 4-gram is shown between dots."""
        split = len(self.words)
        return self.words[column] if column < split else f"·{self.pieces[column - split]}·"

    def weigh(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features of texts: shape (n, terms), float32; each half of a row is of unit length or empty."""
        halves = [
            vectorizer.transform(texts)
            if vectorizer is not None and len(texts)
            else csr_matrix((len(texts), 0), dtype=np.float32)
            for vectorizer in (self._word, self._piece)
        ]
        return csr_matrix(hstack(halves, format="csr", dtype=np.float32))


def _learn(vectorizer: TfidfVectorizer, texts: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    try:
        vectorizer.fit(texts)
    except ValueError:  # the texts contain no terms at all
        return [], np.zeros(0, np.float32)
    return vectorizer.get_feature_names_out().tolist(), np.asarray(vectorizer.idf_, np.float32)


def _restored(how: dict[str, object], terms: list[str], rarity: NDArray[np.float32]) -> TfidfVectorizer | None:
    if not terms:
        return None
    vectorizer = TfidfVectorizer(vocabulary=terms, **how)
    vectorizer.idf_ = rarity
    return vectorizer
