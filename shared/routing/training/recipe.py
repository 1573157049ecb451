"""How the classifiers of a head are combined: the candidates, and the choice between them on held-out texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from shared.routing.calibration import fit_temperature, log_loss, softmax
from shared.routing.training.folds import Examples, HeldOut, Rows

Logits = NDArray[np.float32]

BLENDS = tuple(tenth / 10 for tenth in range(11))
"""Candidate weights of the dense part; 0 is the sparse part alone, 1 the dense part alone."""

UNEVEN = 2
"""Class weights are tried if the largest label has at least this many times the texts of the smallest."""

GAIN_IN_F1, LOSS_IN_ACCURACY = 0.01, 0.01
"""Class weights are used if the held-out macro F1 gains at least the first, and accuracy loses at most the second."""

SCARCE = 2
"""Labels with at most this many texts hardly count in held-out figures. Without class weights, a label with one text was
almost never predicted (`docs/accuracy.md`), so they are used if such a label exists and accuracy allows it."""

DENSE = "dense"
"""The only kind of recipe for examples without texts."""

LOGISTIC_TEXTS = 2_000
"""With more texts, the logistic classifier is not tried: a fit takes minutes, and the others were as good."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the parts are combined, and their temperatures.

    Attributes:
        kind: `blend` (a weighted sum of calibrated logits), one classifier on vectors and terms side by side: `joint`
            (support vector machines) or `logistic` (logistic regression), or `dense` (logistic regression on vectors),
            if there are no terms.
        weight: Weight of the dense part of a blend, 0 to 1; the sparse part has the rest.
        dense_temperature: Calibrates the dense part by itself.
        sparse_temperature: Calibrates the sparse part by itself.
        temperature: Calibrates the combination.
        class_weights: Whether each label counts the same in the fits of a blend or of vectors, however many texts it has.
    """

    kind: str
    weight: float
    dense_temperature: float
    sparse_temperature: float
    temperature: float
    class_weights: bool = False

    def combine(self, logits: Mapping[str, Logits]) -> Logits:
        """Return the calibrated logits of the combination."""
        if self.kind != "blend":
            return np.asarray(logits[self.kinds[0]] / self.temperature, np.float32)
        dense, sparse = self.kinds
        return np.asarray(
            blend(logits[dense] / self.dense_temperature, logits[sparse] / self.sparse_temperature, self.weight)
            / self.temperature,
            np.float32,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The classifiers that the recipe needs."""
        blended = blended_kinds(self.class_weights)
        return blended if self.kind == "blend" else blended[:1] if self.kind == DENSE else (self.kind,)


def blended_kinds(class_weights: bool) -> tuple[str, str]:
    """Return the classifiers of a blend, with or without class weights."""
    return ("weighted dense", "weighted sparse") if class_weights else ("dense", "sparse")


def blend(dense: Logits, sparse: Logits, weight: float) -> Logits:
    """Return the weighted sum of two calibrated logits."""
    return np.asarray(weight * dense + (1 - weight) * sparse, np.float32)


def always_kinds(examples: Examples) -> tuple[str, ...]:
    """Return the classifiers that are fitted on every fold: those of a blend; of vectors alone all that are compared."""
    if examples.has_texts:
        return blended_kinds(class_weights=False)
    return (DENSE, f"weighted {DENSE}") if _is_uneven(examples) else (DENSE,)


def _is_uneven(examples: Examples) -> bool:
    counts = np.bincount(examples.truth, minlength=len(examples.labels))
    return bool(counts.max() >= UNEVEN * counts[counts > 0].min())


def tried_kinds(examples: Examples) -> tuple[str, ...]:
    """Return the classifiers that are tried on a few folds, in addition to a blend without class weights."""
    if not examples.has_texts:
        return ()
    uneven, small = _is_uneven(examples), len(examples.texts) <= LOGISTIC_TEXTS
    return ("joint", *(("logistic",) if small else ()), *(blended_kinds(class_weights=True) if uneven else ()))


