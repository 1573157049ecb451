"""The state of a cluster, read without changing anything: Millrace's topics, its consumer group and the group's lag."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from shared.broker.client import client_config
from shared.broker.reader import COORDINATOR_MOVES, COORDINATOR_WAIT_S
from shared.broker.replicas import ReplicaSurvey, survey_replicas
from shared.broker.security import Address, ClientErrors, group_failure, opened, reach
from shared.broker.transactions import COUNTED_OFFSETS, Span, count_records
from shared.records import TopicPartition


@dataclass(frozen=True, slots=True)
class ClusterSurvey:
    """The brokers and topics of a cluster.

    Attributes:
        brokers: Number of brokers in the cluster.
        partitions: Number of partitions of each requested topic that exists.
    """

    brokers: int
    partitions: dict[str, int]


@dataclass(frozen=True, slots=True)
class GroupSurvey:
    """The state of a consumer group.

    Attributes:
        state: The broker's name for it, such as `stable` or `empty`; None if the group does not exist yet.
        behind: Lag in records: from the committed offset to the end of the log, or to an open transaction before it.
        is_counted: True if `behind` counts records; False if it counts offsets, which may include transaction markers.
    """

    state: str | None
    behind: int
    is_counted: bool = True


def survey_cluster(bootstrap: Address, topics: Sequence[str], timeout_s: float) -> ClusterSurvey:
    """Return the cluster's brokers and partitions; the request does not create missing topics.

    Raises:
        Unavailable: the brokers did not answer in time.
        Fatal: the settings cannot be used, or the brokers refuse this user.
    """
    client_errors = ClientErrors()
    client = opened(AdminClient, client_config(bootstrap, client_errors) | {"allow.auto.create.topics": False})
    found = reach(client, client_errors, None, timeout_s)
    existing = {name: found.topics[name] for name in topics if name in found.topics}
    return ClusterSurvey(
        len(found.brokers), {name: len(t.partitions) for name, t in existing.items() if t.error is None}
    )


def survey_topics(bootstrap: Address, topics: Sequence[str], timeout_s: float) -> ReplicaSurvey:
    """Return the replicas and settings of the topics that exist.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the settings cannot be used.
    """
    client_errors = ClientErrors()
    client = opened(AdminClient, client_config(bootstrap, client_errors) | {"allow.auto.create.topics": False})
    try:
        found = survey_replicas(client, topics, timeout_s)
        for _ in range(int(timeout_s / COORDINATOR_WAIT_S)):
            if found.silent or not any(topic.without_leader for topic in found.topics):
                break
            client.poll(COORDINATOR_WAIT_S)  # only waits: leaders are being elected, as after creation
            found = survey_replicas(client, topics, timeout_s)
    except KafkaException as error:
        raise client_errors.failure(error.args[0]) from error
    return found


def survey_group(bootstrap: Address, group: str, topics: Sequence[str], timeout_s: float) -> GroupSurvey:
    """Return a group's state and lag, without joining the group.

    Args:
        bootstrap: Addresses of the brokers.
        group: The consumer group.
        topics: The topics that the group reads; they must exist.
        timeout_s: For each request.

    Raises:
        Unavailable: the brokers did not answer in time.
        Fatal: the settings cannot be used, or the brokers refuse this user.
    """
    config = client_config(bootstrap)
    admin = opened(AdminClient, config)
    with closing(opened(Consumer, config | {"group.id": group, "enable.auto.commit": False})) as consumer:
        try:
            spans = _spans_behind(consumer, topics, timeout_s)
            listed = admin.list_consumer_groups(request_timeout=timeout_s).result(timeout_s + 1)
        except KafkaException as error:
            raise group_failure(consumer, error.args[0], group) from error
    states = [each.state.name.lower() for each in listed.valid if each.group_id == group]
    state, offsets = states[0] if states else None, sum(end - first for first, end in spans.values())
    if 0 < offsets <= COUNTED_OFFSETS:
        count = count_records(bootstrap, spans, timeout_s, committed_only=True)
        if count.is_whole:
            return GroupSurvey(state, count.records)
    return GroupSurvey(state, offsets, is_counted=offsets == 0)


def _spans_behind(consumer: Consumer, topics: Sequence[str], timeout_s: float) -> dict[TopicPartition, Span]:
    places = [
        KafkaPartition(topic, number)
        for topic in topics
        for number in consumer.list_topics(topic, timeout=timeout_s).topics[topic].partitions
    ]
    spans = {}
    for place in _committed(consumer, places, timeout_s):
        low, high = consumer.get_watermark_offsets(place, timeout=timeout_s, cached=False)
        if high > max(low, place.offset):
            spans[TopicPartition(place.topic, place.partition)] = (max(low, place.offset), high)
    return spans


def _committed(consumer: Consumer, places: list[KafkaPartition], timeout_s: float) -> list[KafkaPartition]:
    """Return the committed offsets; retry, up to `timeout_s`, while the group's coordinator is being found or moved."""
    for _ in range(int(timeout_s / COORDINATOR_WAIT_S)):
        try:
            return consumer.committed(places, timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in COORDINATOR_MOVES:
                raise
            consumer.poll(COORDINATOR_WAIT_S)  # nothing is assigned: this only waits
    return consumer.committed(places, timeout=timeout_s)
