"""What the measurement of lag remembers between looks, and what it concludes where something is missing.

Green does not show that Kafka answers as the stand-in does: `tests/faults/test_lag_on_kafka.py` shows that.
"""

import math
from collections.abc import Callable

import pytest

from shared.engine.loop import FailurePolicies
from shared.lag.port import Positions
from shared.lag.states import PartitionLag, State, TopicLag
from shared.lag_settings import LagSettings
from shared.operation.lifecycle import Lifecycle
from shared.records import TopicPartition
from tests.support.fakes import ManualClock
from tests.support.lag_cluster import ONLY, LagCluster
from tests.support.lag_meters import EVERY_S, cluster_with_old_records, meter_of, one, topic_of
from workers.services.lag import LagExporter

OTHER = TopicPartition("orders", 1)


@pytest.fixture
def cluster() -> LagCluster:
    """Return a cluster with a topic of one partition and ten old records."""
    return cluster_with_old_records()


def marker(cluster: LagCluster) -> None:
    """Append the marker of a transaction to the records."""
    high = cluster.logs[ONLY].high
    cluster.set_log(stable=high + 1, high=high + 1)


def empty(cluster: LagCluster) -> None:
    """Delete the log up to its end."""
    cluster.records[ONLY] = {}
    cluster.set_log(low=cluster.logs[ONLY].high)


def test_the_marker_of_the_last_transaction_is_no_loss_to_a_measurement_that_begins_later(cluster: LagCluster) -> None:
    cluster.commit(10)
    marker(cluster)
    empty(cluster)
    meter = meter_of(cluster)
    for _ in range(3):
        found = one(meter)
        assert (found.state, found.lost) == (State.CAUGHT_UP, 0)
        cluster.wait(EVERY_S)
    cluster.write(2)
    assert (one(meter).state, one(meter).lost, one(meter).records) == (State.BEHIND, 0, 2)
    empty(cluster)
    assert one(meter).lost == 2, "what was written later is lost"


@pytest.mark.parametrize("missing", [2, 5])
def test_more_than_a_marker_is_a_loss_to_a_measurement_that_begins_later(cluster: LagCluster, missing: int) -> None:
    cluster.commit(10 - missing)
    empty(cluster)
    assert (one(meter_of(cluster)).state, one(meter_of(cluster)).lost) == (State.EXPIRED, missing)


def test_a_log_that_still_holds_records_is_no_excuse(cluster: LagCluster) -> None:
    cluster.commit(4)
    cluster.set_log(low=5)
    assert one(meter_of(cluster)).lost == 1


def test_a_single_record_that_was_seen_stays_lost_until_the_group_commits(cluster: LagCluster) -> None:
    cluster.commit(9)
    meter = meter_of(cluster)
    assert one(meter).records == 1
    empty(cluster)
    for _ in range(3):
        assert (one(meter).state, one(meter).lost) == (State.EXPIRED, 1)
        cluster.wait(EVERY_S)
    cluster.set_log(fault="no leader")
    assert one(meter).state is State.UNKNOWN
    cluster.set_log(fault=None)
    assert one(meter).lost == 1, "also after a look without an answer"
    cluster.commit(10)
    assert one(meter).lost == 0


def test_a_partition_whose_first_record_is_not_read_in_time_keeps_its_last_age(cluster: LagCluster) -> None:
    cluster.write(10, OTHER)
    cluster.commit(10, OTHER)
    cluster.commit(2)
    meter = meter_of(cluster)
    topic_of(meter)
    cluster.wait(EVERY_S)
    cluster.commit(4)
    cluster.fault = "not in time"
    lag = topic_of(meter)
    found = lag.partitions[0]
    assert (found.state, found.reason, found.records, found.is_counted) == (State.UNKNOWN, "not in time", 6, False)
    assert (found.committed, found.age_s(cluster.now_ms), found.has_numbers) == (4, 3_610, True)
    assert (lag.records, lag.age_s(cluster.now_ms), lag.drain_s) == (6, 3_610, None)
    cluster.commit(6)
    assert one_of(topic_of(meter)).age_s(cluster.now_ms) == 3_610, "also at a second look"
    cluster.fault = None
    assert one_of(topic_of(meter)).state is State.BEHIND


