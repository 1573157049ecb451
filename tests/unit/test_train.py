"""Training on small made-up texts: what is chosen, what is folded into the head, and the effects of too little data.

A green run does not prove that a head is good on real tickets (`tests/golden/test_banking77_head.py`), nor how long
training takes on many of them.
"""

from collections.abc import Callable

import numpy as np
import pytest

from shared.errors import Fatal
from shared.routing.calibration import coverage_at_precision
from shared.routing.linear import fit_dense, fit_joint, fit_logistic, fit_sparse
from shared.routing.scope import UNTRAINED
from shared.routing.training import folds as folding
from shared.routing.training import train as training
from shared.routing.training.folds import Examples, HeldOut
from shared.routing.training.plan import plan_training
from shared.routing.training.recipe import Recipe
from shared.routing.training.train import LEAST_AUTO, REVIEW_AT, Trained, train
from tests.support.labelled import DIM, WordModel, examples, outside, sentences, support

MODEL = WordModel.fingerprint
STRANGERS = [f"the weather in spring {number} is mild and sunny" for number in range(12)]


def nothing() -> None:
    """Do nothing after a step."""


@pytest.fixture(scope="module")
def given() -> Examples:
    return examples(support())


@pytest.fixture(scope="module")
def trained(given: Examples) -> Trained:
    return train(plan_training(given, None), MODEL, nothing)


def test_new_texts_of_the_labels_are_distinguished(trained: Trained) -> None:
    new = examples(support(seed=1))
    answers = trained.head.predict(new.texts, new.vectors)
    assert (answers.probabilities.argmax(axis=1) == new.truth).mean() > 0.95
    assert trained.head.labels == new.labels
    assert trained.head.model == MODEL
    assert trained.known.all()
    assert trained.held_out.shape == (len(new.texts), 8)


def test_out_of_scope_texts_score_below_in_scope_texts(trained: Trained) -> None:
    head, new, far = trained.head, examples(support(seed=1)), WordModel().embed(STRANGERS).vectors
    assert trained.scope_learned
    inside, beyond = head.predict(new.texts, new.vectors).scope, head.predict(STRANGERS, far).scope
    assert np.median(beyond) < np.median(inside)
    assert (inside < head.scope_at).mean() < 0.1


def test_the_thresholds_come_from_the_held_out_texts(trained: Trained, given: Examples) -> None:
    right = trained.held_out.argmax(axis=1) == given.truth
    reached = coverage_at_precision(trained.held_out.max(axis=1), right)
    assert trained.auto_at == max(LEAST_AUTO, reached.threshold)
    assert trained.review_at == min(REVIEW_AT, trained.auto_at)


def test_the_combination_with_the_least_loss_is_chosen(trained: Trained) -> None:
    least = min(trained.losses, key=lambda name: trained.losses[name])
    chosen = trained.recipe.kind if trained.recipe.kind != "blend" else f"blend {trained.recipe.weight:.1f}"
    assert chosen == least
    assert len(trained.losses) == 13
    assert all(np.isfinite(loss) and loss > 0 for loss in trained.losses.values())


@pytest.mark.parametrize("informative", ["dense", "sparse"])
def test_a_part_without_information_does_not_spoil_the_other(informative: str) -> None:
    drawn = np.random.default_rng(11)
    truth = np.repeat(np.arange(3), 40)
    noise = drawn.normal(size=(120, DIM))
    vectors = noise + 6 * np.eye(3, DIM)[truth] if informative == "dense" else noise
    words = np.array(["alpha", "bravo", "charlie"])[truth if informative == "sparse" else drawn.integers(3, size=120)]
    texts = tuple(f"{word} {number:04d}" for number, word in zip(drawn.permutation(120), words, strict=True))
    unit = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    found = train(plan_training(Examples(texts, unit, truth, ("a", "b", "c")), None), MODEL, nothing)
    knowing, ignorant = ("blend 1.0", "blend 0.0") if informative == "dense" else ("blend 0.0", "blend 1.0")
    assert min(found.losses.values()) <= found.losses[knowing] < 0.5 * found.losses[ignorant]
    assert found.losses[ignorant] == pytest.approx(np.log(3), abs=0.1), "it is calibrated to equal shares"
    assert (found.held_out.argmax(axis=1) == truth).mean() > 0.95


