"""The terms of a text, weighted so that a store's dot product is BM25, from Qdrant's tokenizer, stop words and stemmer.

This module does not depend on a collection; the store adds the inverse document frequencies. The measurements are in
`docs/decisions/0009-hybrid-ranking.md`.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

import numpy as np
import qdrant_edge as edge

from shared.records import SparseVector

K = 1.2
"""How fast a repeated term saturates. Robertson & Zaragoza 2009, The Probabilistic Relevance Framework, section 3.4.1."""

B = 0.75
"""How strongly the weights of a long text are reduced; same source and section."""

TICKET_TERMS, CALL_TERMS = 30.0, 300.0
"""The average length that BM25 assumes of a ticket, and of the transcript of a call (five minutes), in terms without stop
words. They are constants, so that a stored vector does not depend on what else is stored."""

STEMMER = "english"
STOP_WORDS = ("English", "French")
FOLD_ACCENTS = True
VERSION = 1
"""To be raised when the output of Qdrant's tokenizer or stemmer changes: stored vectors then differ from new ones."""

WORD = re.compile(r"[^\W_]+")
"""A word, as Qdrant's tokenizer `word` splits a text."""

WORD_LIMIT_CHARS = 64
WORDS_CACHED = 20_000
SHARED_LIMIT_CHARS = 10_000
"""Shared words are looked for in the first 10,000 characters of a text."""


class Terms:
    """Turns texts into weighted terms. One instance serves several threads.

    Args:
        average_terms: The average length of the texts that are stored, in terms.
    """

    def __init__(self, average_terms: float = TICKET_TERMS) -> None:
        languages = {getattr(edge.Language, name) for name in STOP_WORDS}
        config = edge.Bm25Config(
            k=K,
            b=B,
            avg_len=average_terms,
            language=STEMMER,
            ascii_folding=FOLD_ACCENTS,
            stopwords=edge.StopwordsSet(languages=languages),
        )
        self._bm25 = edge.Bm25(config)
        self._of_word = lru_cache(maxsize=WORDS_CACHED)(self._word)

    def of_document(self, text: str) -> SparseVector:
        """Return the terms of a text that will be stored, each with its saturated frequency as weight."""
        return _sparse(self._bm25.embed_document(text))

    def of_query(self, text: str) -> SparseVector:
        """Return the terms of a text that is searched for, each with weight 1."""
        return _sparse(self._bm25.embed_query(text))

    def shared(self, text: str, others: Sequence[str]) -> list[tuple[str, ...]]:
        """Return for each other text the words that it shares with `text`, in lower case, in the order of `text`.

        Words with the same stem are one term, shown as the first of them; stop words are not terms.
        """
        words: dict[int, str] = {}
        for word in WORD.findall(text[:SHARED_LIMIT_CHARS].casefold()):
            for term in self._of_word(word):
                words.setdefault(term, word)
        terms_of = (set(self._bm25.embed_query(other[:SHARED_LIMIT_CHARS]).indices) for other in others)
        return [tuple(word for term, word in words.items() if term in terms) for terms in terms_of]

    def _word(self, word: str) -> tuple[int, ...]:
        return tuple(self._bm25.embed_query(word).indices) if len(word) <= WORD_LIMIT_CHARS else ()


def terms_digest(average_terms: float = TICKET_TERMS) -> str:
    """Return 4 hex digits over everything that changes a stored vector, for the names of collections with terms."""
    relevant = [VERSION, K, B, average_terms, STEMMER, STOP_WORDS, FOLD_ACCENTS]
    return sha256(json.dumps(relevant).encode()).hexdigest()[:4]


def _sparse(vector: edge.SparseVector) -> SparseVector:
    return SparseVector(np.array(vector.indices, np.uint32), np.array(vector.values, np.float32))
