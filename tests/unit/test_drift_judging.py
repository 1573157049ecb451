"""Windows of a made stream are judged: the rate of false alarms, and the name of each kind of change.

A green run does not prove that drift of real texts is found, nor from which share on: `benchmarks/drift.py` measures that.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from shared.drift.building.build import Origin, build
from shared.drift.judging import LEAST_LEVEL, judge, level_for
from shared.drift.reference import Reference
from shared.drift.window import Window
from tests.support.drifting import START, SUBJECT, TOPICS, Made, built, window_of, with_traits

LEVEL = 0.01


@pytest.fixture(scope="module")
def reference() -> Reference:
    return built(Made(), empty=20, failed=10)


@pytest.fixture
def made() -> Made:
    """Return the stream of the reference, which draws the same items in each test, whatever ran before."""
    stream = Made()
    stream.rng = np.random.default_rng(11)
    return stream


def usual(made: Made, reference: Reference, items: int = 500) -> Window:
    window = window_of(reference, made.rows(items))
    window.empty, window.failed = items // 150, items // 300
    return window


@pytest.mark.parametrize("items", [500, 1_300])
def test_windows_without_drift_alarm_at_about_the_level(made: Made, reference: Reference, items: int) -> None:
    alarms = sum(judge(usual(made, reference, items), reference, 0.1).answer == "drift" for _ in range(150))
    assert 1 <= alarms <= 36, alarms


def test_a_window_is_not_judged_without_its_reference_or_with_too_few_items(made: Made, reference: Reference) -> None:
    window = usual(made, reference)
    assert judge(window, None, LEVEL).answer == "no_reference"
    assert judge(window, replace(reference, reference_id="00000000"), LEVEL).answer == "no_reference"
    assert judge(window_of(reference, made.rows(499)), reference, LEVEL).answer == "too_few"


def test_a_known_topic_that_grows_is_named_by_its_label_or_its_words(made: Made, reference: Reference) -> None:
    judged = judge(window_of(reference, [*made.rows(400), *made.rows(150, topic=3)]), reference, LEVEL)
    first = judged.causes[0]
    assert judged.answer == "drift"
    assert (first.kind, first.name) == ("label", "label-3") or (first.kind == "topic" and "refund" in first.name)
    assert judged.effect == pytest.approx(150 / 550 * 0.9, abs=0.08)
    assert 1 <= len(first.examples) <= 10


def test_a_new_topic_is_named_as_new(made: Made, reference: Reference) -> None:
    new = with_traits(made.rows(75, topic=TOPICS), labels="label-0")
    judged = judge(window_of(reference, [*made.rows(425), *new]), reference, LEVEL)
    assert (judged.answer, judged.causes[0].kind) == ("drift", "novelty")
    assert judged.causes[0].examples


@pytest.mark.parametrize(
    ("traits", "kind", "name"),
    [
        ({"languages": "de"}, "language", "de"),
        ({"languages": "fr"}, "language", "fr"),
        ({"lengths": "1-15"}, "length", "1-15"),
        ({"channels": "mail"}, "channel", "mail"),
        ({"actions": "review"}, "action", "review"),
    ],
)
def test_a_trait_that_grows_is_named(
    made: Made, reference: Reference, traits: dict[str, str], kind: str, name: str
) -> None:
    rows = made.rows(500)
    judged = judge(window_of(reference, [*with_traits(rows[:80], **traits), *rows[80:]]), reference, LEVEL)
    assert judged.answer == "drift"
    assert (judged.causes[0].kind, judged.causes[0].name) == (kind, name)
    assert judged.causes[0].window_share == pytest.approx(0.16 + 0.84 * (0.03 if name == "fr" else 0), abs=0.03)
    assert judged.causes[0].since == START


def test_one_item_of_a_class_that_the_reference_does_not_have_is_no_drift(made: Made, reference: Reference) -> None:
    rows = made.rows(500)
    one = judge(window_of(reference, [*with_traits(rows[:1], channels="mail"), *rows[1:]]), reference, LEVEL)
    assert one.scores["channels"] < -np.log(LEVEL)


def test_noise_on_vectors_is_named_as_changed_outputs(made: Made, reference: Reference) -> None:
    def noisy(vector: np.ndarray) -> np.ndarray:
        moved = vector + 0.12 * made.rng.standard_normal(vector.shape)
        return (moved / np.linalg.norm(moved)).astype(np.float32)

    rows = [replace(row, vector=noisy(row.vector)) for row in made.rows(500)]
    judged = judge(window_of(reference, rows), reference, LEVEL)
    assert (judged.answer, judged.causes[0].kind) == ("drift", "outputs")


@pytest.mark.parametrize("name", ["empty", "failed"])
def test_empty_and_failed_items_are_named(made: Made, reference: Reference, name: str) -> None:
    window = usual(made, reference)
    setattr(window, name, 60)
    assert judge(window, reference, LEVEL).causes[0].kind == name


def test_failed_items_count_only_if_the_reference_knows_a_share(made: Made) -> None:
    bare = built(made)
    window = window_of(bare, made.rows(500))
    before = judge(window, bare, LEVEL).scores
    window.failed = 400
    assert judge(window, bare, LEVEL).scores == before


def test_another_head_is_named_before_what_it_changed(made: Made, reference: Reference) -> None:
    known = replace(reference, head="aaaaaaaa")
    window = window_of(known, with_traits(made.rows(500), labels="label-1"))
    window.heads = {"bbbbbbbb"}
    first, second = judge(window, known, LEVEL).causes[:2]
    assert (first.kind, first.name) == ("head", "aaaaaaaa became bbbbbbbb")
    assert (second.kind, second.name) == ("label", "label-1")


def test_the_level_follows_from_the_wanted_rate() -> None:
    assert level_for(1.0, 1) == pytest.approx((1 / 720) ** 0.5)
    assert level_for(1.0, 4) == pytest.approx(level_for(1.0, 1) / 2)
    assert level_for(1e-9, 100) == LEAST_LEVEL


def test_a_window_in_one_hour_of_the_week_is_compared_with_that_hour(made: Made) -> None:
    night = [
        replace(row, item_id=f"n{n}", occurred_at=START + timedelta(seconds=n))
        for n, row in enumerate(made.rows(1_800, topic=1))
    ]
    day = [replace(row, occurred_at=row.occurred_at + timedelta(hours=9)) for row in made.rows(1_800, every_s=1)]
    reference = build(SUBJECT, [*night, *day], Origin(START), resamples=300)
    assert [each.slot for each in reference.baselines] == [None, 0, 9, 168, 169]
    at_night = window_of(reference, made.rows(500, topic=1))
    assert judge(at_night, reference, LEVEL).answer == "no_drift"
    assert judge(replace(at_night, end=START + timedelta(hours=7)), reference, LEVEL).answer == "drift"
    later = START + timedelta(hours=9)
    assert judge(window_of(reference, made.rows(500, topic=1), later), reference, LEVEL).answer == "drift"


def test_labels_that_the_reference_does_not_have_at_all_are_no_drift(made: Made) -> None:
    rows = [replace(row, traits={"lengths": row.traits["lengths"]}) for row in made.rows(3_000)]
    bare = build(SUBJECT, rows, Origin(START), resamples=300)
    scores = judge(window_of(bare, made.rows(500)), bare, LEVEL).scores
    assert {scores[name] for name in ("labels", "labels_peak", "languages", "actions")} == {0.0}
