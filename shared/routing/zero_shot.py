"""What names labels where nothing is trained and nothing is labelled: the interface that the decider uses."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.embedding.port import Matrix


class ZeroShot(Protocol):
    """Judges labels by their names alone."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the columns."""
        ...

    @property
    def using(self) -> str:
        """The name of the vector that it judges, such as `image`."""
        ...

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the probability of each label: shape (n, labels), float32, each row sums to at most 1.

        What is missing from 1 is the probability that no label fits, if the method knows it.

        Args:
            vectors: Shape (n, dim), float32, unit rows.
        """
        ...
