"""Which groups and topics are reported as left or unknown, and how often.

Green does not show which faults real brokers report: `tests/faults/test_lag_on_kafka.py` shows some of them.
"""

import pytest

from shared.lag.limits import Limits, exit_code
from shared.lag.meter import LagMeter
from shared.lag.port import GroupLook
from shared.lag.presence import NO_GROUP, NO_OFFSETS, NOT_NAMED, NOT_READ
from shared.lag.states import LagReport, State
from shared.records import TopicPartition
from tests.support.fakes import ManualClock
from tests.support.lag_cluster import ONLY, LagCluster

BILLS = TopicPartition("bills", 0)


@pytest.fixture
def cluster() -> LagCluster:
    """Return a cluster with two topics, both of which a group reads."""
    found = LagCluster(ManualClock())
    found.write(10)
    found.write(10, BILLS)
    found.commit(10)
    found.commit(10, BILLS)
    return found


def meter_of(cluster: LagCluster, *expected: str) -> LagMeter:
    return LagMeter(cluster, cluster.clock, 10, 120, expected)


def left(report: LagReport) -> list[tuple[str, str, str]]:
    return [(each.group, each.topic, each.reason) for each in report.left]


def states(report: LagReport) -> dict[tuple[str, str], State]:
    return {(each.group, each.topic): each.state for each in report.topics}


def test_a_group_that_cannot_be_asked_at_the_first_look_is_unknown(cluster: LagCluster) -> None:
    cluster.groups["g"] = GroupLook("g", fault="the coordinator is loading")
    meter = meter_of(cluster, "g")
    for _ in range(2):
        report = meter.measure()
        assert (states(report), left(report)) == ({("g", ""): State.UNKNOWN}, [])
        assert report.topics[0].partitions[0].reason == "the coordinator is loading"
        assert exit_code(report, Limits(), ["g"]) == 3


def test_a_group_that_no_broker_named_is_unknown_while_one_of_them_does_not_answer(cluster: LagCluster) -> None:
    cluster.groups.clear()
    cluster.is_complete = False
    meter = meter_of(cluster, "g")
    report = meter.measure()
    assert (states(report), left(report)) == ({("g", ""): State.UNKNOWN}, [])
    assert report.topics[0].partitions[0].reason == NOT_NAMED
    cluster.is_complete = True
    report = meter.measure()
    assert (states(report), left(report)) == ({}, [("g", "", NO_GROUP)])
    assert exit_code(report, Limits(), ["g"]) == 1


def test_a_group_that_was_seen_to_read_nothing_here_stays_so_while_it_cannot_be_asked(cluster: LagCluster) -> None:
    cluster.group("elsewhere")
    meter = meter_of(cluster)
    meter.measure()
    cluster.group("elsewhere", fault="the coordinator is loading")
    assert {group for group, _ in states(meter.measure())} == {"g"}


def test_a_topic_that_members_read_no_more_is_reported_once(cluster: LagCluster) -> None:
    meter, named = meter_of(cluster), meter_of(cluster, "g")
    assert left(meter.measure()) == left(named.measure()) == []
    cluster.group(assigned=frozenset({"bills"}))
    expected = [("g", "orders", NOT_READ)]
    assert [left(meter.measure()) for _ in range(3)] == [expected, [], []]
    assert [left(named.measure()) for _ in range(3)] == [expected] * 3, "a group that is named shows all that it left"
    assert left(meter_of(cluster).measure()) == [], "nobody saw that it read this topic"


def test_a_group_that_loses_its_offsets_in_one_topic_is_reported_once(cluster: LagCluster) -> None:
    meter = meter_of(cluster)
    meter.measure()
    cluster.group(committed={ONLY: 10})
    assert [left(meter.measure()) for _ in range(2)] == [[("g", "bills", NO_OFFSETS)], []]


def test_a_group_that_is_deleted_is_reported_once_with_its_topics_and_an_expected_one_always(
    cluster: LagCluster,
) -> None:
    meter, named = meter_of(cluster), meter_of(cluster, "g")
    meter.measure()
    named.measure()
    cluster.groups.clear()
    topics = [("g", "bills", NO_GROUP), ("g", "orders", NO_GROUP)]
    assert [left(meter.measure()) for _ in range(2)] == [topics, []]
    assert [left(named.measure()) for _ in range(2)] == [topics, [("g", "", NO_GROUP)]]


def test_an_expected_group_that_reads_nothing_here_has_left(cluster: LagCluster) -> None:
    cluster.group("elsewhere")
    meter = meter_of(cluster, "elsewhere")
    for _ in range(2):
        assert left(meter.measure()) == [("elsewhere", "", NO_GROUP)]
