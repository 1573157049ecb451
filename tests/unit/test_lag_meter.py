"""States, numbers and memory of the measurement of lag, over a stand-in cluster and a clock that the tests move.

Green does not show that Kafka answers as the stand-in does: `tests/faults/test_lag_on_kafka.py` shows that.
"""

import math

import pytest

from shared.lag.meter import BEYOND_END, NO_COMMIT, LagMeter
from shared.lag.presence import NO_GROUP, NOT_NAMED, NOT_READ
from shared.lag.states import State
from shared.records import TopicPartition
from tests.support.lag_cluster import ONLY, LagCluster
from tests.support.lag_meters import EVERY_S, STUCK_AFTER_S, cluster_with_old_records, meter_of, one, topic_of

OTHER = TopicPartition("orders", 1)


@pytest.fixture
def cluster() -> LagCluster:
    """Return a cluster with a topic of one partition and ten old records."""
    return cluster_with_old_records()


def test_a_quiet_topic_stays_caught_up(cluster: LagCluster) -> None:
    cluster.commit(10)
    meter = meter_of(cluster)
    for _ in range(40):
        found = one(meter)
        assert (found.state, found.records, found.age_s(cluster.now_ms)) == (State.CAUGHT_UP, 0, 0.0)
        cluster.wait(EVERY_S)


