"""Cross-validation: the answers of each classifier on texts it has not seen, with the same folds each time."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from os import cpu_count
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from shared.embedding.port import Matrix
from shared.routing.features import TfIdf
from shared.routing.inputs import TEXT_ALONE, to_compare
from shared.routing.linear import early_stops, fit_dense, fit_joint, fit_logistic, fit_sparse
from shared.routing.scope import nearest

FOLDS = 5
SCOPE_GROUPS = 3
SEED = 0
LIBLINEAR = ("sparse", "joint", "weighted sparse")
"""The classifiers that liblinear fits; it has one random generator per process, so two fits in parallel would disturb
each other's draws."""

KNOWN_TEXTS = 10_000
"""Number of training texts that a head stores for comparison: 8 MB in half precision at 384 dimensions, 0.1 ms per text
on two cores."""

Rows = NDArray[np.intp]


class Origin(NamedTuple):
    """The file that an example was read from, such as a picture.

    Attributes:
        name: Its name, as findings show it.
        digest: SHA-256 of its content, in hex.
        product: The product that it shows; empty if unknown.
    """

    name: str
    digest: str
    product: str = ""


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled texts, or labelled items of which a text is at most a part.

    Attributes:
        texts: The texts as prepared for the model; empty for an item without a text.
        vectors: The dense features (`shared/routing/inputs.py`): shape (n, dim), float32.
        truth: Index of each text's label in `labels`, shape (n,); -1 if the text belongs to no label.
        labels: The labels, sorted.
        inputs: Names of the inputs whose vectors are the features, in their order.
        dims: Lengths of the vectors of several inputs; empty for one input.
        origins: The file of each example; empty if the texts are all there is.
    """

    texts: tuple[str, ...]
    vectors: Matrix
    truth: Rows
    labels: tuple[str, ...]
    inputs: tuple[str, ...] = TEXT_ALONE
    dims: tuple[int, ...] = ()
    origins: tuple[Origin, ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[str], vectors: Matrix) -> "Examples":
        """Return examples from texts and the names of their labels."""
        names = tuple(sorted(set(labels)))
        columns = {name: column for column, name in enumerate(names)}
        return cls(tuple(texts), vectors, np.array([columns[label] for label in labels], np.intp), names)

    @property
    def has_texts(self) -> bool:
        """Whether any example has a text, which may have terms."""
        return any(self.texts)

    @property
    def compared(self) -> Matrix:
        """The features with unit rows, for cosines: shape (n, dim), float32."""
        return to_compare(self.vectors, self.inputs)

    @property
    def contents(self) -> tuple[str, ...]:
        """What each example consists of: examples of equal content are the same item."""
        if not self.origins:
            return self.texts
        return tuple(f"{origin.digest} {text}" for origin, text in zip(self.origins, self.texts, strict=True))

    @property
    def files(self) -> tuple[str, ...]:
        """What each example was read from: examples of one file show the same; the texts, if they are all there is."""
        return tuple(origin.digest for origin in self.origins) if self.origins else self.texts

    @property
    def products(self) -> tuple[str, ...]:
        """The product of each example, which may have several; an example of its own if it is unknown."""
        return tuple(origin.product or f"\0{row}" for row, origin in enumerate(self.origins))

    @property
    def first_input(self) -> Matrix:
        """The vectors of the first input: shape (n, dim), float32, unit rows."""
        width = self.dims[0] if self.dims else self.vectors.shape[1]
        return to_compare(self.vectors[:, :width], self.inputs)

    @property
    def shown(self) -> tuple[str, ...]:
        """What each example is shown as: its text, or its file and its text."""
        if not self.origins:
            return self.texts
        named = zip(self.origins, self.texts, strict=True)
        return tuple(f"{origin.name}: {text}" if text else origin.name for origin, text in named)

    def part(self, rows: Rows) -> "Examples":
        """Return the examples of some rows; the list of labels stays the same."""
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows),
            vectors=self.vectors[rows],
            truth=self.truth[rows],
            origins=tuple(self.origins[row] for row in rows) if self.origins else (),
        )

    def joined(self, outside: "Examples") -> "Examples":
        """Return these examples followed by items of the same inputs that belong to no label."""
        return replace(
            self,
            texts=self.texts + outside.texts,
            vectors=np.concatenate([self.vectors, outside.vectors]),
            truth=np.concatenate([self.truth, np.full(len(outside.texts), -1)]),
            origins=self.origins + outside.origins,
        )


@dataclass(frozen=True, slots=True)
class Fold:
    """Training and held-out rows, and the classifiers to fit: some of those that `_held_out` names."""

    training: Rows
    held_out: Rows
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The answers of a fold's classifiers for its held-out rows.

    Attributes:
        rows: Indices of the held-out examples.
        known: Whether the training part had the row's label.
        logits: By kind of classifier: shape (rows, labels), float32.
        similarity: Cosine of each row to the nearest training text that a head would store: shape (rows,), float32.
    """

    rows: Rows
    known: NDArray[np.bool_]
    logits: dict[str, NDArray[np.float32]]
    similarity: NDArray[np.float32]