def choose_recipe(examples: Examples, held_out: Sequence[HeldOut]) -> tuple[Recipe, dict[str, float]]:
    """Compare the combinations by held-out log loss; return the best one and all losses, in nats.

    Class weights are judged by macro F1 and accuracy, not by log loss: they change how much each label counts, so they
    are right for another mixture of labels than that of the file.
    """
    if not examples.has_texts:
        return _choose_dense(examples, held_out)
    tried = [part for part in held_out if "joint" in part.logits]
    truth, logits = stacked(examples, tried)
    recipes: dict[str, Recipe] = {f"blend {weight:.1f}": _blend_of(logits, truth, weight, False) for weight in BLENDS}
    for kind in ("joint", "logistic"):
        if kind in logits:
            recipes[kind] = Recipe(kind, 0.0, 1.0, 1.0, fit_temperature(logits[kind], truth))
    losses = {name: log_loss(softmax(recipe.combine(logits)), truth) for name, recipe in recipes.items()}
    best = recipes[min(losses, key=lambda name: losses[name])]
    if blended_kinds(class_weights=True)[0] in logits:
        weighted = {weight: _blend_of(logits, truth, weight, True) for weight in BLENDS}
        found = {weight: log_loss(softmax(each.combine(logits)), truth) for weight, each in weighted.items()}
        even = weighted[min(found, key=lambda weight: found[weight])]
        losses["blend with class weights"] = min(found.values())
        if _helps(even.combine(logits), best.combine(logits), truth, _has_scarce(examples)):
            return even, losses
    if best.kind == "blend":  # its calibration can use all folds
        truth, logits = stacked(examples, held_out)
        best = _blend_of(logits, truth, best.weight, False)
    return best, losses


def _choose_dense(examples: Examples, held_out: Sequence[HeldOut]) -> tuple[Recipe, dict[str, float]]:
    """Choose between vectors with and without class weights, on all folds."""
    truth, logits = stacked(examples, held_out)
    plain, *weighted = (
        Recipe(DENSE, 1.0, 1.0, 1.0, fit_temperature(logits[kind], truth), class_weights=kind != DENSE)
        for kind in always_kinds(examples)
    )
    losses = {DENSE: log_loss(softmax(plain.combine(logits)), truth)}
    for even in weighted:
        losses[f"{DENSE} with class weights"] = log_loss(softmax(even.combine(logits)), truth)
        if _helps(even.combine(logits), plain.combine(logits), truth, _has_scarce(examples)):
            return even, losses
    return plain, losses


def _has_scarce(examples: Examples) -> bool:
    return bool((np.bincount(examples.truth) <= SCARCE).any())


def stacked(examples: Examples, parts: Sequence[HeldOut]) -> tuple[Rows, dict[str, Logits]]:
    """Return truth and logits of the rows whose label their fold knew, for the kinds that all parts have."""
    kinds = set.intersection(*(set(part.logits) for part in parts))
    truth = np.concatenate([examples.truth[part.rows[part.known]] for part in parts])
    return truth, {kind: np.concatenate([part.logits[kind][part.known] for part in parts]) for kind in kinds}


def _blend_of(logits: Mapping[str, Logits], truth: Rows, weight: float, class_weights: bool) -> Recipe:
    dense, sparse = (logits[kind] for kind in blended_kinds(class_weights))
    one, other = fit_temperature(dense, truth), fit_temperature(sparse, truth)
    return Recipe(
        "blend", weight, one, other, fit_temperature(blend(dense / one, sparse / other, weight), truth), class_weights
    )


def _helps(weighted: Logits, plain: Logits, truth: Rows, scarce: bool) -> bool:
    """Return whether class weights raise macro F1, or a label is scarce, and accuracy is not much lower."""
    ours, theirs = (logits.argmax(axis=1) for logits in (weighted, plain))
    gain = f1_score(truth, ours, average="macro", zero_division=0.0) - f1_score(
        truth, theirs, average="macro", zero_division=0.0
    )
    return bool(
        (scarce or gain >= GAIN_IN_F1) and (theirs == truth).mean() - (ours == truth).mean() <= LOSS_IN_ACCURACY
    )
