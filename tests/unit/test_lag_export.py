"""The series of lag: names, labels and values. Ages are those of the scrape. What they cost: `test_lag_size.py`.

Green does not show that Prometheus accepts the text.
"""

import math
from collections.abc import Callable

import pytest

from shared.engine.loop import FailurePolicies
from shared.errors import Unavailable
from shared.lag.export import STATES, WITH_RECORDS
from shared.lag.meter import LagMeter
from shared.lag.port import Positions
from shared.lag.states import State
from shared.lag_settings import LagSettings
from shared.metrics.catalogue import LAG_METRICS
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.records import TopicPartition
from tests.support.fakes import ManualClock
from tests.support.lag_cluster import LagCluster
from workers.services.lag import LagExporter

CLUSTER = 'cluster_name="kafka"'
OF_GROUP = f'{CLUSTER},group="g"'
OF_TOPIC = f'{OF_GROUP},topic="orders"'
OF_PARTITION = f'{OF_GROUP},partition="0",topic="orders"'


class Outages(LagCluster):
    """A cluster that is unavailable for some looks, and ends the service after some."""

    lifecycle: Lifecycle
    away: int = 0
    looks: int = 0
    last: int = 1

    def positions(self, beat: Callable[[], None]) -> Positions:
        """Return the positions, or fail."""
        self.looks += 1
        if self.looks >= self.last:
            self.lifecycle.stopping.set()
        if self.looks <= self.away:
            raise Unavailable("broker", "no answer")
        return super().positions(beat)


def exporter_of(cluster: Outages) -> tuple[LagExporter, Registry]:
    cluster.lifecycle = Lifecycle(cluster.clock, 120)
    settings = LagSettings()
    exporter = LagExporter(
        lambda: LagMeter(cluster, cluster.clock, settings.interval_s, settings.stuck_after_s),
        cluster.lifecycle,
        FailurePolicies(),
        cluster.clock,
        settings,
    )
    registry = Registry()
    exporter.export(registry)
    return exporter, registry


def lines(registry: Registry) -> dict[str, float]:
    """Return the values of the lag series."""
    names = tuple(metric.name for metric in LAG_METRICS)
    text = [line for line in registry.render().decode().splitlines() if line.startswith(names)]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text}


def in_state(state: State) -> str:
    return f'millrace_lag_partitions{{{OF_GROUP},state="{state}",topic="orders"}}'


@pytest.fixture
def cluster() -> Outages:
    """Return a cluster with a group that has ten of twenty records."""
    found = Outages(ManualClock())
    found.write(10, age_s=1_000)
    found.write(10, age_s=500)
    found.set_log(retention_ms=1_000_000.0)
    found.commit(10)
    return found


def test_a_topic_has_its_ends_although_no_group_reads_it() -> None:
    """By them, `millrace:useful_backlog:records` starts a worker for a group that Kafka has forgotten."""
    cluster = Outages(ManualClock())
    cluster.write(10, age_s=500)
    exporter, registry = exporter_of(cluster)
    exporter.run()
    found = lines(registry)
    assert found[f'kafka_partition_latest_offset{{{CLUSTER},partition="0",topic="orders"}}'] == 10
    assert found[f'kafka_partition_earliest_offset{{{CLUSTER},partition="0",topic="orders"}}'] == 0
    assert not any("group=" in name for name in found)