def one_of(lag: TopicLag) -> PartitionLag:
    return lag.partitions[0]


def test_the_known_rest_does_not_say_when_all_is_read(cluster: LagCluster) -> None:
    cluster.set_log(OTHER, fault="no leader")
    cluster.commit(10)
    meter = meter_of(cluster)
    assert (topic_of(meter).records, topic_of(meter).drain_s) == (0, None)
    cluster.commit(2)
    cluster.group(members=0)
    topic_of(meter)
    assert topic_of(meter).drain_s == math.inf, "a stalled part is never read, whatever the rest does"


def test_a_first_commit_is_no_rate(cluster: LagCluster) -> None:
    cluster.records[ONLY] = {}
    cluster.set_log(low=10_000_000, stable=10_000_000, high=10_000_000)
    cluster.group(from_beginning=True, assigned=frozenset({"orders"}))
    cluster.write(20)
    meter = meter_of(cluster)
    assert one(meter).records == 20
    cluster.wait(EVERY_S)
    cluster.commit(10_000_010)
    found = one(meter)
    assert (found.consumed_per_s, found.state) == (None, State.BEHIND)
    cluster.wait(EVERY_S)
    cluster.commit(10_000_015)
    assert one(meter).consumed_per_s == 0.5


def test_slow_looks_also_find_what_is_stuck_and_measure_rates(cluster: LagCluster) -> None:
    cluster.took_s = 50.0
    cluster.commit(5)
    meter = meter_of(cluster)
    seen = []
    for _ in range(4):
        seen.append(one(meter))
        cluster.wait(EVERY_S)
    assert [each.state for each in seen] == [State.BEHIND] * 2 + [State.STUCK] * 2
    assert [each.consumed_per_s for each in seen] == [None, 0, 0, 0]


class SlowCluster(LagCluster):
    """A cluster whose requests take most of the time in which a thread must show that it lives."""

    lifecycle: Lifecycle
    stuck: list[str]

    def positions(self, beat: Callable[[], None]) -> Positions:
        """Return the positions after three slow requests."""
        self.stuck = []
        for _ in range(3):
            self.clock.seconds += 100
            self.stuck += self.lifecycle.stuck()
            beat()
        self.lifecycle.stopping.set()
        return super().positions(beat)


def test_a_slow_look_does_not_seem_dead() -> None:
    cluster = SlowCluster(ManualClock())
    cluster.lifecycle = Lifecycle(cluster.clock, stuck_after_s=120)
    exporter = LagExporter(
        lambda: meter_of(cluster), cluster.lifecycle, FailurePolicies(), cluster.clock, LagSettings()
    )
    exporter.run()
    assert cluster.stuck == []


def test_the_age_of_a_group_that_moves_does_not_grow_until_the_next_look(cluster: LagCluster) -> None:
    cluster.commit(2)
    meter = meter_of(cluster)
    assert one(meter).age_s(cluster.now_ms + 9_000) == 3_609, "it has not been seen to move"
    cluster.wait(EVERY_S)
    cluster.commit(4)
    assert one(meter).age_s(cluster.now_ms + 9_000) == 3_610
    cluster.wait(EVERY_S)
    assert one(meter).age_s(cluster.now_ms + 9_000) == 3_629, "it has stopped"


def test_a_topic_that_was_made_again_has_no_age_of_its_old_records(cluster: LagCluster) -> None:
    cluster.group(from_beginning=True, assigned=frozenset({"orders"}))
    meter = meter_of(cluster)
    assert one(meter).age_s(cluster.now_ms) == 3_600
    cluster.logs.clear()
    cluster.records.clear()
    cluster.write(3, age_s=5)
    assert one(meter).age_s(cluster.now_ms) == 5


def test_what_a_deleted_group_was_is_forgotten(cluster: LagCluster) -> None:
    cluster.commit(1)
    cluster.group(members=0)
    meter = meter_of(cluster)
    one(meter)
    cluster.commit(2)
    assert one(meter).state is State.BEHIND, "it commits without members"
    del cluster.groups["g"]
    meter.measure()
    cluster.commit(3)
    cluster.group(members=0)
    assert one(meter).state is State.STALLED, "a group of the same name is another one"
