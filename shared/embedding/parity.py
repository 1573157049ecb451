"""How near the vectors of a quantised model are to those of the model that it was made of."""

from dataclasses import dataclass

import numpy as np

from shared.embedding.port import Matrix

NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Parity:
    """The vectors of two models of the same texts, compared.

    Attributes:
        texts: The number of texts.
        mean_cosine: The mean cosine of a text's two vectors.
        least_cosine: The lowest one.
        overlap: The share of the ten nearest other texts that are the same by both models.
    """

    texts: int
    mean_cosine: float
    least_cosine: float
    overlap: float


def compare(exact: Matrix, found: Matrix) -> Parity:
    """Compare the vectors of two models.

    Args:
        exact: Those of one model, shape (n, dim), unit rows, n > 10.
        found: Those of the other model, of the same texts in the same order.
    """
    cosines = np.einsum("ij,ij->i", exact, found)
    near = (_nearest(exact), _nearest(found))
    shared = [len(set(one) & set(other)) for one, other in zip(*near, strict=True)]
    return Parity(len(exact), float(cosines.mean()), float(cosines.min()), float(np.mean(shared)) / NEIGHBOURS)


def _nearest(vectors: Matrix) -> list[list[int]]:
    """Return the positions of the nearest other rows of each row."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found: list[list[int]] = np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS].tolist()
    return found