def test_the_age_is_that_of_the_first_unread_record_and_grows_between_looks(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.write(1, age_s=600)
    cluster.write(5)
    found = one(meter_of(cluster))
    assert (found.state, found.records, found.is_counted) == (State.BEHIND, 6, True)
    assert found.age_s(cluster.now_ms) == 600
    assert found.age_s(cluster.now_ms + 5_000) == 605


def test_a_record_without_a_time_is_as_old_as_its_first_look_and_one_of_the_future_is_new(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.records[ONLY][10] = None
    cluster.set_log(high=11, stable=11)
    meter = meter_of(cluster)
    assert one(meter).age_s(cluster.now_ms) == 0
    cluster.wait(30)
    assert one(meter).age_s(cluster.now_ms) == 30
    cluster.commit(11)
    cluster.write(1, age_s=-500)
    assert one(meter).age_s(cluster.now_ms) == 0


def test_a_position_that_stands_still_is_stuck_only_after_the_time_and_only_while_records_wait(
    cluster: LagCluster,
) -> None:
    cluster.commit(10)
    meter = meter_of(cluster)
    for _ in range(20):
        one(meter)
        cluster.wait(EVERY_S)
    cluster.write(1)
    seen = []
    for _ in range(13):
        seen.append(one(meter).state)
        cluster.wait(EVERY_S)
    assert seen == [State.BEHIND] * 12 + [State.STUCK]
    cluster.commit(11)
    cluster.write(1)
    assert one(meter).state is State.BEHIND, "it has moved"


def test_where_records_wait_on_purpose_nobody_is_stuck_but_a_dead_group_is_stalled(cluster: LagCluster) -> None:
    cluster.commit(5)
    meter = LagMeter(cluster, cluster.clock, EVERY_S, STUCK_AFTER_S, (), frozenset({ONLY.topic}))
    for _ in range(20):
        assert one(meter).state is State.BEHIND
        cluster.wait(EVERY_S)
    assert topic_of(meter).on_purpose
    cluster.group(members=0)
    assert one(meter).state is State.STALLED


def test_time_without_looks_does_not_make_a_group_stuck(cluster: LagCluster) -> None:
    cluster.commit(5)
    meter = meter_of(cluster)
    one(meter)
    cluster.wait(10 * STUCK_AFTER_S)
    assert one(meter).state is State.BEHIND


def test_a_group_without_members_is_stalled_at_the_next_look(cluster: LagCluster) -> None:
    cluster.commit(5)
    meter = meter_of(cluster)
    one(meter)
    cluster.wait(EVERY_S)
    cluster.commit(6)
    cluster.group(members=0)
    assert one(meter).state is State.BEHIND, "it moved since the last look"
    cluster.wait(EVERY_S)
    assert one(meter).state is State.STALLED
    assert topic_of(meter).drain_s == math.inf


def test_a_reader_that_never_joins_its_group_is_not_stalled_while_it_commits(cluster: LagCluster) -> None:
    cluster.commit(1)
    cluster.group(members=0)
    meter = meter_of(cluster)
    assert one(meter).state is State.STALLED
    cluster.wait(EVERY_S)
    cluster.commit(2)
    assert one(meter).state is State.BEHIND
    for _ in range(11):
        cluster.wait(EVERY_S)
        assert one(meter).state is State.BEHIND, "it has been seen to commit without members"
    cluster.wait(EVERY_S)
    assert one(meter).state is State.STALLED


def test_members_that_are_not_known_do_not_stall(cluster: LagCluster) -> None:
    cluster.commit(1)
    cluster.group(members=None)
    assert one(meter_of(cluster)).state is State.BEHIND


def test_deleted_unread_records_are_a_loss_with_the_age_of_what_is_left(cluster: LagCluster) -> None:
    cluster.commit(2)
    cluster.write(10, age_s=60)
    cluster.set_log(low=12)
    found = one(meter_of(cluster))
    assert (found.state, found.lost, found.records) == (State.EXPIRED, 10, 8)
    assert found.age_s(cluster.now_ms) == 60


def test_offsets_that_were_seen_to_hold_no_record_are_no_loss(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.set_log(stable=15, high=15)  # markers and aborted records
    meter = meter_of(cluster)
    assert one(meter).state is State.CAUGHT_UP
    cluster.set_log(low=15)
    assert one(meter).lost == 0
    cluster.write(3)
    cluster.set_log(low=17)
    assert one(meter).lost == 2, "only the records"


def test_a_gap_is_scanned_once_and_an_unchanged_partition_is_not_read_again(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.set_log(stable=500, high=500)
    meter = meter_of(cluster)
    one(meter)
    one(meter)
    cluster.commit(200)
    one(meter)
    assert [(span.start, span.end) for span in cluster.scanned] == [(10, 500)]
    cluster.write(3, age_s=5)
    assert (one(meter).records, one(meter).age_s(cluster.now_ms)) == (3, 5)
    assert [(span.start, span.end) for span in cluster.scanned[1:]] == [(500, 503)]


def test_records_are_counted_if_few_and_offsets_otherwise(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.write(20, step=3)
    meter = meter_of(cluster)
    assert (one(meter).records, one(meter).is_counted) == (20, True)
    cluster.write(2)
    assert (one(meter).records, one(meter).is_counted) == (22, True), "what comes later is added"
    cluster.write(1_000)
    assert (one(meter).records, one(meter).is_counted) == (1_062, False)
    scanned = len(cluster.scanned)
    cluster.write(1_000)
    assert one(meter).records == 2_062
    assert len(cluster.scanned) == scanned


def test_an_answer_about_a_compacted_topic_is_used_for_a_minute(cluster: LagCluster) -> None:
    cluster.set_log(is_compacted=True)
    cluster.commit(0)
    meter = meter_of(cluster)
    assert one(meter).age_s(cluster.now_ms) == 3_600
    cluster.records[ONLY] = {9: cluster.now_ms}
    assert one(meter).records == 10
    cluster.wait(61)
    assert (one(meter).records, one(meter).age_s(cluster.now_ms)) == (1, 61)


def test_what_is_held_back_by_a_transaction_is_no_lag(cluster: LagCluster) -> None:
    cluster.commit(10)
    cluster.set_log(high=25)
    found = one(meter_of(cluster))
    assert (found.state, found.records, found.held_back) == (State.CAUGHT_UP, 0, 15)


def test_one_partition_that_does_not_answer_does_not_spoil_the_others(cluster: LagCluster) -> None:
    cluster.set_log(OTHER, fault="the partition has no leader")
    cluster.commit(5)
    cluster.commit(5, OTHER)
    found = topic_of(meter_of(cluster))
    assert [each.state for each in found.partitions] == [State.BEHIND, State.UNKNOWN]
    assert found.partitions[1].reason == "the partition has no leader"
    assert (found.records, found.age_s(cluster.now_ms)) == (5, 3_600)


def test_a_first_record_that_cannot_be_read_is_unknown_and_is_read_again(cluster: LagCluster) -> None:
    cluster.commit(5)
    cluster.fault = "not in time"
    meter = meter_of(cluster)
    assert (one(meter).state, one(meter).reason) == (State.UNKNOWN, "not in time")
    cluster.fault = None
    assert one(meter).age_s(cluster.now_ms) == 3_600


def test_without_a_commit_ours_starts_at_the_beginning_and_others_are_unknown(cluster: LagCluster) -> None:
    cluster.set_log(OTHER)
    cluster.commit(0, TopicPartition("orders", 2))
    cluster.set_log(TopicPartition("orders", 2))
    first, second, _ = topic_of(meter_of(cluster)).partitions
    assert (first.state, first.reason, second.state) == (State.UNKNOWN, NO_COMMIT, State.CAUGHT_UP)
    cluster.group(from_beginning=True)
    cluster.set_log(low=4)
    first, second, _ = topic_of(meter_of(cluster)).partitions
    assert (first.state, first.records, first.lost, second.state) == (State.BEHIND, 6, 0, State.CAUGHT_UP)


def test_a_commit_behind_the_end_of_the_log_is_unknown_unless_it_is_newer_than_the_end(cluster: LagCluster) -> None:
    cluster.commit(12)
    meter = meter_of(cluster)
    assert one(meter).state is State.CAUGHT_UP, "the end was read before the commit"
    assert (one(meter).state, one(meter).reason) == (State.UNKNOWN, BEYOND_END)
    cluster.group(from_beginning=True)
    assert (one(meter).state, one(meter).records) == (State.BEHIND, 10), "our workers start such a topic anew"


def test_groups_and_topics_that_are_left(cluster: LagCluster) -> None:
    cluster.write(3, TopicPartition("bills", 0))
    cluster.commit(5)
    cluster.group(assigned=frozenset({"orders"}))
    meter = meter_of(cluster, "asked")
    report = meter.measure()
    assert [(each.group, each.topic, each.reason) for each in report.left] == [("asked", "", NO_GROUP)]
    cluster.group(assigned=frozenset({"bills"}))
    report = meter.measure()
    assert [each.topic for each in report.topics] == ["bills"]
    assert ("g", "orders", NOT_READ) in [(each.group, each.topic, each.reason) for each in report.left]
    cluster.group(assigned=None)
    assert {each.topic for each in meter.measure().topics} == {"orders"}, "while it is not known, nothing has left"
    del cluster.groups["g"]
    report = meter.measure()
    assert report.topics == ()
    assert ("g", "orders", NO_GROUP) in [(each.group, each.topic, each.reason) for each in report.left]


def test_a_group_that_is_not_named_because_a_broker_is_down_is_unknown_and_has_not_left(cluster: LagCluster) -> None:
    cluster.commit(5)
    meter = meter_of(cluster)
    one(meter)
    del cluster.groups["g"]
    cluster.is_complete = False
    assert (one(meter).state, one(meter).reason) == (State.UNKNOWN, NOT_NAMED)
    cluster.is_complete = True
    assert meter.measure().topics == ()


def test_a_group_that_comes_back_is_not_stuck_for_the_time_that_it_was_missing(cluster: LagCluster) -> None:
    cluster.commit(5)
    meter = meter_of(cluster)
    one(meter)
    group = cluster.groups.pop("g")
    for _ in range(13):
        cluster.wait(EVERY_S)
        assert meter.measure().topics == ()
    cluster.groups["g"] = group
    assert (one(meter).state, one(meter).consumed_per_s) == (State.BEHIND, None)


def test_a_log_that_lost_its_end_is_read_again(cluster: LagCluster) -> None:
    cluster.commit(3)
    cluster.records[ONLY] = {9: 0}
    meter = meter_of(cluster)
    assert one(meter).records == 1
    cluster.records[ONLY] = {4: cluster.now_ms}
    cluster.set_log(stable=6, high=6)
    assert (one(meter).records, one(meter).age_s(cluster.now_ms)) == (1, 0)


def test_rates_and_the_time_to_drain(cluster: LagCluster) -> None:
    cluster.commit(0)
    meter = meter_of(cluster)
    first = topic_of(meter)
    assert (first.produced_per_s, first.consumed_per_s, first.drain_s) == (None, None, None)
    for at in range(1, 4):
        cluster.wait(EVERY_S)
        cluster.write(20)
        cluster.commit(10 * at)
        found = topic_of(meter)
    assert (found.produced_per_s, found.consumed_per_s, found.drain_s) == (2.0, 1.0, math.inf)
    for at in range(1, 7):
        cluster.wait(EVERY_S)
        cluster.commit(30 + 5 * at)
        found = topic_of(meter)
    assert (found.produced_per_s, found.consumed_per_s) == (0.0, 0.5)
    assert (found.records, found.drain_s) == (10, 20.0)
    cluster.commit(2)
    assert topic_of(meter).consumed_per_s is None, "a position that goes back starts anew"


def test_the_time_until_unread_records_expire(cluster: LagCluster) -> None:
    cluster.commit(5)
    cluster.set_log(retention_ms=7_200_000.0)
    meter = meter_of(cluster)
    assert (one(meter).expiry_s(cluster.now_ms), one(meter).retention_used(cluster.now_ms)) == (3_600, 0.5)
    cluster.set_log(retention_ms=math.inf)
    assert (one(meter).expiry_s(cluster.now_ms), one(meter).retention_used(cluster.now_ms)) == (math.inf, 0)
    cluster.set_log(retention_ms=None)
    assert (one(meter).expiry_s(cluster.now_ms), topic_of(meter).retention_used(cluster.now_ms)) == (None, None)
    cluster.commit(10)
    assert (one(meter).expiry_s(cluster.now_ms), one(meter).retention_used(cluster.now_ms)) == (math.inf, 0)
