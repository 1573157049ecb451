"""What a training will do: the folds whose texts are held out, known before the first classifier is fitted."""

from dataclasses import dataclass

import numpy as np

from shared.errors import Fatal
from shared.routing.training.folds import Examples, Rows, stratified, unseen, without_labels
from shared.routing.training.near_duplicates import group_near_duplicates

LEAST_SCOPE_LABELS = 6
"""With fewer labels, the scope score is not learned from labels that are left out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The texts of a training and their folds.

    Attributes:
        examples: Labelled texts.
        everything: The labelled texts and, after them, those known to belong to no label.
        groups: The group of near-duplicates of each text of `everything`: shape (n,).
        folds: Rows of `examples` to learn from and to hold out.
        scope_folds: Rows of `everything` from which the scope score is learned; empty if it cannot be learned.
    """

    examples: Examples
    everything: Examples
    groups: Rows
    folds: list[tuple[Rows, Rows]]
    scope_folds: list[tuple[Rows, Rows]]

    @property
    def steps(self) -> int:
        """How often `train` reports a step."""
        return len(self.folds) + len(self.scope_folds) + 1


def plan_training(examples: Examples, outside: Examples | None) -> Plan:
    """Return the plan of a training.

    Args:
        examples: Labelled texts; no text occurs twice under one label.
        outside: Texts known to belong to no label, or None; their `truth` is ignored.

    Raises:
        Fatal: there are too few labels or texts to learn from.
    """
    _check(examples)
    everything = examples if outside is None else examples.joined(outside)
    groups = group_near_duplicates(everything)
    folds = stratified(examples, groups[: len(examples.texts)])
    return Plan(examples, everything, groups, folds, _scope_folds(everything, groups))


def _scope_folds(everything: Examples, groups: Rows) -> list[tuple[Rows, Rows]]:
    """Return the folds that the scope score is learned from; empty with few labels and no out-of-scope texts."""
    if len(everything.labels) >= LEAST_SCOPE_LABELS:
        return without_labels(everything, groups)
    outside = np.flatnonzero(everything.truth < 0)
    if not len(outside):
        return []
    inside = np.flatnonzero(everything.truth >= 0)
    training, held_out = stratified(everything.part(inside), groups[inside])[0]
    return [unseen(everything, training, np.concatenate([held_out, outside]))]


def _check(examples: Examples) -> None:
    counts = np.bincount(examples.truth, minlength=len(examples.labels))
    enough = int((counts >= 2).sum())
    if enough < 2:
        raise Fatal(
            f"training needs at least two labels with two different texts each, but only {enough} of the "
            f"{len(examples.labels)} labels has two texts: add labelled texts"
        )
