"""Training of a routing head: held-out texts decide the combination of its parts, its calibration and its thresholds.

1. Five folds: logistic regression on vectors, support vector machines on terms, and, on two of the folds, support
   vector machines on both together.
2. Each classifier is calibrated; blends of the first two and the joint one are compared by held-out log loss.
3. The best combination is fitted on all texts; its held-out answers give the metrics, the thresholds and the probable
   mislabels.
4. Three folds that each leave out a third of the labels teach the scope score how texts of an unknown label look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.errors import Fatal
from shared.routing.calibration import coverage_at_precision, fit_temperature, log_loss, softmax
from shared.routing.features import TfIdf
from shared.routing.head import Head, Known
from shared.routing.linear import early_stops, fit_dense, fit_joint, fit_sparse
from shared.routing.scope import UNTRAINED, Scope, fit_scope, threshold_for
from shared.routing.training.folds import (
    Examples,
    Fold,
    HeldOut,
    Rows,
    carried,
    hold_out,
    stratified,
    unseen,
    without_labels,
)

Logits = NDArray[np.float32]

JOINT_FOLDS = 2
"""Number of folds on which the joint classifier is tried; it takes five times as long as the others."""

BLENDS = tuple(tenth / 10 for tenth in range(11))
"""Candidate weights of the dense part; 0 is the sparse part alone, 1 the dense part alone."""

LEAST_SCOPE_LABELS = 6
LEAST_AUTO, REVIEW_AT = 0.5, 0.4
"""Answers that are right less than half of the time are never routed without review (`LEAST_AUTO`). Below `REVIEW_AT`,
a proposal wastes the reviewer's time."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the parts are combined: `blend` (a weighted sum of calibrated logits) or `joint`, and their temperatures.

    Attributes:
        kind: `blend` or `joint`.
        weight: Weight of the dense part of a blend, 0 to 1; the sparse part has the rest.
        dense_temperature: Calibrates the dense part by itself.
        sparse_temperature: Calibrates the sparse part by itself.
        temperature: Calibrates the combination.
    """

    kind: str
    weight: float
    dense_temperature: float
    sparse_temperature: float
    temperature: float

    def combine(self, logits: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the calibrated logits of the combination."""
        if self.kind == "joint":
            return np.asarray(logits["joint"] / self.temperature, np.float32)
        blended = _blend(logits, self.weight, self.dense_temperature, self.sparse_temperature)
        return np.asarray(blended / self.temperature, np.float32)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The classifiers that the recipe needs."""
        return ("joint",) if self.kind == "joint" else ("dense", "sparse")


@dataclass(frozen=True, slots=True)
class Trained:
    """A head and the results of its training.

    Attributes:
        head: The head, not saved yet.
        recipe: The chosen combination.
        losses: Held-out log loss of each candidate on the folds where all were tried, in nats.
        held_out: Probabilities for every example from a head that has not seen it: shape (n, labels), float32.
        known: Whether that head knew the example's label.
        auto_at: Lowest confidence at which 95 % of the held-out texts are right.
        review_at: Lowest confidence at which a proposal is useful.
        scope_learned: Whether the weights of the scope score were learned; if not, defaults are used.
    """

    head: Head
    recipe: Recipe
    losses: dict[str, float]
    held_out: NDArray[np.float32]
    known: NDArray[np.bool_]
    auto_at: float
    review_at: float
    scope_learned: bool


def train(examples: Examples, outside: Examples | None, model: str, done: Callable[[], None]) -> Trained:
    """Train a head.

    Args:
        examples: Labelled texts; no text occurs twice under one label.
        outside: Texts known to belong to no label, or None; their `truth` is ignored.
        model: Fingerprint of the model that computed the vectors.
        done: Called after each of the steps that `steps` counts.

    Raises:
        Fatal: there are too few labels or texts to learn from.
    """
    _check(examples)
    folds = stratified(examples)
    base = hold_out(examples, [Fold(*rows, _kinds(number)) for number, rows in enumerate(folds)], done)
    recipe, losses = choose_recipe(examples, base)
    if recipe.kind == "joint":
        rest = [Fold(*rows, ("joint",)) for rows in folds[JOINT_FOLDS:]]
        base = base[:JOINT_FOLDS] + hold_out(examples, rest, lambda: None)
    held_out, known, similarity = _gathered(examples, base, recipe)
    everything = examples if outside is None else examples.joined(outside)
    weights = _learn_scope(everything, _scope_folds(everything), recipe, done)
    scope = replace(weights or UNTRAINED, threshold=0.0)
    scope = replace(scope, threshold=threshold_for(scope.score(held_out, similarity)[known]))
    head = _fitted(examples, recipe, scope, model)
    done()
    right = held_out.argmax(axis=1) == examples.truth
    auto_at = max(LEAST_AUTO, coverage_at_precision(held_out.max(axis=1)[known], right[known]).threshold)
    return Trained(head, recipe, losses, held_out, known, auto_at, min(REVIEW_AT, auto_at), weights is not None)


def steps(examples: Examples, outside: Examples | None) -> int:
    """Return how often `train` calls `done` for these examples.

    Raises:
        Fatal: there are too few labels or texts to learn from.
    """
    _check(examples)
    everything = examples if outside is None else examples.joined(outside)
    return len(stratified(examples)) + len(_scope_folds(everything)) + 1


def choose_recipe(examples: Examples, held_out: Sequence[HeldOut]) -> tuple[Recipe, dict[str, float]]:
    """Compare the combinations by held-out log loss; return the best one and all losses, in nats."""
    tried = [part for part in held_out if "joint" in part.logits]
    truth, logits = _stacked(examples, held_out)
    some_truth, some_logits = _stacked(examples, tried)
    dense, sparse = (fit_temperature(logits[kind], truth) for kind in ("dense", "sparse"))
    weights = {f"blend {weight:.1f}": weight for weight in BLENDS}
    losses: dict[str, float] = {}
    for name, weight in weights.items():
        blended = _blend(some_logits, weight, dense, sparse)
        losses[name] = log_loss(softmax(blended, fit_temperature(blended, some_truth)), some_truth)
    joint = fit_temperature(some_logits["joint"], some_truth)
    losses["joint"] = log_loss(softmax(some_logits["joint"], joint), some_truth)
    best = min(losses, key=lambda name: losses[name])
    if best == "joint":
        return Recipe("joint", 0.0, dense, sparse, joint), losses
    temperature = fit_temperature(_blend(logits, weights[best], dense, sparse), truth)
    return Recipe("blend", weights[best], dense, sparse, temperature), losses


def _kinds(number: int) -> tuple[str, ...]:
    return ("dense", "sparse", "joint") if number < JOINT_FOLDS else ("dense", "sparse")


def _blend(logits: dict[str, Logits], weight: float, dense: float, sparse: float) -> Logits:
    return np.asarray(weight / dense * logits["dense"] + (1 - weight) / sparse * logits["sparse"], np.float32)


def _stacked(examples: Examples, parts: Sequence[HeldOut]) -> tuple[Rows, dict[str, Logits]]:
    """Return truth and logits of the rows whose label their fold knew, for the kinds that all parts have."""
    kinds = set.intersection(*(set(part.logits) for part in parts))
    truth = np.concatenate([examples.truth[part.rows[part.known]] for part in parts])
    return truth, {kind: np.concatenate([part.logits[kind][part.known] for part in parts]) for kind in kinds}


def _gathered(
    examples: Examples, parts: Sequence[HeldOut], recipe: Recipe
) -> tuple[Logits, NDArray[np.bool_], NDArray[np.float32]]:
    """Return the probabilities, whether each label was known, and the similarity, in the order of the examples."""
    probabilities = np.zeros((len(examples.texts), len(examples.labels)), np.float32)
    known, similarity = np.zeros(len(examples.texts), bool), np.zeros(len(examples.texts), np.float32)
    for part in parts:
        probabilities[part.rows] = softmax(recipe.combine(part.logits))
        known[part.rows], similarity[part.rows] = part.known, part.similarity
    return probabilities, known, similarity


def _scope_folds(everything: Examples) -> list[tuple[Rows, Rows]]:
    """Return the folds that the scope score is learned from; empty with few labels and no out-of-scope texts."""
    if len(everything.labels) >= LEAST_SCOPE_LABELS:
        return without_labels(everything)
    outside = np.flatnonzero(everything.truth < 0)
    if not len(outside):
        return []
    training, held_out = stratified(everything.part(np.flatnonzero(everything.truth >= 0)))[0]
    return [unseen(everything, training, np.concatenate([held_out, outside]))]


def _learn_scope(
    everything: Examples, folds: Sequence[tuple[Rows, Rows]], recipe: Recipe, done: Callable[[], None]
) -> Scope | None:
    """Learn the scope score's weights; return None if the folds lack in-scope or out-of-scope texts."""
    parts = hold_out(everything, [Fold(*rows, recipe.kinds) for rows in folds], done)
    inside = np.concatenate([np.zeros(0, bool), *(part.known for part in parts)])
    if inside.all() or not inside.any():
        return None
    probabilities = np.concatenate([softmax(recipe.combine(part.logits)) for part in parts])
    return fit_scope(probabilities, np.concatenate([part.similarity for part in parts]), inside)


