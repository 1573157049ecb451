"""The breaker against floods of invalid records.

A green run does not prove that the thresholds suit every topic; the loop's tests show what an open breaker does.
"""

import pytest

from schemas.outcomes import Outcome
from shared.engine.breaker import Breaker, BreakerLimits

LIMITS = BreakerLimits()
LEAST_DEAD, WINDOW_RECORDS = LIMITS.min_dead_letters, LIMITS.window_records
DEAD, GOOD = Outcome.DEAD_LETTERED, Outcome.ROUTED


def fed(*batches: list[Outcome]) -> Breaker:
    breaker = Breaker(LIMITS)
    for batch in batches:
        breaker.observe(batch)
    return breaker


def test_it_begins_closed() -> None:
    assert not Breaker(LIMITS).is_open


@pytest.mark.parametrize(
    ("dead", "good", "is_open"),
    [
        (LEAST_DEAD - 1, 0, False),
        (LEAST_DEAD, 0, True),
        (LEAST_DEAD, LEAST_DEAD - 1, True),
        (LEAST_DEAD, LEAST_DEAD, False),
        (501, 499, True),
        (500, 500, False),
    ],
)
def test_it_opens_on_enough_dead_letters_that_are_the_majority(dead: int, good: int, is_open: bool) -> None:
    assert fed([GOOD] * good + [DEAD] * dead).is_open is is_open


def test_small_batches_add_up() -> None:
    assert fed(*[[DEAD]] * LEAST_DEAD).is_open


def test_records_outside_the_window_are_forgotten() -> None:
    breaker = fed([DEAD] * (LEAST_DEAD - 1), [GOOD] * WINDOW_RECORDS)
    breaker.observe([DEAD])
    assert not breaker.is_open


def test_a_good_history_does_not_keep_it_closed_forever() -> None:
    assert fed([GOOD] * 10_000, [DEAD] * 501).is_open


@pytest.mark.parametrize("probe", [[DEAD], [DEAD, DEAD, GOOD], []])
def test_a_bad_or_empty_probe_leaves_it_open(probe: list[Outcome]) -> None:
    assert fed([DEAD] * 300, probe).is_open


@pytest.mark.parametrize("probe", [[GOOD], [DEAD, GOOD]])
def test_a_probe_with_at_most_half_dead_letters_closes_it(probe: list[Outcome]) -> None:
    breaker = fed([DEAD] * WINDOW_RECORDS, probe)
    assert not breaker.is_open
    breaker.observe([DEAD] * (LEAST_DEAD - 2))
    assert not breaker.is_open


def test_it_can_open_again() -> None:
    assert fed([DEAD] * 300, [GOOD], [DEAD] * 300).is_open
