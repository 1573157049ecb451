"""What training reports about its data: counts, probable mislabels, confused pairs, a digest; and the plots of it.

A green run does not prove that a real mislabel is found: only that one as obvious as these is found, and listed first.
"""

import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree  # the files are Millrace's own

import numpy as np
import pytest

from shared.errors import Fatal
from shared.routing.training import findings
from shared.routing.training.findings import (
    Confused,
    confused,
    confusion,
    data_digest,
    facts_of,
    label_counts,
    mislabels,
    rare_labels,
)
from shared.routing.training.folds import Examples
from shared.routing.training.plan import plan_training
from shared.routing.training.plots import draw
from shared.routing.training.train import Trained, train
from tests.support.labelled import WordModel, examples, support

SHARES = np.array(
    [
        [0.9, 0.1, 0.0],
        [0.8, 0.1, 0.1],
        [0.2, 0.8, 0.0],
        [0.1, 0.9, 0.0],
        [0.3, 0.6, 0.1],
        [0.05, 0.95, 0.0],
        [0.6, 0.4, 0.0],
    ],
    np.float32,
)
TRUTH = np.array([0, 0, 0, 1, 1, 1, 2])
PLOTS = ("confusion.svg", "reliability.svg", "coverage.svg")


@pytest.fixture(scope="module")
def learned() -> Trained:
    return train(plan_training(examples(support(labels=3)), None), WordModel.fingerprint, lambda: None)


def held_out(trained: Trained, labels: tuple[str, ...] = ("a", "b", "c")) -> tuple[Trained, Examples]:
    """Return the answers of `SHARES`, the last of which has a label with no other text."""
    given = Examples(tuple(f"text {row}" for row in range(7)), np.zeros((7, 2), np.float32), TRUTH, labels)
    return replace(trained, held_out=SHARES, known=TRUTH < 2), given


def test_labels_are_counted_and_the_rare_ones_named() -> None:
    given = examples({"many": [f"m {n}" for n in range(10)], "few": [f"f {n}" for n in range(9)], "one": ["o"]})
    assert label_counts(given) == {"few": 9, "many": 10, "one": 1}
    assert rare_labels(given) == ["few", "one"]


def test_the_digest_covers_the_pairs_in_any_order() -> None:
    given = examples({"a": ["x", "y"], "b": ["z"]})
    turned = given.part(np.array([2, 0, 1]))
    assert data_digest(given) == data_digest(turned)
    assert len(data_digest(given)) == 64
    others = [
        {"a": ["x"], "b": ["y", "z"]},
        {"a": ["x", "y"], "c": ["z"]},
        {"a": ["xy"], "b": ["z"]},
        {"ax": ["y"], "b": ["z"]},
    ]
    assert len({data_digest(given), *(data_digest(examples(other)) for other in others)}) == 5


def test_confusion_counts_answers_by_true_and_predicted_label(learned: Trained) -> None:
    answers, given = held_out(learned)
    assert confusion(answers, given).tolist() == [[2, 1, 0], [0, 3, 0], [0, 0, 0]]
    assert confused(answers, given) == [Confused("a", "b", 1, 3)]
    everything = replace(answers, known=np.ones(7, bool))
    assert confused(everything, given) == [Confused("a", "b", 1, 3), Confused("c", "a", 1, 1)]


def test_a_mislabel_has_at_least_the_confidence_usual_for_the_suggested_label(learned: Trained) -> None:
    answers, given = held_out(learned)
    assert SHARES[2, 1] < SHARES[3:6, 1].mean()
    assert mislabels(answers, given) == [], "0.8 is less than texts of b usually get"
    surer = SHARES.copy()
    surer[2] = [0.15, 0.85, 0.0]
    (found,) = mislabels(replace(answers, held_out=surer), given)
    assert (found.text, found.label, found.suggested) == ("text 2", "a", "b")
    assert (found.label_probability, found.suggested_probability) == pytest.approx((0.15, 0.85))


def test_a_label_that_was_never_known_is_never_suggested(learned: Trained) -> None:
    shares = np.array([[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.1, 0.9, 0.0], [0.1, 0.9, 0.0], [0.5, 0.5, 0.0]], np.float32)
    given = Examples(tuple("pqrst"), np.zeros((5, 2), np.float32), np.array([0, 0, 1, 1, 2]), ("a", "b", "c"))
    answers = replace(learned, held_out=shares, known=np.arange(5) < 4)
    assert mislabels(answers, given) == []


