"""The samples of the lag metrics, computed when they are read, so that ages are those of the reading."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from shared.lag.states import LagReport, State, TopicLag
from shared.metrics.registry import Sample

STATES = tuple(state for state in State if state is not State.LEFT)
"""The states that are exported; what a group has left has no series."""

WITH_RECORDS = tuple(state for state in STATES if state not in (State.CAUGHT_UP, State.UNKNOWN))
"""The states in which records wait whose number is known."""


def report_samples(report: LagReport, cluster: str, now_ms: float) -> Iterator[Sample]:
    """Yield the samples of a report.

    Args:
        report: The report.
        cluster: The value of the label `cluster_name`.
        now_ms: The time for which ages are computed, in ms since the epoch.
    """
    for place, (low, stable) in report.ends.items():
        labels = (cluster, place.topic, str(place.partition))
        yield Sample("kafka_partition_earliest_offset", labels, low)
        yield Sample("kafka_partition_latest_offset", labels, stable)
    for topic, rate in report.produced_per_s.items():
        yield Sample("millrace_lag_produced_records_per_second", (cluster, topic), rate)
    by_group: dict[str, list[TopicLag]] = defaultdict(list)
    for each in report.topics:
        by_group[each.group].append(each)
        yield from _partition_samples(each, cluster, now_ms)
        yield from _topic_samples(each, cluster, now_ms)
    for group, topics in by_group.items():
        yield from _group_samples(topics, (cluster, group), now_ms)


def _partition_samples(topic: TopicLag, cluster: str, now_ms: float) -> Iterator[Sample]:
    for each in topic.known:
        labels = (cluster, topic.group, topic.topic, str(each.partition))
        if each.committed is not None:
            yield Sample("kafka_consumergroup_group_offset", labels, each.committed)
        yield Sample("kafka_consumergroup_group_lag", labels, each.records)
        yield Sample("kafka_consumergroup_group_lag_seconds", labels, each.age_s(now_ms))


def _topic_samples(topic: TopicLag, cluster: str, now_ms: float) -> Iterator[Sample]:
    labels = (cluster, topic.group, topic.topic)
    counts = Counter(each.state for each in topic.partitions)
    for state in STATES:
        yield Sample("millrace_lag_partitions", (*labels, state.value), counts[state])
    if not topic.known:
        return
    for state in WITH_RECORDS:
        waiting = sum(each.records for each in topic.known if each.state is state)
        yield Sample("millrace_lag_records", (*labels, state.value), waiting)
    values = {
        "kafka_consumergroup_group_topic_sum_lag": topic.records,
        "millrace_lag_consumed_records_per_second": topic.consumed_per_s,
        "millrace_lag_drain_seconds": topic.drain_s,
        "millrace_lag_retention_used_ratio": topic.retention_used(now_ms),
        "millrace_lag_expiry_seconds": topic.expiry_s(now_ms),
        "millrace_lag_lost_offsets": topic.lost,
    }
    yield from (Sample(name, labels, value) for name, value in values.items() if value is not None)


def _group_samples(topics: Sequence[TopicLag], labels: tuple[str, str], now_ms: float) -> Iterable[Sample]:
    members = topics[0].members
    if members is not None:
        yield Sample("kafka_consumergroup_members", labels, members)
    known = [each for topic in topics for each in topic.known]
    if known:
        yield Sample("kafka_consumergroup_group_max_lag", labels, max(each.records for each in known))
        yield Sample("kafka_consumergroup_group_max_lag_seconds", labels, max(each.age_s(now_ms) for each in known))
        yield Sample("kafka_consumergroup_group_sum_lag", labels, sum(each.records for each in known))
