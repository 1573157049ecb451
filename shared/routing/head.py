"""A trained routing head: its predictions and their explanation. `head_files.py` reads and writes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.embedding.port import IMAGE, Matrix
from shared.errors import Fatal
from shared.records import Vector
from shared.routing.calibration import softmax
from shared.routing.features import TfIdf
from shared.routing.inputs import TEXT_ALONE, join_inputs, stack_vectors, to_compare
from shared.routing.linear import Linear
from shared.routing.scope import Scope, nearest


@dataclass(frozen=True, slots=True)
class Known:
    """Training examples that new items are compared with.

    Attributes:
        texts: What each example is shown as: its text as prepared for the model, with personal data masked, or the name
            of its picture.
        labels: The label of each example.
        vectors: Their dense features: shape (n, dim), float32, unit rows.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Matrix


@dataclass(frozen=True, slots=True)
class Predictions:
    """A head's predictions for some items.

    Attributes:
        probabilities: Shape (n, labels), float32, calibrated, each row sums to 1.
        similarity: Cosine to the nearest training example: shape (n,), float32.
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
        bias: How much the first label is preferred to the second independently of the item, in logits.
        dense: How much the vector supports the first label over the second, in logits.
        terms: The terms with the largest weight for or against the first label, in logits, largest first.
        nearest: The most similar training examples: cosine, label, what each is shown as (see `Known`).
    """

    shares: tuple[tuple[str, float], ...]
    scope: float
    bias: float
    dense: float
    terms: tuple[tuple[str, float], ...]
    nearest: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """A calibrated linear classifier on the vectors and the terms of an item, and a score of whether any label fits it.

    Attributes:
        labels: The labels, in the order of the columns.
        model: Fingerprint of the embedding model whose vectors it was trained on; those of several inputs are joined by
            "+", in the order of the inputs.
        linear: The classifier.
        terms: The sparse features.
        scope: The weights and the threshold of the scope score.
        known: Training examples that new items are compared with.
        facts: The findings of training, as written to `head.json`.
        fingerprint: 8 hex digits over everything that can change an answer.
        inputs: Names of the inputs whose vectors are its dense features, in their order.
        dims: Lengths of the vectors of several inputs; empty for one input.
    """

    labels: tuple[str, ...]
    model: str
    linear: Linear
    terms: TfIdf
    scope: Scope
    known: Known
    facts: Mapping[str, object] = field(default_factory=dict)
    fingerprint: str = ""
    inputs: tuple[str, ...] = TEXT_ALONE
    dims: tuple[int, ...] = ()

    @property
    def scope_at(self) -> float:
        """The score below which an item is out of scope."""
        return self.scope.threshold

    def check_model(self, fingerprints: Mapping[str, str]) -> None:
        """Check that vectors come from the models that the head was trained on.

        Args:
            fingerprints: The fingerprint of the model of each input that items may have; of the first one all have a
                vector, so that a head must decide by it.

        Raises:
            Fatal: the head was trained on another model's vectors, on an input that the items do not have, or not on the
                first one.
        """
        first = next(iter(fingerprints))
        if first not in self.inputs:
            raise Fatal(f"the head decides by {', '.join(self.inputs)} alone; here it must decide by the {first}")
        missing = [name for name in self.inputs if name not in fingerprints]
        if missing:
            raise Fatal(
                f"the head was trained on the inputs {', '.join(self.inputs)}, but here is no {missing[0]}: "
                f"choose another head, or train one on what is here with {_trainer(fingerprints)}"
            )
        configured = "+".join(fingerprints[name] for name in self.inputs)
        if configured != self.model:
            raise Fatal(
                f"the head was trained on model {self.model}, but the configured model is {configured}: "
                f"train the head again with {_trainer(self.inputs)}"
            )

    def features(self, vectors: Sequence[Mapping[str, Vector]]) -> Matrix:
        """Return the dense features of items: shape (n, dim), float32.

        Args:
            vectors: The vectors of each item by the name of their input; an absent input counts as zeros.
        """
        dims = self.dims or (len(self.linear.dense),)
        parts = zip(self.inputs, dims, strict=True)
        return join_inputs([stack_vectors(vectors, name, dim) for name, dim in parts])

    def predict(self, texts: Sequence[str], features: Matrix) -> Predictions:
        """Return the predictions for items.

        Args:
            texts: Their texts as prepared for the model; an item without a text has an empty one.
            features: Their dense features: shape (n, dim), float32.
        """
        if not texts:
            nothing = np.zeros(0, np.float32)
            return Predictions(np.zeros((0, len(self.labels)), np.float32), nothing, nothing)
        probabilities = softmax(self.linear.logits(features, self.terms.weigh(texts)))
        _, similarity = nearest(to_compare(features, self.inputs), self.known.vectors)
        return Predictions(probabilities, similarity, self.scope.score(probabilities, similarity))

    def explain(self, text: str, features: Vector, limit: int) -> Explanation:
        """Return the reasons for an answer: terms and training examples, at most `limit` of each.

        Args:
            text: The text as prepared for the model.
            features: The dense features: shape (dim,), float32.
            limit: The largest number of terms, and of examples.
        """
        row = features[None, :]
        answer = self.predict([text], row)
        shares = answer.probabilities[0]
        order = np.argsort(-shares, kind="stable")
        first, second = order[0], order[1]
        weighed = self.terms.weigh([text]).tocoo()
        weights = weighed.data * (self.linear.sparse[weighed.col, first] - self.linear.sparse[weighed.col, second])
        largest = np.argsort(-np.abs(weights), kind="stable")[:limit]
        cosines = self.known.vectors @ to_compare(row, self.inputs)[0]
        near = np.argsort(-cosines, kind="stable")[:limit]
        return Explanation(
            shares=tuple((self.labels[label], float(shares[label])) for label in order),
            scope=float(answer.scope[0]),
            bias=float(self.linear.bias[first] - self.linear.bias[second]),
            dense=float(features @ (self.linear.dense[:, first] - self.linear.dense[:, second])),
            terms=tuple((self.terms[weighed.col[each]], float(weights[each])) for each in largest),
            nearest=tuple((float(cosines[n]), self.known.labels[n], self.known.texts[n]) for n in near),
        )


def _trainer(inputs: Iterable[str]) -> str:
    """Return the command that trains heads on these inputs, by name."""
    return f"`millrace {'classes' if IMAGE.name in inputs else 'router'} train`"
