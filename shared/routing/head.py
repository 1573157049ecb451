"""A trained routing head: its predictions and their explanation. `head_files.py` reads and writes it."""

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
        texts: The texts as prepared for the model, with personal data masked.
        labels: The label of each text.
        vectors: Shape (n, dim), float32, unit rows.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Matrix


@dataclass(frozen=True, slots=True)
class Predictions:
    """A head's predictions for some texts.

    Attributes:
        probabilities: Shape (n, labels), float32, calibrated, each row sums to 1.
        similarity: Cosine to the nearest training text: shape (n,), float32.
        scope: Shape (n,), float32: 1 is certainly in scope, a score below the head's threshold is out of scope.
    """

    probabilities: NDArray[np.float32]
    similarity: NDArray[np.float32]
    scope: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a head prefers the first label to the second.

    Attributes:
        shares: All labels with their probability, best first.
        scope: See `Predictions`.
        bias: How much the first label is preferred to the second independently of the text, in logits.
        dense: How much the vector supports the first label over the second, in logits.
        terms: The terms with the largest weight for or against the first label, in logits, largest first.
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
    """A calibrated linear classifier on the vector and the terms of a text, with a score of whether any label fits it.

    Attributes:
        labels: The labels, in the order of the columns.
        model: Fingerprint of the embedding model whose vectors it was trained on.
        linear: The classifier.
        terms: The sparse features.
        scope: The weights and the threshold of the scope score.
        known: Training texts that new texts are compared with.
        facts: The findings of training, as written to `head.json`.
        fingerprint: 8 hex digits over everything that can change an answer.
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
        """Check that vectors come from the model that the head was trained on.

        Raises:
            Fatal: the head was trained on another model's vectors.
        """
        if fingerprint != self.model:
            raise Fatal(
                f"the head was trained on model {self.model}, but the configured model is {fingerprint}: "
                "train the head again"
            )

    def predict(self, texts: Sequence[str], vectors: Matrix) -> Predictions:
        """Return the predictions for texts.

        Args:
            texts: The texts as prepared for the model.
            vectors: Their vectors by the head's model: shape (n, dim), float32, unit rows.
        """
        if not texts:
            nothing = np.zeros(0, np.float32)
            return Predictions(np.zeros((0, len(self.labels)), np.float32), nothing, nothing)
        probabilities = softmax(self.linear.logits(vectors, self.terms.weigh(texts)))
        _, similarity = nearest(vectors, self.known.vectors)
        return Predictions(probabilities, similarity, self.scope.score(probabilities, similarity))

    def explain(self, text: str, vector: NDArray[np.float32], limit: int) -> Explanation:
        """Return the reasons for an answer: terms and training texts, at most `limit` of each."""
        row = vector[None, :]
        answer = self.predict([text], row)
        shares = answer.probabilities[0]
        order = np.argsort(-shares, kind="stable")
        first, second = order[0], order[1]
        weighed = self.terms.weigh([text]).tocoo()
        weights = weighed.data * (self.linear.sparse[weighed.col, first] - self.linear.sparse[weighed.col, second])
        largest = np.argsort(-np.abs(weights), kind="stable")[:limit]
        cosines = self.known.vectors @ vector
        near = np.argsort(-cosines, kind="stable")[:limit]
        return Explanation(
            shares=tuple((self.labels[label], float(shares[label])) for label in order),
            scope=float(answer.scope[0]),
            bias=float(self.linear.bias[first] - self.linear.bias[second]),
            dense=float(vector @ (self.linear.dense[:, first] - self.linear.dense[:, second])),
            terms=tuple((self.terms[weighed.col[each]], float(weights[each])) for each in largest),
            nearest=tuple((float(cosines[n]), self.known.labels[n], self.known.texts[n]) for n in near),
        )
