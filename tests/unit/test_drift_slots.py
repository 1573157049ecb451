"""Windows are compared with the shortest time of the week that has enough items and contains them.

A green run does not prove that the items of a real week differ between these times.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.drift.building.build import Origin, build
from shared.drift.judging import judge
from shared.drift.reference import Reference
from shared.drift.reference_files import save_reference
from shared.drift.slots import common_slots, slot_name
from tests.support.drifting import START, SUBJECT, Made, window_of

HOUR = timedelta(hours=1)
WEEK_S = 7 * 86_400


@pytest.fixture(scope="module")
def reference() -> Reference:
    made, items, weeks = Made(), 12_000, 4
    rows = [replace(row, item_id=f"w{n}") for n, row in enumerate(made.rows(items, every_s=weeks * WEEK_S // items))]
    return build(SUBJECT, rows, Origin(START, empty=60, failed=60), resamples=200)


def test_no_hour_of_four_weeks_has_enough_of_12000_items_but_longer_times_have(reference: Reference) -> None:
    names = [slot_name(each.slot) for each in reference.baselines if each.slot is not None]
    assert "working days 06:00 to 12:00" in names
    assert {"working days", "weekends"} <= set(names)
    assert not any(name.startswith("Monday") for name in names)


@pytest.mark.parametrize(
    ("start_h", "hours", "name"),
    [
        (9.1, 0.8, "working days 06:00 to 12:00"),
        (9.1, 4.0, "working days"),
        (5 * 24 + 13.0, 0.9, "weekends"),
        (4 * 24 + 23.5, 0.9, None),
        (9.1, 7 * 24.0, None),
    ],
)
def test_a_window_is_compared_with_the_shortest_time_that_contains_it(
    reference: Reference, start_h: float, hours: float, name: str | None
) -> None:
    start = START + start_h * HOUR
    slot = reference.baseline_for(start, start + hours * HOUR).slot
    assert (None if slot is None else slot_name(slot)) == name


def test_failed_and_empty_items_count_in_every_time_of_the_week(reference: Reference) -> None:
    for name in ("empty", "failed"):
        window = window_of(reference, Made().rows(600), START + 9 * HOUR)
        window.empty, window.failed = 3, 3
        setattr(window, name, 100)
        judged = judge(window, reference, 0.01)
        assert (judged.answer, judged.causes[0].kind) == ("drift", name)


def test_hours_blocks_and_days_have_names_and_numbers_of_their_own() -> None:
    found = {slot for hour in range(7 * 24) for slot in common_slots(START + hour * HOUR, START + (hour + 0.9) * HOUR)}
    assert len({slot_name(slot) for slot in found}) == len(found) == 7 * 24 + 8 + 2


def test_the_file_of_a_reference_with_many_times_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.drift.building.build.LEAST_SLOT_ROWS", 100)
    monkeypatch.setattr("shared.drift.building.build.MOST_SLOT_ROWS", 100)
    made = Made()
    rows = [
        replace(row, item_id=f"h{n}", occurred_at=START + (n % 30) * HOUR) for n, row in enumerate(made.rows(6_000))
    ]
    many = build(SUBJECT, rows, Origin(START), resamples=200)
    assert sum(each.slot is not None and each.slot < 7 * 24 for each in many.baselines) == 24
    assert save_reference(many, tmp_path).stat().st_size < 2_000_000
