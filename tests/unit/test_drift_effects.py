"""The effect of broad changes, of changes of vectors alone, of failures and of a first or removed head.

A green run does not prove that a topic is rightly called new in real texts: `benchmarks/drift.py` measures that.
"""

from dataclasses import replace

import numpy as np
import pytest

from shared.drift.judging import judge
from shared.drift.reference import Reference
from shared.drift.window import Window
from tests.support.drifting import TOPICS, Made, built, window_of, with_traits

LEVEL = 0.01


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture(scope="module")
def reference(made: Made) -> Reference:
    return built(made, empty=20, failed=10)


def test_half_of_the_topics_that_grow_together_have_the_effect_of_all_that_moved(
    made: Made, reference: Reference
) -> None:
    rows = [row for topic in range(TOPICS) for row in made.rows(75 if topic < TOPICS // 2 else 25, topic=topic)]
    judged = judge(window_of(reference, rows), reference, LEVEL)
    assert judged.answer == "drift"
    assert 0.15 < judged.effect < 0.3
    assert judged.causes[0].kind in ("topic", "label")


def test_windows_as_usual_have_hardly_any_effect(made: Made, reference: Reference) -> None:
    found = [judge(window_of(reference, made.rows(500)), reference, 0.5).effect for _ in range(20)]
    assert np.median(found) < 0.04


def test_vectors_that_have_moved_without_any_growth_have_an_effect(made: Made, reference: Reference) -> None:
    window = window_of(reference, made.rows(500))
    window.vector_sum += 500 * 0.15 * made.centres[0]
    window.counts["far"].clear()
    judged = judge(window, reference, LEVEL)
    assert judged.answer == "drift"
    assert judged.effect > 0.05


@pytest.mark.parametrize(
    ("known", "heads", "name"),
    [
        (None, {"bbbbbbbb"}, "no head became bbbbbbbb"),
        ("aaaaaaaa", set(), "aaaaaaaa became no head"),
        ("aaaaaaaa", {"aaaaaaaa"}, None),
        (None, set(), None),
    ],
)
def test_a_first_head_and_a_removed_one_are_named(
    made: Made, reference: Reference, known: str | None, heads: set[str], name: str | None
) -> None:
    own = replace(reference, head=known)
    window = window_of(own, with_traits(made.rows(500), labels="label-1"))
    window.heads = heads
    causes = judge(window, own, LEVEL).causes
    assert next((each.name for each in causes if each.kind == "head"), None) == name
    assert name is None or causes[0].kind == "head"


def test_items_that_nobody_decided_name_no_head(made: Made, reference: Reference) -> None:
    own = replace(reference, head="aaaaaaaa")
    window = window_of(own, made.rows(500, topic=1))
    window.counts["actions"].clear()
    window.counts["labels"].clear()
    assert {each.kind for each in judge(window, own, LEVEL).causes}.isdisjoint({"head", "policy"})


@pytest.mark.parametrize(
    ("items", "failed", "answer"), [(60, 2_000, "drift"), (495, 6, "too_few"), (20, 200, "too_few")]
)
def test_a_window_of_failed_records_is_drift_if_their_usual_share_is_known(
    made: Made, reference: Reference, items: int, failed: int, answer: str
) -> None:
    window = window_of(reference, made.rows(items))
    window.failed = failed
    judged = judge(window, reference, LEVEL)
    assert judged.answer == answer
    assert answer == "too_few" or (judged.causes[0].kind == "failed" and judged.effect > 0.9)
    bare = built(made)
    assert judge(replace_reference(window, bare), bare, LEVEL).answer == "too_few"


def replace_reference(window: Window, reference: Reference) -> Window:
    return replace(window, reference=reference.reference_id)


def test_another_channel_alone_is_hardly_ever_called_new_content(made: Made) -> None:
    reference, found = built(made, 6_000), 0
    for _ in range(40):
        rows = made.rows(500)
        window = window_of(reference, [*with_traits(rows[:50], channels="mail"), *rows[50:]])
        judged = judge(window, reference, 0.037)
        assert judged.causes[0].kind == "channel"
        found += any(each.kind in ("novelty", "outputs") for each in judged.causes)
    assert found <= 4, found
