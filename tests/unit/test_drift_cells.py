"""References and windows with many rare classes, with unknown classes, and without some families.

A green run does not prove the rate of false alarms for classes of another distribution than that of Zipf.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from shared.drift.building.build import Origin, build
from shared.drift.judging import judge
from shared.drift.reference import Seen
from tests.support.drifting import START, SUBJECT, TOPICS, Made, window_of, with_traits

LABELS = 300
LEVEL = 0.05


def long_tailed(made: Made, items: int) -> list[Seen]:
    """Return items with labels of which most are rare."""
    weights = 1 / np.arange(1, LABELS + 1)
    labels = made.rng.choice(LABELS, size=items, p=weights / weights.sum())
    return [
        replace(row, traits={**row.traits, "labels": f"label-{label}"})
        for row, label in zip(made.rows(items), labels, strict=True)
    ]


def test_rare_labels_raise_no_false_alarms_in_large_windows() -> None:
    made, alarms = Made(), 0
    for _ in range(6):
        reference = build(SUBJECT, long_tailed(made, 1_000), Origin(START), resamples=200)
        for items in (4_000, 4_000, 16_000):
            alarms += judge(window_of(reference, long_tailed(made, items)), reference, LEVEL).answer == "drift"
    assert alarms <= 4, alarms


def test_a_rare_label_of_the_reference_is_not_called_new() -> None:
    made = Made()
    rows = [*with_traits(made.rows(30), labels="rare"), *made.rows(3_970)]
    reference = build(
        SUBJECT, [replace(row, item_id=f"r{n}") for n, row in enumerate(rows)], Origin(START), resamples=100
    )
    classes, rare = reference.baselines[0].classes["labels"], reference.baselines[0].rare["labels"]
    assert "rare" in classes or rare["rare"] > 0


def test_unknown_classes_and_missing_families_are_judged() -> None:
    made = Made()
    unknown = {"labels": "unknown", "languages": "unknown", "confidences": "unknown"}
    bare = [replace(row, traits={"lengths": "0"}) for row in made.rows(1_500)]
    with_some = [*with_traits(made.rows(200), **unknown), *with_traits(made.rows(1_300), confidences="0.9")]
    some = [replace(row, item_id=f"s{n}", occurred_at=START + timedelta(minutes=n)) for n, row in enumerate(with_some)]
    new = made.rows(100, topic=TOPICS)
    for rows in (bare, some, with_traits(made.rows(1_500), **unknown)):
        reference = build(SUBJECT, rows, Origin(START), resamples=100)
        for traits in (unknown, {"confidences": "0.3"}):
            for lost in (set(), {"labels", "actions", "confidences"}, {"languages"}, {"channels"}):
                own = [*made.rows(500), *new]
                window = window_of(reference, with_traits(own, **traits))
                for name in lost:
                    window.counts[name].clear()
                judged = judge(window, reference, LEVEL)
                assert judged.answer == "no_drift" or judged.causes
