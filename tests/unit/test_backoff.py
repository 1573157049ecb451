"""The back-off by example; its bounds for any numbers are a property in `tests/property`.

A green run does not prove that the numbers suit a dependency.
"""

import random

import pytest

from shared.backoff import Backoff


@pytest.mark.parametrize(("attempt", "limit_s"), [(0, 0.2), (1, 0.4), (2, 0.8), (4, 3.2), (5, 5.0), (1_000_000, 5.0)])
def test_the_limit_doubles_up_to_the_ceiling(attempt: int, limit_s: float) -> None:
    assert Backoff().limit_s(attempt) == pytest.approx(limit_s)


def test_the_waits_fill_the_whole_range() -> None:
    rng = random.Random(1)  # noqa: S311  (no secret)
    waits = [Backoff().delay_s(3, rng) for _ in range(2_000)]
    assert min(waits) < 0.05
    assert max(waits) > 1.55
    assert sum(waits) / len(waits) == pytest.approx(0.8, rel=0.05)


def test_the_same_generator_gives_the_same_waits() -> None:
    waits = [[Backoff().delay_s(n, random.Random(7)) for n in range(5)] for _ in range(2)]  # noqa: S311  (no secret)
    assert waits[0] == waits[1]