@pytest.mark.parametrize(
    ("kind", "weights"), [("blend", False), ("blend", True), ("joint", False), ("logistic", False)]
)
def test_the_weights_of_the_head_follow_the_recipe(kind: str, weights: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = support(labels=4)
    given = examples({label: own[: 3 if label == "account" else None] for label, own in texts.items()})
    recipe = Recipe(kind, 0.3, dense_temperature=0.8, sparse_temperature=0.4, temperature=1.7, class_weights=weights)
    monkeypatch.setattr(training, "choose_recipe", lambda *_: (recipe, {}))
    head = train(plan_training(given, None), MODEL, nothing).head
    weighed, labels = head.terms.weigh(given.texts), len(given.labels)
    parts = {
        "dense": fit_dense(given.vectors, given.truth, labels, weighed.shape[1]),
        "sparse": fit_sparse(weighed, given.truth, labels, DIM),
        "joint": fit_joint(given.vectors, weighed, given.truth, labels),
        "logistic": fit_logistic(given.vectors, weighed, given.truth, labels),
        "weighted dense": fit_dense(given.vectors, given.truth, labels, weighed.shape[1], class_weights=True),
        "weighted sparse": fit_sparse(weighed, given.truth, labels, DIM, class_weights=True),
    }
    new = examples(support(labels=4, seed=1))
    asked = head.terms.weigh(new.texts)
    expected = recipe.combine({name: part.logits(new.vectors, asked) for name, part in parts.items()})
    np.testing.assert_allclose(head.linear.logits(new.vectors, asked), expected, atol=1e-4)


def test_if_joint_is_chosen_every_text_is_judged_by_joint(monkeypatch: pytest.MonkeyPatch) -> None:
    given, kinds = examples(support(labels=3)), []
    recipe = Recipe("joint", 0.0, 1.0, 1.0, temperature=0.5)
    monkeypatch.setattr(training, "choose_recipe", lambda *_: (recipe, {}))

    def noted(given: Examples, folds: list[folding.Fold], done: Callable[[], None]) -> list[HeldOut]:
        kinds.append([fold.kinds for fold in folds])
        return folding.hold_out(given, folds, done)

    monkeypatch.setattr(training, "hold_out", noted)
    found = train(plan_training(given, None), MODEL, nothing)
    all_kinds = ("dense", "sparse", "joint", "logistic")
    assert kinds[:2] == [[all_kinds] * 2 + [("dense", "sparse")] * 3, [("joint",)] * 3]
    np.testing.assert_allclose(found.held_out.sum(axis=1), 1, atol=1e-5)
    assert (found.held_out.argmax(axis=1) == given.truth).mean() > 0.9


@pytest.mark.parametrize("strangers", [[], STRANGERS])
@pytest.mark.parametrize("labels", [2, 8])
def test_each_step_is_reported_and_the_scope_is_learned_if_possible(labels: int, strangers: list[str]) -> None:
    given = examples(support(labels=labels))
    beyond = outside(strangers, given) if strangers else None
    reported: list[int] = []
    found = train(plan_training(given, beyond), MODEL, lambda: reported.append(1))
    assert len(reported) == plan_training(given, beyond).steps
    assert found.scope_learned == (labels == 8 or bool(strangers))
    if not found.scope_learned:
        assert (found.head.scope.spread, found.head.scope.nearness) == (UNTRAINED.spread, UNTRAINED.nearness)
    assert 0 < found.head.scope_at < 1
    assert len(found.head.known.texts) == len(given.texts), "strangers are not carried"


def test_known_strangers_train_the_scope_score() -> None:
    given = examples(support(labels=3))
    found = train(plan_training(given, outside(STRANGERS, given)), MODEL, nothing)
    new = examples(support(labels=3, seed=1))
    far = [text.replace("spring", "autumn") for text in STRANGERS]
    inside = found.head.predict(new.texts, new.vectors).scope
    beyond = found.head.predict(far, WordModel().embed(far).vectors).scope
    assert (inside >= found.head.scope_at).mean() > 0.9
    assert (beyond < found.head.scope_at).mean() > 0.9


def test_a_label_with_one_text_is_learned_but_not_judged() -> None:
    texts = support(labels=3) | {"unique": ["nothing like the others whatsoever"]}
    given = examples(texts)
    found = train(plan_training(given, None), MODEL, nothing)
    assert (~found.known).sum() == 1
    assert given.labels[given.truth[~found.known][0]] == "unique"
    answer = found.head.predict(given.texts[-1:], given.vectors[-1:])
    assert found.head.labels[answer.probabilities[0].argmax()] == "unique"


@pytest.mark.parametrize(
    "texts",
    [
        {"a": ["p", "q"], "b": ["r", "s"]},
        {"a": ["!!", "??"], "b": ["..", ",,"]},
        {"a": ["same", "texts"], "b": ["same", "texts"]},
        {"a": ["x 1", "x 2"], "b": ["y 1", "y 2"], "c": ["z"], "d": ["u"], "e": ["v"], "f": ["w"]},
        {label: [f"{label} 1", f"{label} 2", "shared"] for label in "abcdef"},
        {"a": ["word " * 2_000, "b" * 20_000], "b": ["", "short"]},
    ],
    ids=["four letters", "no term", "every text contested", "labels of one text", "one text everywhere", "huge"],
)
def test_unusual_training_sets_still_give_a_head(texts: dict[str, list[str]]) -> None:
    given = examples(texts)
    found = train(plan_training(given, None), MODEL, nothing)
    answers = found.head.predict(given.texts, given.vectors)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.isfinite(answers.scope).all()
    assert 0 <= found.review_at <= found.auto_at <= 1


def test_four_texts_do_not_make_a_head_certain() -> None:
    given = examples({"a": ["red red", "red rose"], "b": ["blue blue", "blue sky"]})
    answers = train(plan_training(given, None), MODEL, nothing).head.predict(given.texts, given.vectors)
    assert answers.probabilities.max() < 0.99


@pytest.mark.parametrize(
    "texts",
    [{}, {"a": ["x"]}, {"a": ["x", "y", "z"]}, {"a": ["x", "y"], "b": ["z"]}, {"a": ["x"], "b": ["y"], "c": ["z"]}],
)
def test_too_little_data_is_refused_with_what_is_needed(texts: dict[str, list[str]]) -> None:
    enough = sum(len(each) > 1 for each in texts.values())
    with pytest.raises(Fatal, match=f"but only {enough} of the {len(texts)} labels has two texts"):
        train(plan_training(examples(texts), None), MODEL, nothing)


def test_the_same_examples_give_the_same_weights(trained: Trained, given: Examples) -> None:
    again = train(plan_training(given, None), MODEL, nothing)
    assert again.recipe == trained.recipe
    assert again.head.scope == trained.head.scope
    for name in ("dense", "sparse", "bias"):
        assert (getattr(again.head.linear, name) == getattr(trained.head.linear, name)).all()


def test_a_head_carries_no_more_texts_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "KNOWN_TEXTS", 9)
    given = examples({"card": sentences("card", 12), "fees": sentences("fees", 12)})
    known = train(plan_training(given, None), MODEL, nothing).head.known
    pairs = dict(zip(given.texts, (given.labels[label] for label in given.truth), strict=True))
    assert len(set(known.texts)) == len(known.labels) == len(known.vectors) == 9
    assert [pairs[text] for text in known.texts] == list(known.labels)
    np.testing.assert_array_equal(known.vectors, WordModel().embed(known.texts).vectors)
