"""Cross-validation: no classifier is judged on texts that it learned, and the folds are the same each time.

A green run does not prove that rewordings are found; `test_near_duplicates.py` covers that.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from shared.routing.linear import fit_dense
from shared.routing.training import folds
from shared.routing.training.folds import (
    FOLDS,
    Examples,
    Fold,
    Rows,
    carried,
    hold_out,
    stratified,
    unseen,
    without_labels,
)
from tests.support.labelled import DIM, examples, outside, support

SHARED = ["one text of two labels", "another text of two labels", "a third"]


def contested() -> Examples:
    """Return examples in which some texts occur under several labels."""
    texts = support(labels=6, per_label=7)
    return examples({label: [*own, *SHARED] if label < "f" else own for label, own in texts.items()})


def bare(counts: Mapping[str, int]) -> Examples:
    """Return N texts of each label, by the given counts."""
    return examples({label: [f"{label} {number}" for number in range(count)] for label, count in counts.items()})


def same(one: Sequence[tuple[Rows, Rows]], other: Sequence[tuple[Rows, Rows]]) -> bool:
    """Whether two lists of folds are equal."""
    return all((a == b).all() for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True))


def parts_of(given: Examples) -> list[tuple[Rows, Rows]]:
    """Return the stratified folds, with groups of identical texts."""
    return stratified(given, identical(given))


def label_parts_of(given: Examples) -> list[tuple[Rows, Rows]]:
    """Return the folds without labels, with groups of identical texts."""
    return without_labels(given, identical(given))


def identical(given: Examples) -> Rows:
    """Return groups of identical texts."""
    return np.unique(given.texts, return_inverse=True)[1].astype(np.intp)


def texts_of(given: Examples, rows: Rows) -> set[str]:
    """Return the texts of some rows."""
    return {given.texts[row] for row in rows}


def test_every_row_is_held_out_once_and_labels_are_spread_evenly() -> None:
    given = bare({"a": 50, "b": 10, "c": 7})
    parts = parts_of(given)
    assert len(parts) == FOLDS
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(67))
    for training, held_out in parts:
        assert sorted([*training, *held_out]) == list(range(67))
        assert np.bincount(given.truth[held_out])[:2].tolist() == [10, 2]


def test_no_text_is_both_learned_and_held_out() -> None:
    given = contested()
    assert len(set(given.texts)) < len(given.texts)
    for training, held_out in [*parts_of(given), *label_parts_of(given)]:
        assert not texts_of(given, training) & texts_of(given, held_out)
    assert sorted(np.concatenate([held_out for _, held_out in parts_of(given)])) == list(range(len(given.texts)))


def test_the_folds_are_the_same_each_time() -> None:
    given = contested()
    assert same(parts_of(given), parts_of(contested()))
    assert same(label_parts_of(given), label_parts_of(contested()))


@pytest.mark.parametrize(("counts", "expected"), [({"a": 2, "b": 2}, 2), ({"a": 3, "b": 2}, 3), ({"a": 90, "b": 1}, 5)])
def test_there_are_no_more_folds_than_texts_of_the_largest_label(counts: dict[str, int], expected: int) -> None:
    assert len(parts_of(bare(counts))) == expected


def test_a_rare_label_is_learned_whenever_another_text_of_it_is_held_out() -> None:
    given = bare({"a": 40, "b": 40, "rare": 2})
    for training, held_out in parts_of(given):
        assert (given.truth[held_out] == 2).sum() <= 1
        assert (given.truth[training] == 2).any()


def test_labels_left_out_are_never_learned_and_each_is_left_out_once() -> None:
    given = bare(dict.fromkeys("abcdefgh", 10))
    left_out = []
    for training, held_out in label_parts_of(given):
        learned = set(given.truth[training])
        unknown = set(given.truth[held_out]) - learned
        left_out += sorted(unknown)
        for label in unknown:
            assert (given.truth[held_out] == label).sum() == 10, "every text of it is held out"
        known = np.isin(given.truth[held_out], list(learned))
        assert known.sum() == (len(training) + known.sum()) // FOLDS
    assert sorted(left_out) == list(range(8))


def test_a_group_is_never_on_both_sides_of_a_fold() -> None:
    given = bare(dict.fromkeys("abcdefgh", 12))
    groups = np.arange(len(given.texts)) // 3
    for training, held_out in [*stratified(given, groups), *without_labels(given, groups)]:
        assert not set(groups[training]) & set(groups[held_out])
    held_out = np.concatenate([held_out for _, held_out in stratified(given, groups)])
    assert sorted(held_out) == list(range(len(given.texts)))


def test_strangers_are_held_out_in_every_fold() -> None:
    inside = bare(dict.fromkeys("abcdef", 5))
    given = inside.joined(outside(["stranger", "b 1"], inside))
    for training, held_out in label_parts_of(given):
        assert not (given.truth[training] < 0).any()
        assert "stranger" in texts_of(given, held_out)
        assert not texts_of(given, training) & texts_of(given, held_out), "a stranger may be a known text"


def test_a_text_that_is_learned_is_not_judged() -> None:
    given = examples({"a": ["x", "y"], "b": ["x", "z"]})
    training, held_out = unseen(given, np.array([0, 1]), np.array([2, 3]))
    assert (training.tolist(), held_out.tolist()) == ([0, 1], [3])


def test_a_head_carries_all_texts_or_as_many_as_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folds, "KNOWN_TEXTS", 20)
    assert carried(20).tolist() == list(range(20))
    assert carried(0).shape == (0,)
    drawn = carried(1_000)
    assert (len(set(drawn)), len(drawn)) == (20, 20)
    assert sorted(drawn) == drawn.tolist() == carried(1_000).tolist()
    assert drawn.max() > 500


def test_classifiers_answer_for_the_rows_they_have_not_seen() -> None:
    given = examples(support(labels=3))
    reported: list[int] = []
    parts = parts_of(given)
    results = hold_out(given, [Fold(*rows, ("dense", "sparse", "joint")) for rows in parts], lambda: reported.append(1))
    assert len(reported) == len(parts) == len(results)
    for (_, held_out), result in zip(parts, results, strict=True):
        assert (result.rows == held_out).all()
        assert result.known.all()
        assert {kind: logits.shape for kind, logits in result.logits.items()} == dict.fromkeys(
            ("dense", "sparse", "joint"), (len(held_out), 3)
        )
        assert (result.logits["sparse"].argmax(axis=1) == given.truth[held_out]).mean() > 0.9
        assert ((result.similarity > 0) & (result.similarity <= 1.0001)).all()


def test_an_unknown_label_and_a_stranger_are_marked_as_such() -> None:
    inside = examples(support(labels=3))
    given = inside.joined(outside(["quite another thing"], inside))
    training = np.flatnonzero((given.truth == 0) | (given.truth == 1))
    held_out = np.flatnonzero((given.truth == 2) | (given.truth < 0))
    asked = np.append(held_out, training[0])
    (result,) = hold_out(given, [Fold(training[1:], asked, ("dense",))], lambda: None)
    assert result.known.tolist() == [False] * len(held_out) + [True]
    assert set(result.logits) == {"dense"}


def test_similarity_is_to_the_texts_that_a_head_would_carry_not_to_all_it_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = Examples(("a", "b", "c", "d"), np.eye(4, DIM, dtype=np.float32), np.array([0, 0, 1, 1]), ("x", "y"))
    fold = Fold(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]), ("dense",))
    monkeypatch.setattr(folds, "KNOWN_TEXTS", 3)
    (result,) = hold_out(given, [fold], lambda: None)
    assert result.similarity.sum() == 3, "one of the four is not carried"


def test_concurrent_fits_that_stop_early_are_silent() -> None:
    drawn = np.random.default_rng(2)
    rough = (drawn.normal(size=(60, DIM)) * np.logspace(0, 4, DIM)).astype(np.float32)
    given = Examples(tuple(f"text {row}" for row in range(60)), rough, drawn.integers(0, 3, 60), ("a", "b", "c"))
    with pytest.raises(ConvergenceWarning):
        fit_dense(rough, given.truth, 3, terms=0)
    assert len(hold_out(given, [Fold(*rows, ("dense",)) for rows in parts_of(given) * 2], lambda: None)) == 2 * FOLDS
    with pytest.raises(ConvergenceWarning):
        fit_dense(rough, given.truth, 3, terms=0)
