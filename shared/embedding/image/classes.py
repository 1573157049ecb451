"""The classes that a model of pictures was trained on, computed from its vectors; no library of models is known here."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shared.embedding.port import Matrix, Model, Pixels


@dataclass(frozen=True, slots=True, eq=False)
class ClassHead:
    """The last layer of a classifier, which is linear on the features whose direction is the vector.

    The length of the features is not stored with a vector. The median length takes its place: the likeliest class is
    nearly always the same (docs/models.md has the share), while probabilities are a little too even or too uneven.

    Attributes:
        names: What the classes are called, as WordNet does: `jersey, T-shirt, tee shirt`.
        weight: Shape (number of classes, dim).
        bias: Shape (number of classes,).
        feature_norm: The median length of the features, from the model's card.
    """

    names: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    feature_norm: float

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the probability of each class for each vector.

        Args:
            vectors: Vectors of the model, fresh or stored, shape (n, dim), of unit length.

        Returns:
            Shape (n, number of classes); each row has the sum 1 (softmax).
        """
        return softmax((vectors * self.feature_norm) @ self.weight.T + self.bias)


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the softmax of each row: the same shape, float32; each row has the sum 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), np.float32)


@runtime_checkable
class ClassifyingModel(Model[Pixels], Protocol):
    """A model of pictures that may know classes."""

    @property
    def class_head(self) -> ClassHead | None:
        """The classes that the model was trained on; None if its card does not name them."""
        ...
