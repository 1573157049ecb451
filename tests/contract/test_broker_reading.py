"""Reading a topic from end to end, on the embedded broker and on Kafka.

A green run says nothing about very large topics.
"""

import pytest

from shared.broker.reader import TopicReader
from shared.errors import Unavailable
from shared.records import Message, Record, Watermarks
from tests.contract.test_broker import places
from tests.support.brokers import (
    Broker,
    by_partition,
    messages,
    numbers,
    offsets,
    take,
)

# --- reading from end to end ---


def test_the_reader_yields_the_existing_records_and_stops(broker: Broker) -> None:
    topic = broker.filled(1_500)
    records: list[Record] = []
    for record in TopicReader(broker.bootstrap).read(topic):
        if not records:
            broker.produce(messages(topic, 100, first=1_500))  # produced after the reader asked for the watermark
        records.append(record)
    assert numbers(records) == list(range(1_500))
    assert offsets(records) == {place: list(range(len(found))) for place, found in by_partition(records).items()}
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(1_600))


def test_the_reader_stops_at_once_if_the_topic_is_empty(broker: Broker) -> None:
    topic = broker.topic()
    reader = TopicReader(broker.bootstrap)
    assert list(reader.read(topic)) == []
    assert reader.watermarks(topic) == dict.fromkeys(places(topic), Watermarks(0, 0))
    assert reader.committed([topic]) == {}


def test_the_reader_stops_if_some_partitions_are_empty(broker: Broker) -> None:
    topic = broker.topic()
    broker.produce([Message(topic, b"one key", str(n).encode()) for n in range(30)])
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(30))


def test_watermarks_count_the_produced_records(broker: Broker) -> None:
    topic = broker.filled(100)
    marks = TopicReader(broker.bootstrap).watermarks(topic)
    assert set(marks) == set(places(topic))
    assert all(low == 0 for low, _ in marks.values())
    assert sum(high for _, high in marks.values()) == 100


def test_reading_commits_nothing_and_disturbs_no_group(broker: Broker) -> None:
    topic = broker.filled(20)
    reader = TopicReader(broker.bootstrap, topic)
    assert len(list(reader.read(topic))) == 20
    assert reader.committed([topic]) == {}
    assert numbers(take(broker.join(topic), 20)) == list(range(20))


def test_a_reader_that_is_left_early_can_be_used_again(broker: Broker) -> None:
    topic = broker.filled(20)
    reader = TopicReader(broker.bootstrap)
    reading = reader.read(topic)
    next(reading)
    reading.close()  # type: ignore[attr-defined]  # it is a generator, though the port says iterator only
    assert len(list(reader.read(topic))) == 20


def test_a_topic_that_does_not_exist_is_unavailable(broker: Broker) -> None:
    reader = TopicReader(broker.bootstrap)
    for ask in (reader.watermarks, lambda topic: list(reader.read(topic)), lambda topic: reader.committed([topic])):
        with pytest.raises(Unavailable, match="topic"):
            ask("contract-never-made")
