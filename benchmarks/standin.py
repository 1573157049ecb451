"""A stand-in for the encoder, as fast as a GPU would be: the cost of everything else remains."""

from collections.abc import Sequence

import numpy as np

from shared.embedding.port import Embeddings

DIM = 384


class StandInModel:
    """Random unit vectors of MiniLM's dimension. They mean nothing; only the cost around them is measured."""

    fingerprint = "57a0d100"
    dim = DIM

    def __init__(self) -> None:
        self._rng = np.random.default_rng(7)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return random vectors."""
        drawn = self._rng.standard_normal((len(texts), DIM), np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return Embeddings(drawn, (1,) * len(texts), len(texts))

    def probe(self) -> None:
        """Do nothing."""
