"""Measurements of a stand-in cluster, look by look."""

from shared.lag.meter import LagMeter
from shared.lag.states import PartitionLag, TopicLag
from tests.support.fakes import ManualClock
from tests.support.lag_cluster import LagCluster

STUCK_AFTER_S = 120.0
EVERY_S = 10.0


def cluster_with_old_records() -> LagCluster:
    """Return a cluster with a topic of one partition and ten old records."""
    found = LagCluster(ManualClock())
    found.write(10, age_s=3_600)
    return found


def meter_of(cluster: LagCluster, *expected: str) -> LagMeter:
    """Return a measurement of a cluster, with the groups that are expected in it."""
    return LagMeter(cluster, cluster.clock, EVERY_S, STUCK_AFTER_S, expected)


def topic_of(meter: LagMeter) -> TopicLag:
    """Look, and return the one topic of the one group."""
    [found] = meter.measure().topics
    return found


def one(meter: LagMeter) -> PartitionLag:
    """Look, and return the one partition of the one topic."""
    [found] = topic_of(meter).partitions
    return found
