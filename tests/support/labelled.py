"""Small labelled sets and a stand-in model for tests of the routing head: texts that share words have near vectors.

What they do not show: how a real model spreads real tickets; `tests/golden/test_banking77_head.py` does.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np

from shared.embedding.port import Embeddings, Matrix
from shared.routing.training.folds import Examples

DIM = 24

SUBJECTS = {
    "account": ("password", "login", "profile", "username"),
    "card": ("card", "pin", "contactless", "magstripe"),
    "delivery": ("parcel", "courier", "tracking", "doorstep"),
    "fees": ("charge", "fee", "commission", "overdraft"),
    "orders": ("order", "basket", "checkout", "quantity"),
    "refund": ("refund", "reimburse", "moneyback", "chargeback"),
    "transfer": ("transfer", "iban", "payee", "remittance"),
    "travel": ("hotel", "flight", "passport", "luggage"),
}
OPENINGS = (
    "please help with my",
    "there is trouble with the",
    "I ask about this",
    "why is it so slow:",
    "what about my",
)


class WordModel:
    """Vectors that are the sum of their words' random vectors: shape (n, DIM), float32, unit rows."""

    fingerprint = "30bde1f0"
    dim = DIM

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Embed the texts; a text without a word gets the vector of the empty word."""
        rows = np.array([np.sum([_drawn(word) for word in text.split() or [""]], axis=0) for text in texts])
        vectors = rows.reshape(len(texts), DIM)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = np.asarray(vectors / lengths, np.float32)
        return Embeddings(unit, (1,) * len(texts), sum(len(text.split()) for text in texts))

    def probe(self) -> None:
        """Do nothing."""


def sentences(label: str, count: int, seed: int = 0) -> list[str]:
    """Return `count` different made-up texts about a label of `SUBJECTS`."""
    drawn = np.random.default_rng([seed, sorted(SUBJECTS).index(label)])
    words = SUBJECTS[label]
    return [
        f"{OPENINGS[drawn.integers(len(OPENINGS))]} {' '.join(drawn.choice(words, 2, replace=False))} case{seed}{number}"
        for number in range(count)
    ]


def support(labels: int = len(SUBJECTS), per_label: int = 10, seed: int = 0) -> dict[str, list[str]]:
    """Return made-up texts by label, for the first `labels` labels."""
    return {label: sentences(label, per_label, seed) for label in sorted(SUBJECTS)[:labels]}


def examples(texts: Mapping[str, Sequence[str]], vectors: Matrix | None = None) -> Examples:
    """Return labelled texts with the stand-in's vectors, or with the given ones."""
    labels = tuple(sorted(texts))
    rows = [(text, label) for label in labels for text in texts[label]]
    flat = tuple(text for text, _ in rows)
    truth = np.array([labels.index(label) for _, label in rows], np.intp)
    return Examples(flat, WordModel().embed(flat).vectors if vectors is None else vectors, truth, labels)


def outside(texts: Sequence[str], inside: Examples) -> Examples:
    """Return texts that do not belong to any of the labels."""
    return Examples(tuple(texts), WordModel().embed(texts).vectors, np.full(len(texts), -1, np.intp), inside.labels)


def _drawn(word: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    seed = int.from_bytes(sha256(word.encode(errors="surrogatepass")).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=DIM)
