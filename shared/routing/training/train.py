"""Training of a routing head: held-out examples decide the combination of its parts, its calibration and its thresholds.

1. Five folds, with nearly identical examples in one fold: logistic regression on vectors, support vector machines on
   terms, and, on two of the folds, classifiers on both together and with class weights. Without texts, there are only
   those on vectors, with and without class weights.
2. Each classifier is calibrated; `recipe.py` compares the combinations on the held-out examples.
3. The best combination is fitted on all examples; its held-out answers give the metrics, the thresholds and the probable
   mislabels.
4. Three folds that each leave out a third of the labels teach the scope score how examples of an unknown label look.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.routing.calibration import coverage_at_precision, softmax
from shared.routing.features import TfIdf
from shared.routing.head import Head, Known
from shared.routing.linear import early_stops, fit_dense, fit_joint, fit_logistic, fit_sparse
from shared.routing.scope import UNTRAINED, Scope, fit_scope, threshold_for
from shared.routing.training.folds import (
    Examples,
    Fold,
    HeldOut,
    carried,
    hold_out,
)
from shared.routing.training.near_duplicates import in_groups
from shared.routing.training.plan import Plan
from shared.routing.training.recipe import DENSE, Logits, Recipe, always_kinds, choose_recipe, tried_kinds

TRIED_FOLDS = 2
"""Number of folds on which the other combinations are tried; the joint classifier takes five times as long as the
others."""

LEAST_AUTO, REVIEW_AT = 0.5, 0.4
"""Answers that are right less than half of the time are never routed without review (`LEAST_AUTO`). Below `REVIEW_AT`,
a proposal wastes the reviewer's time."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A head and the results of its training.

    Attributes:
        head: The head, not saved yet.
        recipe: The chosen combination.
        losses: Held-out log loss of each candidate on the folds where all were tried, in nats.
        held_out: Probabilities for every example from a head that has not seen it: shape (n, labels), float32.
        known: Whether that head knew the example's label.
        auto_at: Lowest confidence at which 95 % of the held-out examples are right.
        review_at: Lowest confidence at which a proposal is useful.
        scope_learned: Whether the weights of the scope score were learned; if not, defaults are used.
        near_duplicates: Number of examples that are nearly identical to another one of their label.
    """

    head: Head
    recipe: Recipe
    losses: dict[str, float]
    held_out: NDArray[np.float32]
    known: NDArray[np.bool_]
    auto_at: float
    review_at: float
    scope_learned: bool
    near_duplicates: int


def train(plan: Plan, model: str, done: Callable[[], None]) -> Trained:
    """Train a head.

    Args:
        plan: The examples and their folds.
        model: Fingerprint of the model that computed the vectors; those of several inputs are joined by "+".
        done: Called after each of the plan's steps.
    """
    examples, folds = plan.examples, plan.folds
    always, more = always_kinds(examples), tried_kinds(examples)
    kinds = [(*always, *(more if number < TRIED_FOLDS else ())) for number in range(len(folds))]
    base = hold_out(examples, [Fold(*rows, each) for rows, each in zip(folds, kinds, strict=True)], done)
    recipe, losses = choose_recipe(examples, base)
    if not set(recipe.kinds) <= set(always):
        rest = [Fold(*rows, recipe.kinds) for rows in folds[TRIED_FOLDS:]]
        base = base[:TRIED_FOLDS] + hold_out(examples, rest, lambda: None)
    held_out, known, similarity = _gathered(examples, base, recipe)
    weights = _learn_scope(plan, recipe, done)
    scope = replace(weights or UNTRAINED, threshold=0.0)
    scope = replace(scope, threshold=threshold_for(scope.score(held_out, similarity)[known]))
    head = _fitted(examples, recipe, scope, model)
    done()
    right = held_out.argmax(axis=1) == examples.truth
    auto_at = max(LEAST_AUTO, coverage_at_precision(held_out.max(axis=1)[known], right[known]).threshold)
    return Trained(
        head=head,
        recipe=recipe,
        losses=losses,
        held_out=held_out,
        known=known,
        auto_at=auto_at,
        review_at=min(REVIEW_AT, auto_at),
        scope_learned=weights is not None,
        near_duplicates=in_groups(plan.groups[: len(examples.texts)]),
    )


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


def _learn_scope(plan: Plan, recipe: Recipe, done: Callable[[], None]) -> Scope | None:
    """Learn the scope score's weights; return None if the folds lack in-scope or out-of-scope examples."""
    parts = hold_out(plan.everything, [Fold(*rows, recipe.kinds) for rows in plan.scope_folds], done)
    inside = np.concatenate([np.zeros(0, bool), *(part.known for part in parts)])
    if inside.all() or not inside.any():
        return None
    probabilities = np.concatenate([softmax(recipe.combine(part.logits)) for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    truth = plan.everything.truth[rows]
    sources = np.where(truth < 0, -1 - rows, truth)
    return fit_scope(probabilities, np.concatenate([part.similarity for part in parts]), inside, sources)


def _fitted(examples: Examples, recipe: Recipe, scope: Scope, model: str) -> Head:
    """Fit the chosen combination on all examples, with its temperature multiplied into the weights."""
    terms = TfIdf.fit(examples.texts)
    weighed = terms.weigh(examples.texts)
    labels, dim = len(examples.labels), examples.vectors.shape[1]
    with early_stops():
        if recipe.kind == "joint":
            linear = fit_joint(examples.vectors, weighed, examples.truth, labels)
        elif recipe.kind == "logistic":
            linear = fit_logistic(examples.vectors, weighed, examples.truth, labels)
        elif recipe.kind == DENSE:
            linear = fit_dense(examples.vectors, examples.truth, labels, len(terms), recipe.class_weights)
        else:
            dense = fit_dense(examples.vectors, examples.truth, labels, len(terms), recipe.class_weights)
            sparse = fit_sparse(weighed, examples.truth, labels, dim, recipe.class_weights)
            linear = dense.times(recipe.weight / recipe.dense_temperature).plus(
                sparse.times((1 - recipe.weight) / recipe.sparse_temperature)
            )
    part = examples.part(carried(len(examples.texts)))
    known = Known(part.shown, tuple(examples.labels[label] for label in part.truth), part.compared)
    return Head(
        labels=examples.labels,
        model=model,
        linear=linear.times(1 / recipe.temperature),
        terms=terms,
        scope=scope,
        known=known,
        inputs=examples.inputs,
        dims=examples.dims,
    )
