"""What is learned of usual traffic. The counts are made up: a green run proves nothing about real traffic."""

from datetime import timedelta

import pytest

from shared.drift.traffic import MOST_ITEMS, Traffic
from tests.support.made_spikes import START, every_centroid, sums


def test_the_usual_share_is_that_of_the_items_before_the_window() -> None:
    traffic = Traffic(900)
    traffic.add(sums(0, 1_000))
    assert traffic.usual_outliers([3, 3, 4]) == pytest.approx(10)
    traffic.leave_before(START + timedelta(hours=1))
    for _ in range(54):
        traffic.learn_outlier(3)
    assert traffic.usual_outliers([3]) == 0
    traffic.add(sums(60, 100))
    assert traffic.usual_outliers([3]) == pytest.approx(100 * (54 + 1) / (1_000 + 100))
    assert traffic.usual_outliers([4]) == 0


def test_the_growth_near_a_centroid_is_what_exceeds_its_usual_proportion() -> None:
    traffic = Traffic(900)
    traffic.add(every_centroid(0))
    traffic.add(sums(0, 100))
    assert traffic.excess([3], of=20) == pytest.approx(110 - 300 / 20)
    assert traffic.excess([4], of=20) == 0
    traffic.leave_before(START + timedelta(hours=1))
    traffic.add(sums(60, 100))
    assert traffic.excess([3], of=20) == pytest.approx(100 - 100 * (110 + 5) / (300 + 100))


def test_what_was_learned_long_ago_counts_less() -> None:
    traffic = Traffic(900)
    for number in range(4):
        traffic.add(sums(60 * number, 100_000))
    for _ in range(10_000):
        traffic.learn_outlier(3)
    traffic.leave_before(START + timedelta(days=1))
    learned = traffic.to_json()
    assert learned["items"]["3"] <= MOST_ITEMS
    assert learned["outliers"]["3"] == 10_000 * learned["items"]["3"] // 400_000