def stratified(examples: Examples, groups: Rows) -> list[tuple[Rows, Rows]]:
    """Return training and held-out rows of each fold, with every label spread evenly over the folds.

    Args:
        examples: The examples.
        groups: The number of each text's group, shape (n,); the texts of a group are held out together.
    """
    largest = max(len(np.unique(groups[examples.truth == label])) for label in np.unique(examples.truth))
    splitter = StratifiedGroupKFold(max(2, min(FOLDS, largest)), shuffle=True, random_state=SEED)
    fold_of = np.zeros(len(examples.texts), np.intp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about labels with fewer texts than folds, which training reports
        for number, (_, held_out) in enumerate(splitter.split(examples.vectors, examples.truth, groups)):
            fold_of[held_out] = number
    return [(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)) for number in np.unique(fold_of)]


def without_labels(examples: Examples, groups: Rows) -> list[tuple[Rows, Rows]]:
    """Return folds for the scope score, each without a third of the labels.

    A fold's held-out part has all texts of its third of the labels, all texts that belong to no label, and a fifth of
    the other texts. Its training part has no text of a group that is held out; `groups` is as in `stratified`.
    """
    drawn = np.random.default_rng(SEED)
    order = drawn.permutation(len(examples.labels))
    folds = []
    for group in range(SCOPE_GROUPS):
        outside = np.isin(examples.truth, order[group::SCOPE_GROUPS]) | (examples.truth < 0)
        inside = np.flatnonzero(~outside)
        inside = inside[np.argsort(drawn.permutation(groups.max() + 1)[groups[inside]], kind="stable")]
        held_out, rest = np.split(inside, [len(inside) // FOLDS])
        training = rest[~np.isin(groups[rest], groups[held_out])]
        folds.append(unseen(examples, training, np.concatenate([held_out, np.flatnonzero(outside)])))
    return folds


def unseen(examples: Examples, training: Rows, held_out: Rows) -> tuple[Rows, Rows]:
    """Return the rows of a fold without the held-out ones whose content also occurs in training under another label."""
    contents = examples.contents
    learned = {contents[row] for row in training}
    return training, np.array([row for row in held_out if contents[row] not in learned], np.intp)


def carried(count: int) -> Rows:
    """Return the rows of the training texts that a head stores: all, or `KNOWN_TEXTS` drawn at random."""
    rows = np.arange(count)
    return (
        rows if count <= KNOWN_TEXTS else np.sort(np.random.default_rng(SEED).choice(rows, KNOWN_TEXTS, replace=False))
    )


def hold_out(examples: Examples, folds: Sequence[Fold], done: Callable[[], None]) -> list[HeldOut]:
    """Fit and apply the classifiers of every fold, on all cores; `done` is called after each fold."""
    alone = Lock()
    # One core per fold is faster than two cores on one fold.
    with early_stops(), threadpool_limits(1), ThreadPoolExecutor(cpu_count()) as pool:
        results = []
        for result in pool.map(lambda fold: _held_out(examples, fold, alone), folds):
            results.append(result)
            done()
    return results


def _held_out(examples: Examples, fold: Fold, alone: Lock) -> HeldOut:
    training, held_out = examples.part(fold.training), examples.part(fold.held_out)
    terms = TfIdf.fit(training.texts)
    learned, asked = terms.weigh(training.texts), terms.weigh(held_out.texts)
    labels, dim = len(examples.labels), examples.vectors.shape[1]
    fits = {
        "dense": lambda: fit_dense(training.vectors, training.truth, labels, len(terms)),
        "sparse": lambda: fit_sparse(learned, training.truth, labels, dim),
        "joint": lambda: fit_joint(training.vectors, learned, training.truth, labels),
        "logistic": lambda: fit_logistic(training.vectors, learned, training.truth, labels),
        "weighted dense": lambda: fit_dense(training.vectors, training.truth, labels, len(terms), class_weights=True),
        "weighted sparse": lambda: fit_sparse(learned, training.truth, labels, dim, class_weights=True),
    }
    logits = {}
    for kind in fold.kinds:
        with alone if kind in LIBLINEAR else nullcontext():
            fitted = fits[kind]()
        logits[kind] = fitted.logits(held_out.vectors, asked)
    known = np.isin(held_out.truth, training.truth)
    compared = training.compared[carried(len(fold.training))]
    return HeldOut(fold.held_out, known, logits, nearest(held_out.compared, compared)[1])
