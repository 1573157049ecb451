"""What a cluster has of ours, looked at without changing anything: topics, the group, and how far behind it is."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from shared.broker.kafka import client_config
from shared.broker.reader import COORDINATOR_MOVES, COORDINATOR_WAIT_S
from shared.broker.replicas import ReplicaSurvey, survey_replicas
from shared.broker.security import Address, Heard, group_failure, opened, reach
from shared.broker.transactions import COUNTED_OFFSETS, Span, count_records
from shared.records import TopicPartition


@dataclass(frozen=True, slots=True)
class ClusterSurvey:
    """What was found.

    Attributes:
        brokers: How many brokers the cluster has.
        partitions: Of each topic asked about that is there.
    """

    brokers: int
    partitions: dict[str, int]


@dataclass(frozen=True, slots=True)
class GroupSurvey:
    """What was found of a consumer group.

    Attributes:
        state: In the broker's words, `stable` or `empty` for example; None where there is no such group yet.
        behind: Records between what is committed and what may be read: the end of the log, or an open transaction.
        is_counted: Whether records were counted, and not offsets, among which markers of transactions may be.
    """

    state: str | None
    behind: int
    is_counted: bool = True


def survey_cluster(bootstrap: Address, topics: Sequence[str], timeout_s: float) -> ClusterSurvey:
    """Ask for the cluster's metadata; a topic that is missing is not created by asking.

    Raises:
        Unavailable: no answer in time.
        Fatal: the settings cannot be used, or the brokers refuse this user.
    """
    heard = Heard()
    client = opened(AdminClient, client_config(bootstrap, heard) | {"allow.auto.create.topics": False})
    found = reach(client, heard, None, timeout_s)
    there = {name: found.topics[name] for name in topics if name in found.topics}
    return ClusterSurvey(len(found.brokers), {name: len(t.partitions) for name, t in there.items() if t.error is None})


def survey_topics(bootstrap: Address, topics: Sequence[str], timeout_s: float) -> ReplicaSurvey:
    """Ask for the replicas and settings of the topics that are there.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the settings cannot be used.
    """
    heard = Heard()
    client = opened(AdminClient, client_config(bootstrap, heard) | {"allow.auto.create.topics": False})
    try:
        found = survey_replicas(client, topics, timeout_s)
        for _ in range(int(timeout_s / COORDINATOR_WAIT_S)):
            if found.silent or not any(topic.without_leader for topic in found.topics):
                break
            client.poll(COORDINATOR_WAIT_S)  # leaders are being chosen, as of topics just made: this only waits
            found = survey_replicas(client, topics, timeout_s)
    except KafkaException as error:
        raise heard.failure(error.args[0]) from error
    return found


def survey_group(bootstrap: Address, group: str, topics: Sequence[str], timeout_s: float) -> GroupSurvey:
    """Ask for a group's state and offsets, without joining it.

    Args:
        bootstrap: Addresses of the brokers.
        group: The consumer group.
        topics: What it reads; they must be there.
        timeout_s: For each question.

    Raises:
        Unavailable: no answer in time.
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
    """Ask, and for as long as one question may take again while the group's coordinator is being found or moved."""
    for _ in range(int(timeout_s / COORDINATOR_WAIT_S)):
        try:
            return consumer.committed(places, timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() not in COORDINATOR_MOVES:
                raise
            consumer.poll(COORDINATOR_WAIT_S)  # nothing is assigned: this only waits
    return consumer.committed(places, timeout=timeout_s)
