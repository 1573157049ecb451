"""The dense features of a head: the vectors of its inputs, side by side. Training and prediction both use this module.

Each vector is of unit length, or zero if the input is absent. With several inputs, the features are divided by the root
of their number, so that an item with all inputs has features of unit length. With one input, they are its vector.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from shared.embedding.port import Matrix
from shared.records import Vector

TEXT_ALONE = ("text",)
"""The inputs of a head of texts, whose features are the vectors of the texts."""


def stack_vectors(vectors: Sequence[Mapping[str, Vector]], name: str, dim: int) -> Matrix:
    """Return the vectors of one input as rows: shape (n, dim), float32; the row of an absent input is zero.

    Args:
        vectors: The vectors of each item by the name of their input.
        name: The name of the input.
        dim: The length of its vectors.
    """
    rows = np.zeros((len(vectors), dim), np.float32)
    for row, each in enumerate(vectors):
        if name in each:
            rows[row] = each[name]
    return rows


def join_inputs(parts: Sequence[Matrix]) -> Matrix:
    """Return the features of items: shape (n, sum of the dimensions), float32.

    Args:
        parts: The vectors of each input, in the order of the head's inputs: shape (n, dim), float32, rows of unit length
            or zero.
    """
    if len(parts) == 1:
        return parts[0]
    return np.asarray(np.concatenate(parts, axis=1) / np.sqrt(np.float32(len(parts))), np.float32)


def to_compare(features: Matrix, inputs: Sequence[str]) -> Matrix:
    """Return the features with unit rows, so that a product of two of them is a cosine; a row of zeros stays zero.

    Args:
        features: The features: shape (n, dim), float32.
        inputs: The names of the inputs. Features of one input are returned unchanged.
    """
    if len(inputs) == 1:
        return features
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norms, np.finfo(np.float32).tiny), np.float32)