def test_the_series_of_a_group_and_their_age_at_the_scrape(cluster: Outages) -> None:
    exporter, registry = exporter_of(cluster)
    assert lines(registry) == {f"millrace_lag_up{{{CLUSTER}}}": 0}, "before the first look"
    exporter.run()
    cluster.clock.seconds += 1
    cluster.looks = 0
    exporter.lifecycle.stopping.clear()
    found = lines(registry)
    age_s = 501.0
    assert found.pop(f"millrace_lag_last_measured_timestamp_seconds{{{CLUSTER}}}") == cluster.now_ms / 1000 - 1
    for state in STATES:
        assert found.pop(in_state(state)) == (state is State.BEHIND)
    for state in WITH_RECORDS:
        series = in_state(state).replace("lag_partitions", "lag_records")
        assert found.pop(series) == (10 if state is State.BEHIND else 0)
    assert found == {
        f"millrace_lag_up{{{CLUSTER}}}": 1,
        f"kafka_consumergroup_poll_time_ms{{{CLUSTER}}}": 0,
        f'kafka_partition_latest_offset{{{CLUSTER},partition="0",topic="orders"}}': 20,
        f'kafka_partition_earliest_offset{{{CLUSTER},partition="0",topic="orders"}}': 0,
        f"kafka_consumergroup_group_offset{{{OF_PARTITION}}}": 10,
        f"kafka_consumergroup_group_lag{{{OF_PARTITION}}}": 10,
        f"kafka_consumergroup_group_lag_seconds{{{OF_PARTITION}}}": age_s,
        f"kafka_consumergroup_group_max_lag{{{OF_GROUP}}}": 10,
        f"kafka_consumergroup_group_max_lag_seconds{{{OF_GROUP}}}": age_s,
        f"kafka_consumergroup_group_sum_lag{{{OF_GROUP}}}": 10,
        f"kafka_consumergroup_group_topic_sum_lag{{{OF_TOPIC}}}": 10,
        f"kafka_consumergroup_members{{{OF_GROUP}}}": 1,
        f"millrace_lag_retention_used_ratio{{{OF_TOPIC}}}": age_s / 1_000,
        f"millrace_lag_expiry_seconds{{{OF_TOPIC}}}": 1_000 - age_s,
        f"millrace_lag_lost_offsets{{{OF_TOPIC}}}": 0,
    }


def test_rates_and_drain_follow_with_the_second_look(cluster: Outages) -> None:
    exporter, registry = exporter_of(cluster)
    cluster.last = 3
    exporter.run()
    found = lines(registry)
    assert found[f'millrace_lag_produced_records_per_second{{{CLUSTER},topic="orders"}}'] == 0
    assert found[f"millrace_lag_consumed_records_per_second{{{OF_TOPIC}}}"] == 0
    assert found[f"millrace_lag_drain_seconds{{{OF_TOPIC}}}"] == math.inf


def test_caught_up_is_zero_and_infinity_and_nothing_is_ever_no_number(cluster: Outages) -> None:
    cluster.commit(20)
    exporter, registry = exporter_of(cluster)
    exporter.run()
    found = lines(registry)
    assert found[f"kafka_consumergroup_group_lag_seconds{{{OF_PARTITION}}}"] == 0
    assert found[f"millrace_lag_expiry_seconds{{{OF_TOPIC}}}"] == math.inf
    assert found[f"millrace_lag_drain_seconds{{{OF_TOPIC}}}"] == 0
    assert not any(math.isnan(each) for each in found.values())


def test_a_partition_that_is_not_known_has_no_numbers_but_is_counted(cluster: Outages) -> None:
    cluster.set_log(TopicPartition("orders", 1), fault="no leader")
    cluster.set_log(fault="no leader")
    exporter, registry = exporter_of(cluster)
    exporter.run()
    found = lines(registry)
    assert found[in_state(State.UNKNOWN)] == 2
    assert not any("lag_seconds" in name or "_lag{" in name or "expiry" in name for name in found)


def test_a_group_that_has_left_has_no_series(cluster: Outages) -> None:
    exporter, registry = exporter_of(cluster)
    cluster.last = 2
    exporter.run()
    assert any('group="g"' in name for name in lines(registry))
    cluster.groups.clear()
    cluster.lifecycle.stopping.clear()
    exporter.run()
    assert not any("group=" in name for name in lines(registry))


def test_during_an_outage_it_is_not_ready_and_the_last_answer_ends_after_some_looks(cluster: Outages) -> None:
    exporter, registry = exporter_of(cluster)
    exporter.run()
    assert exporter.lifecycle.not_ready() == {}
    cluster.lifecycle.stopping.clear()
    cluster.away, cluster.last = 100, cluster.looks + 1
    exporter.run()
    assert exporter.lifecycle.not_ready()["broker"] == "no answer"
    assert lines(registry)[f"millrace_lag_up{{{CLUSTER}}}"] == 0
    assert any("group=" in name for name in lines(registry))
    cluster.clock.seconds += 31
    assert not any("group=" in name for name in lines(registry))
    cluster.lifecycle.stopping.clear()
    cluster.away, cluster.last = 0, cluster.looks + 1
    exporter.run()
    assert exporter.lifecycle.not_ready() == {}
    assert lines(registry)[f"millrace_lag_up{{{CLUSTER}}}"] == 1
