"""A trained routing head: what it answers about a text, and why. How it is stored is in `head_files.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.embedding.port import Matrix
from shared.errors import Fatal
from shared.routing.calibration import softmax
from shared.routing.features import TfIdf
from shared.routing.linear import Linear
from shared.routing.scope import Scope, nearest


@dataclass(frozen=True, slots=True)
class Known:
    """Training texts that new ones are compared with.

    Attributes:
        texts: As prepared for the model: personal data is masked.
        labels: The label of each.
        vectors: Shape (n, dim), float32, unit rows.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Matrix


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a head says of some texts.

    Attributes:
        probabilities: Shape (n, labels), float32, calibrated, rows summing to 1.
        similarity: Cosine to the nearest training text: shape (n,), float32.
        scope: Shape (n,), float32: 1 is surely in scope, below the head's threshold it is out of scope.
    """

    probabilities: NDArray[np.float32]
    similarity: NDArray[np.float32]
    scope: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a head prefers one label to the next.

    Attributes:
        shares: All labels with their probability, best first.
        scope: See `Predictions`.
        bias: How much the first label is preferred to the second whatever the text, in logits.
        dense: How much the vector speaks for the first label against the second, in logits.
        terms: The terms that speak loudest for the first label or against it, in logits, loudest first.
        nearest: The most similar training texts: cosine, label, text.
    """

    shares: tuple[tuple[str, float], ...]
    scope: float
    bias: float
    dense: float
    terms: tuple[tuple[str, float], ...]
    nearest: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Linear on the vector and on the terms of a text, calibrated, with a score of whether it belongs to any label.

    Attributes:
        labels: In the order of the columns.
        model: Fingerprint of the embedding model whose vectors it was trained on.
        facts: What training found, as it stands in `head.json`.
        fingerprint: 8 hex digits over all that changes an answer.
    """

    labels: tuple[str, ...]
    model: str
    linear: Linear
    terms: TfIdf
    scope: Scope
    known: Known
    facts: Mapping[str, object] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def scope_at(self) -> float:
        """The score below which a text is out of scope."""
        return self.scope.threshold

    def check_model(self, fingerprint: str) -> None:
        """Refuse vectors of another model.

        Raises:
            Fatal: the head was trained on another model's vectors.
        """
        if fingerprint != self.model:
            raise Fatal(f"the head was trained on model {self.model}, this is {fingerprint}: train it again")

    def predict(self, texts: Sequence[str], vectors: Matrix) -> Predictions:
        """Answer for texts.

        Args:
            texts: As prepared for the model.
            vectors: Their vectors by the head's model: shape (n, dim), float32, unit rows.
        """
        if not texts:
            nothing = np.zeros(0, np.float32)
            return Predictions(np.zeros((0, len(self.labels)), np.float32), nothing, nothing)
        probabilities = softmax(self.linear.logits(vectors, self.terms.weigh(texts)))
        _, similarity = nearest(vectors, self.known.vectors)
        return Predictions(probabilities, similarity, self.scope.score(probabilities, similarity))

    def explain(self, text: str, vector: NDArray[np.float32], limit: int) -> Explanation:
        """Say why: terms and training texts, at most `limit` of each."""
        row = vector[None, :]
        answer = self.predict([text], row)
        shares = answer.probabilities[0]
        order = np.argsort(-shares, kind="stable")
        first, second = order[0], order[1]
        weighed = self.terms.weigh([text]).tocoo()
        speaks = weighed.data * (self.linear.sparse[weighed.col, first] - self.linear.sparse[weighed.col, second])
        loudest = np.argsort(-np.abs(speaks), kind="stable")[:limit]
        cosines = self.known.vectors @ vector
        near = np.argsort(-cosines, kind="stable")[:limit]
        return Explanation(
            shares=tuple((self.labels[label], float(shares[label])) for label in order),
            scope=float(answer.scope[0]),
            bias=float(self.linear.bias[first] - self.linear.bias[second]),
            dense=float(vector @ (self.linear.dense[:, first] - self.linear.dense[:, second])),
            terms=tuple((self.terms[weighed.col[each]], float(speaks[each])) for each in loudest),
            nearest=tuple((float(cosines[n]), self.known.labels[n], self.known.texts[n]) for n in near),
        )