def _fitted(examples: Examples, recipe: Recipe, scope: Scope, model: str) -> Head:
    """Fit the chosen combination on all examples, with its temperature multiplied into the weights."""
    terms = TfIdf.fit(examples.texts)
    weighed = terms.weigh(examples.texts)
    labels, dim = len(examples.labels), examples.vectors.shape[1]
    with early_stops():
        if recipe.kind == "joint":
            linear = fit_joint(examples.vectors, weighed, examples.truth, labels)
        else:
            dense = fit_dense(examples.vectors, examples.truth, labels, len(terms))
            sparse = fit_sparse(weighed, examples.truth, labels, dim)
            linear = dense.times(recipe.weight / recipe.dense_temperature).plus(
                sparse.times((1 - recipe.weight) / recipe.sparse_temperature)
            )
    part = examples.part(carried(len(examples.texts)))
    known = Known(part.texts, tuple(examples.labels[label] for label in part.truth), part.vectors)
    return Head(examples.labels, model, linear.times(1 / recipe.temperature), terms, scope, known)


def _check(examples: Examples) -> None:
    counts = np.bincount(examples.truth, minlength=len(examples.labels))
    enough = int((counts >= 2).sum())
    if enough < 2:
        raise Fatal(
            f"training needs at least two labels with two different texts each, but only {enough} of the "
            f"{len(examples.labels)} labels has two texts: add labelled texts"
        )