def test_planted_mislabels_are_listed_first() -> None:
    drawn = np.random.default_rng(4)
    truth = np.repeat(np.arange(4), 50)
    vectors = drawn.normal(size=(200, 8)) + 2.5 * np.eye(4, 8)[truth]
    unit = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    typical = [int(np.flatnonzero(truth == label)[unit[truth == label, label].argmax()]) for label in range(4)]
    wrong = truth.copy()
    wrong[typical] = (truth[typical] + 1) % 4
    given = Examples(tuple(f"text {row}" for row in drawn.permutation(200)), unit, wrong, tuple("abcd"))
    found = mislabels(train(plan_training(given, None), "30bde1f0", lambda: None), given)
    assert {each.text for each in found[:4]} == {given.texts[row] for row in typical}
    assert {(each.label, each.suggested) for each in found[:4]} == {("b", "a"), ("c", "b"), ("d", "c"), ("a", "d")}
    assert all(each.suggested_probability > each.label_probability for each in found)


def test_the_clearest_mislabels_are_listed_and_all_are_counted(
    learned: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "MISLABELS_LISTED", 2)
    shares = np.array([[0.1, 0.9], [0.05, 0.95], [0.2, 0.8]] + [[0.6, 0.4]] * 3, np.float32)
    given = Examples(tuple("pqrstu"), np.zeros((6, 2), np.float32), np.array([0, 0, 0, 1, 1, 1]), ("a", "b"))
    facts = facts_of(replace(learned, held_out=shares, known=np.ones(6, bool)), given)
    listed = facts["mislabels"]
    assert isinstance(listed, list)
    assert [each["text"] for each in listed] == ["q", "p"]
    assert facts["mislabels_found"] == 6


def test_the_facts_are_the_figures_of_the_held_out_texts(learned: Trained) -> None:
    answers, given = held_out(learned)
    facts = facts_of(answers, given)
    figures = facts["held_out"]
    assert isinstance(figures, dict)
    assert (figures["texts"], figures["accuracy"]) == (6, pytest.approx(5 / 6))
    assert figures["macro_f1"] == pytest.approx((2 * 1 * (2 / 3) / (5 / 3) + 2 * (3 / 4) * 1 / (7 / 4)) / 2)
    assert figures["coverage_at_95_precision"] == pytest.approx(3 / 6), "a mistake has 0.8, and so has a right answer"
    assert facts["rare_labels"] == ["a", "b", "c"]
    assert facts["label_counts"] == {"a": 3, "b": 3, "c": 1}


@pytest.mark.parametrize(
    "labels",
    [("a", "b", "c"), ("$x^{$", "$\\foo$", "<&-->"), ("a\x01", "b\x1b[31m", "c\n\ufffe"), ("カード", "😡", "x" * 128)],
)
def test_plots_are_valid_svg_whatever_the_labels(labels: tuple[str, ...], learned: Trained, tmp_path: Path) -> None:
    answers, given = held_out(learned, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = draw(answers, given, tmp_path)
    assert [path.name for path in drawn] == list(PLOTS)
    for path in drawn:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314


def test_equal_plots_are_equal_files(learned: Trained, tmp_path: Path) -> None:
    answers, given = held_out(learned)
    first = [path.read_bytes() for path in draw(answers, given, tmp_path)]
    assert [path.read_bytes() for path in draw(answers, given, tmp_path)] == first


def test_a_plot_without_confusion_states_it(learned: Trained, tmp_path: Path) -> None:
    answers, given = held_out(learned)
    perfect = replace(answers, held_out=np.eye(3, dtype=np.float32)[TRUTH])
    draw(perfect, given, tmp_path)
    assert "no labels were confused" in (tmp_path / "confusion.svg").read_text(encoding="utf-8")


def test_a_plot_that_cannot_be_written_is_reported(learned: Trained, tmp_path: Path) -> None:
    answers, given = held_out(learned)
    (tmp_path / "confusion.svg").mkdir()
    with pytest.raises(Fatal, match=r"confusion\.svg cannot be written: "):
        draw(answers, given, tmp_path)
