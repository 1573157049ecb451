"""How positions move, by looks at given times. Green does not show what follows from it: `test_lag_meter.py` does."""

import pytest

from shared.lag.history import History, Motion

LONGEST_PAUSE_S = 30.0


@pytest.fixture
def history() -> History[str]:
    """Return a history without looks."""
    return History(LONGEST_PAUSE_S, window_s=60.0)


def add(history: History[str], at_s: float, offset: int | None, waits: bool = False, paused_s: float = 0.0) -> Motion:
    history.begin(at_s, round(1000 * at_s), paused_s)
    return history.add("a", offset, waits)


def test_a_rate_is_that_of_the_last_minute(history: History[str]) -> None:
    rates = [add(history, 20 * at, 100 * at if at < 4 else 300).per_s for at in range(8)]
    assert rates[0] is None
    assert rates[1:4] == [5.0] * 3
    assert rates[4] == pytest.approx(200 / 60)
    assert rates[6:] == [0.0, 0.0]


def test_the_window_reaches_back_to_the_look_before_it(history: History[str]) -> None:
    for at_s, offset in ((0, 0), (25, 0), (50, 50), (75, 50), (100, 50)):
        motion = add(history, at_s, offset)
    assert motion.per_s == pytest.approx(50 / 75), "from the look at 25 s, the last one a minute ago or more"


def test_a_position_stands_still_only_while_records_wait(history: History[str]) -> None:
    assert add(history, 0, 5, waits=True).still_s == 0
    assert add(history, 10, 5, waits=True).still_s == 10
    assert add(history, 20, 5).still_s == 0
    assert add(history, 30, 5, waits=True).still_s == 0, "it waited for nothing in between"
    last = add(history, 45, 5, waits=True)
    assert (last.still_s, last.still_since_ms, last.has_moved) == (15, 30_000, False)
    last = add(history, 50, 6, waits=True)
    assert (last.still_s, last.still_since_ms, last.has_moved) == (0, 50_000, True)


def test_a_position_that_goes_back_or_was_not_seen_for_long_starts_again(history: History[str]) -> None:
    add(history, 0, 5, waits=True)
    add(history, 10, 9, waits=True)
    back = add(history, 20, 2, waits=True)
    assert (back.per_s, back.still_s, back.has_moved) == (None, 0, True)
    add(history, 30, 2, waits=True)
    slow = add(history, 61, 2, waits=True, paused_s=LONGEST_PAUSE_S)
    assert (slow.per_s, slow.still_s) == (0, 41), "the looks themselves took the time"
    late = add(history, 100, 3, waits=True, paused_s=LONGEST_PAUSE_S + 1)
    assert (late.per_s, late.still_s, late.has_moved) == (None, 0, True)


def test_a_position_that_some_looks_did_not_see_starts_again(history: History[str]) -> None:
    add(history, 0, 5, waits=True)
    for at_s in (10, 20):
        history.begin(at_s, 1000 * at_s, 0.0)
    assert add(history, 30, 5, waits=True).still_s == 30
    for at_s in (40, 50, 60):
        history.begin(at_s, 1000 * at_s, 0.0)
    assert add(history, 70, 5, waits=True).still_s == 0


def test_a_first_offset_is_no_rate(history: History[str]) -> None:
    assert add(history, 0, None).per_s is None
    assert add(history, 10, None).per_s == 0
    first = add(history, 20, 10_000_010)
    assert (first.per_s, first.has_moved) == (None, True)
    assert add(history, 30, 10_000_020).per_s == 1


def test_what_is_not_kept_is_forgotten(history: History[str]) -> None:
    add(history, 0, 5)
    history.keep(["b"])
    assert add(history, 10, 50).per_s is None
