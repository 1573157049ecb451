"""Broker functions of the dead-letter commands: reading from an offset, a group's offsets, depth, removal.

Green does not show the commands themselves; `tests/faults/test_dlq_on_kafka.py` runs them.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.broker.backlog import Backlog, measure_backlog
from shared.broker.embedded import EmbeddedBroker
from shared.broker.group_offsets import GroupOffsets
from shared.broker.reader import TopicReader
from shared.broker.removal import Remover
from shared.clock import SystemClock
from shared.errors import Fatal, Unavailable
from shared.records import Message, TopicPartition
from tests.support.brokers import Broker, by_partition, messages, numbers, take, until


@pytest.fixture
def topic(broker: Broker) -> str:
    """Yield a topic of 200 numbered records in four partitions."""
    return broker.filled(200)


@pytest.fixture
def offsets(broker: Broker, topic: str) -> Iterator[GroupOffsets]:
    """Yield the offsets of a group of the topic's own."""
    opened = GroupOffsets(broker.bootstrap, f"replay-{topic}", SystemClock())
    yield opened
    opened.close()


def test_reading_begins_at_the_given_offsets_in_the_given_partitions(broker: Broker, topic: str) -> None:
    reader = TopicReader(broker.bootstrap, at_once=7)
    whole = by_partition(reader.read(topic))
    first, second, *_ = sorted(whole)
    start = {TopicPartition(topic, first): 3, TopicPartition(topic, second): 0}
    assert by_partition(reader.read(topic, start)) == {first: whole[first][3:], second: whole[second]}


def test_reading_from_the_end_or_without_partitions_gives_nothing(broker: Broker, topic: str) -> None:
    reader = TopicReader(broker.bootstrap)
    ends = {where: high for where, (_, high) in reader.watermarks(topic).items()}
    assert list(reader.read(topic, ends)) == []
    assert list(reader.read(topic, {})) == []


def test_a_reading_that_is_abandoned_releases_the_reader(broker: Broker, topic: str) -> None:
    reading = TopicReader(broker.bootstrap, at_once=5).read(topic)
    next(reading)
    assert isinstance(reading, Iterator)
    del reading
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(200))


def test_committed_offsets_are_known_to_a_second_client(broker: Broker, topic: str, offsets: GroupOffsets) -> None:
    places = list(TopicReader(broker.bootstrap).watermarks(topic))
    assert offsets.committed(places) == {}
    offsets.commit({places[0]: 5, places[2]: 0})
    offsets.commit({places[0]: 7})
    other = GroupOffsets(broker.bootstrap, f"replay-{topic}", SystemClock())
    assert other.committed(places) == {places[0]: 7, places[2]: 0}
    other.close()


def test_a_group_that_has_members_is_refused(broker: Broker, topic: str) -> None:
    source = broker.join(topic)
    take(source, 1)
    offsets = GroupOffsets(broker.bootstrap, topic, SystemClock())
    with pytest.raises(Fatal, match="has active members"):
        offsets.commit({TopicPartition(topic, 0): 1})
    offsets.close()


def test_depth_and_age_of_the_oldest(broker: Broker, topic: str) -> None:
    oldest_ms = min(record.timestamp_ms for record in TopicReader(broker.bootstrap).read(topic))
    assert measure_backlog(broker.bootstrap, topic) == Backlog(200, oldest_ms)
    assert measure_backlog(broker.bootstrap, broker.topic()) == Backlog(0, None)


def test_a_backlog_that_cannot_be_measured_is_unavailable(broker: Broker) -> None:
    with pytest.raises(Unavailable):
        measure_backlog(broker.bootstrap, "there-is-no-such-topic")


def test_the_embedded_broker_reports_that_it_cannot_remove(embedded_broker: EmbeddedBroker) -> None:
    embedded_broker.create(["removal"])
    with pytest.raises(Fatal, match="the embedded broker cannot delete"):
        Remover(embedded_broker.bootstrap).beginning("removal", None)


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_only_the_beginning_up_to_a_time_is_removed(broker: Broker, topic: str) -> None:
    remover, reader = Remover(broker.bootstrap), TopicReader(broker.bootstrap)
    newest_ms = max(record.timestamp_ms for record in reader.read(topic))
    between = datetime.fromtimestamp((newest_ms + 1) / 1000, UTC)
    until(lambda: datetime.now(UTC) > between, "the next millisecond")
    broker.produce(messages(topic, 40, first=200))
    spans = remover.beginning(topic, between)
    assert sum(end - first for first, end in spans.values()) == 200
    remover.remove({where: end for where, (_, end) in spans.items()})
    assert numbers(reader.read(topic)) == list(range(200, 240))
    assert remover.beginning(topic, between) == {where: (end, end) for where, (_, end) in spans.items()}
    remover.remove({where: end for where, (_, end) in remover.beginning(topic, None).items()})
    assert list(reader.read(topic)) == []


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_only_records_removed_during_the_reading_are_skipped(broker: Broker) -> None:
    topic = broker.topic()
    big = os.urandom(100_000)  # more in total than the client reads ahead, and not compressible
    broker.produce([Message(topic, b"one key", big) for _ in range(600)])
    reader, remover = TopicReader(broker.bootstrap, at_once=10), Remover(broker.bootstrap)
    reading = reader.read(topic)
    where = next(reading).topic_partition
    remover.remove({where: 500})
    read = [record.offset for record in reading]
    assert read == sorted(set(read))
    assert set(range(500, 600)) <= set(read)
    assert len(read) < 599, "all records were read ahead: none was removed during the reading"
