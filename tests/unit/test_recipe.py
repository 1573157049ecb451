"""The choice between combinations of classifiers. A green run does not prove that a choice is best on other texts."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.routing.training.folds import Examples, HeldOut, Rows
from shared.routing.training.recipe import LOGISTIC_TEXTS, always_kinds, choose_recipe, tried_kinds
from tests.support.labelled import examples

ROWS, LABELS = 300, 3


def held_out(**logits: NDArray[np.float32]) -> HeldOut:
    """Return the answers of one fold that knows all labels."""
    named = {name.replace("_", " "): value for name, value in logits.items()}
    return HeldOut(np.arange(ROWS), np.ones(ROWS, bool), named, np.ones(ROWS, np.float32))


def answers(truth: Rows, seed: int, noise: float, bonus: float = 0.0) -> NDArray[np.float32]:
    """Return logits that name the right label, with noise; `bonus` prefers the first label."""
    drawn = np.random.default_rng(seed).normal(size=(ROWS, LABELS)) * noise
    drawn[np.arange(ROWS), truth] += 2
    drawn[:, 0] += bonus
    return drawn.astype(np.float32)


@pytest.fixture
def uneven() -> Examples:
    """Return examples in which one label has nearly all texts."""
    return examples(
        {"a": [f"a {n}" for n in range(280)], "b": [f"b {n}" for n in range(10)], "c": [f"c {n}" for n in range(10)]}
    )


def test_class_weights_are_used_if_they_find_rare_labels(uneven: Examples) -> None:
    truth = uneven.truth
    plain, even = answers(truth, 1, 0.3, bonus=4.0), answers(truth, 1, 0.3)
    part = held_out(dense=plain, sparse=plain, joint=plain, weighted_dense=even, weighted_sparse=even)
    recipe, losses = choose_recipe(uneven, [part])
    assert recipe.class_weights
    assert recipe.kinds == ("weighted dense", "weighted sparse")
    assert "blend with class weights" in losses


def test_class_weights_are_not_used_if_they_cost_accuracy(uneven: Examples) -> None:
    truth = uneven.truth
    plain, even = answers(truth, 1, 0.3, bonus=4.0), answers(truth, 1, 0.3, bonus=-2.5)
    part = held_out(dense=plain, sparse=plain, joint=plain, weighted_dense=even, weighted_sparse=even)
    assert not choose_recipe(uneven, [part])[0].class_weights


def test_without_texts_only_vectors_are_compared(uneven: Examples) -> None:
    pictures, truth = replace(uneven, texts=("",) * ROWS), uneven.truth
    plain, even = answers(truth, 1, 0.3, bonus=4.0), answers(truth, 1, 0.3)
    assert (always_kinds(pictures), tried_kinds(pictures)) == (("dense", "weighted dense"), ())
    recipe, losses = choose_recipe(pictures, [held_out(dense=plain, weighted_dense=even)])
    assert (recipe.kind, recipe.kinds, recipe.class_weights) == ("dense", ("weighted dense",), True)
    assert set(losses) == {"dense", "dense with class weights"}
    kept, _ = choose_recipe(pictures, [held_out(dense=even, weighted_dense=even)])
    assert (kept.kinds, kept.class_weights) == (("dense",), False)
    assert np.allclose(kept.combine({"dense": even}), even / kept.temperature)


def test_vectors_of_even_labels_are_fitted_without_class_weights() -> None:
    pictures = replace(examples({label: ["x"] * 10 for label in "abc"}), texts=("",) * 30)
    assert always_kinds(pictures) == ("dense",)


def test_class_weights_are_used_for_a_label_with_a_single_text() -> None:
    given = examples(
        {label: [f"{label} {n}" for n in range(count)] for label, count in (("a", 200), ("b", 99), ("c", 1))}
    )
    same = answers(given.truth, 1, 0.3)
    part = held_out(dense=same, sparse=same, joint=same, weighted_dense=same, weighted_sparse=same)
    assert choose_recipe(given, [part])[0].class_weights, "held-out figures cannot show whether they help it"


def test_the_combination_with_the_lowest_loss_is_chosen(uneven: Examples) -> None:
    truth = uneven.truth
    weak, strong = answers(truth, 2, 3.0), answers(truth, 3, 0.1)
    recipe, losses = choose_recipe(uneven, [held_out(dense=weak, sparse=weak, joint=weak, logistic=strong)])
    assert recipe.kind == "logistic"
    assert min(losses, key=lambda name: losses[name]) == "logistic"


def test_what_is_tried_depends_on_the_file() -> None:
    even = {"a": [f"a {n}" for n in range(10)], "b": [f"b {n}" for n in range(10)]}
    assert tried_kinds(examples(even)) == ("joint", "logistic")
    assert tried_kinds(examples(even | {"c": ["c 1", "c 2"]})) == (
        "joint",
        "logistic",
        "weighted dense",
        "weighted sparse",
    )
    many = {"a": [f"a {n}" for n in range(LOGISTIC_TEXTS)], "b": [f"b {n}" for n in range(LOGISTIC_TEXTS)]}
    assert tried_kinds(examples(many)) == ("joint",)
