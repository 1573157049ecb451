"""Source, sink, reader and provisioning keep the port's promises on the embedded broker and on one real Kafka node.

What it shows: order, content and offsets of records, commits, pausing, a full buffer, sizes, reading to the watermark.
A green run does not prove anything about outages (`test_broker_outage.py`), several brokers, replication, TLS or
authentication, throughput, or a topic whose records expire while they are read.
"""

import os
import time
from uuid import uuid4

import pytest

from schemas.topics import DAY_MS, MESSAGE_LIMIT_BYTES, Topic
from shared.broker import provision
from shared.broker.client import FETCH_LIMIT_BYTES
from shared.broker.producer import CLIENT_MESSAGE_LIMIT_BYTES
from shared.broker.reader import TopicReader
from shared.errors import Fatal, Unavailable
from shared.records import Message, TopicPartition
from tests.support.brokers import (
    PARTITIONS,
    Broker,
    by_partition,
    messages,
    next_offsets,
    numbers,
    offsets,
    polled,
    take,
    until,
)

QUIET_S = 1.5
"""Time without a record after which the tests conclude that none will arrive; a record usually takes some 20 ms."""


def embedded_cannot(reason: str, raises: type[BaseException] = AssertionError) -> pytest.MarkDecorator:
    """Run on both brokers, and expect the embedded one to fail."""
    mark = pytest.mark.xfail(reason=f"embedded broker: {reason}", strict=True, raises=raises)
    return pytest.mark.parametrize("broker", [pytest.param("embedded", marks=mark), "kafka"], indirect=True)


# --- records ---


def test_records_come_in_order_within_a_partition(broker: Broker) -> None:
    topic = broker.filled(400)
    records = take(broker.join(topic), 400)
    assert numbers(records) == list(range(400))
    assert offsets(records) == {place: list(range(len(found))) for place, found in by_partition(records).items()}
    for found in by_partition(records).values():
        assert numbers(found) == [int(record.value or b"") for record in found]
    assert len(by_partition(records)) == PARTITIONS


def test_a_record_equals_the_produced_message(broker: Broker) -> None:
    topic, before_ms = broker.topic(), time.time() * 1000
    produced = [
        Message(topic, b"k", b"v", (("a", b"1"), ("a", b"2"), ("empty", b""), ("bytes", bytes(range(256))))),
        Message(topic, b"k", None),
        Message(topic, b"k", b""),
        Message(topic, b"k", "Größe 📦".encode(), (("naïve", b"x"),)),
        Message(topic, b"k", bytes(range(256)) * 400),
    ]
    broker.produce(produced)
    records = take(broker.join(topic), len(produced))
    assert [(r.topic, r.key, r.value, r.headers) for r in records] == [
        (m.topic, m.key, m.value, m.headers) for m in produced
    ]
    assert all(before_ms - 1 <= record.timestamp_ms <= time.time() * 1000 + 1 for record in records)


def test_a_record_without_a_key_arrives_without_one(broker: Broker) -> None:
    topic = broker.topic()
    broker.produce([Message(topic, None, b"no key")])
    assert [(r.key, r.value) for r in take(broker.join(topic), 1)] == [(None, b"no key")]


def test_take_returns_no_more_than_requested_and_nothing_when_nothing_arrives(broker: Broker) -> None:
    topic = broker.filled(10)
    source = broker.join(topic)
    assert len(take(source, 3)) == 3
    assert len(take(source, 7)) == 7
    assert source.take(5, 0.1) == []


# --- commits ---


def test_a_restart_continues_after_the_committed_records(broker: Broker) -> None:
    topic = broker.filled(300)
    first = broker.join(topic)
    done = take(first, 120)
    assert first.hold(done) == done
    assert first.commit(done) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(done)
    first.close()
    rest = take(broker.join(topic), 180)
    assert numbers(done + rest) == list(range(300))
    for place, found in by_partition(done + rest).items():
        assert [record.offset for record in found] == list(range(len(found))), place


def test_uncommitted_records_are_delivered_again(broker: Broker) -> None:
    topic = broker.filled(100)
    first = broker.join(topic)
    records = take(first, 100)
    assert first.hold(records) == records
    first.release()
    first.close()
    again = take(broker.join(topic), 100)
    assert offsets(again) == offsets(records)


def test_the_highest_offset_is_committed_whatever_the_order_of_the_records(broker: Broker) -> None:
    topic = broker.filled(50)
    source = broker.join(topic)
    records = take(source, 50)
    assert source.commit(source.hold(list(reversed(records)))) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)


def test_committing_nothing_is_no_error(broker: Broker) -> None:
    source = broker.join(broker.topic())
    assert source.hold([]) == []
    assert source.commit([]) == 0


def test_groups_do_not_share_offsets(broker: Broker) -> None:
    topic = broker.filled(40)
    one = broker.join(topic, group=f"{topic}-one")
    assert one.commit(one.hold(take(one, 40))) == 0
    assert numbers(take(broker.join(topic, group=f"{topic}-two"), 40)) == list(range(40))


# --- pausing and a full buffer ---


def test_pause_stops_fetching_but_not_polling_and_resume_loses_nothing(broker: Broker) -> None:
    topic = broker.filled(100)
    source = broker.join(topic)
    before = take(source, 100)
    source.pause()
    polled(source)
    broker.produce(messages(topic, 200, first=100))
    paused_s = source.last_poll_s
    assert source.take(1, QUIET_S) == []
    assert source.last_poll_s > paused_s + QUIET_S / 2
    source.resume()
    after = take(source, 200)
    assert numbers(before + after) == list(range(300))
    for place, found in offsets(before + after).items():
        assert found == list(range(len(found))), place


def test_a_member_that_is_paused_when_it_joins_gets_nothing_until_it_resumes(broker: Broker) -> None:
    topic = broker.filled(20)
    source = broker.join(topic)
    source.pause()
    joined_s = time.monotonic()
    while source.assigned < PARTITIONS:
        assert time.monotonic() < joined_s + 60
        assert source.take(1, 0.1) == []
    assert source.take(1, QUIET_S) == []
    source.resume()
    assert numbers(take(source, 20)) == list(range(20))


def test_a_paused_source_reports_that_it_polls_and_has_no_fault(broker: Broker) -> None:
    source = broker.join(broker.filled(20))
    take(source, 20)
    assert source.fault is None
    source.pause()
    polled(source)
    paused_s = source.last_poll_s
    polled(source, 20)
    assert source.last_poll_s > paused_s
    assert source.assigned == PARTITIONS
    assert source.fault is None
    source.check()


def test_a_source_without_its_topic_reports_it(broker: Broker) -> None:
    name = f"absent-{uuid4().hex[:12]}"
    source = broker.join(name)
    until(lambda: source.fault is not None, "a fault")
    assert f"there is no topic {name}" in (source.fault or "")
    source.check()


def test_commits_are_confirmed_while_paused(broker: Broker) -> None:
    topic = broker.filled(20)
    source = broker.join(topic)
    records = source.hold(take(source, 20))
    source.pause()
    polled(source)
    assert source.commit(records) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)


def test_a_full_buffer_neither_loses_nor_reorders(broker: Broker) -> None:
    topic = broker.filled(3_000)
    source = broker.join(topic, buffered_records=10)
    records = take(source, 1)
    full_s = source.last_poll_s
    while source.last_poll_s < full_s + 4:  # later than PAUSE_AFTER_S, so that the partitions are paused by now
        polled(source, 1)
    ahead = source.take(3_000, 0)
    assert len(ahead) <= 10 + 500, "more was read ahead than the buffer and one poll hold"
    records += ahead
    records += take(source, 3_000 - len(records))
    assert offsets(records) == {place: list(range(len(found))) for place, found in by_partition(records).items()}
    assert numbers(records) == list(range(3_000))


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)  # the embedded broker's limit is too small for this
def test_a_buffer_is_full_by_its_bytes_too(broker: Broker) -> None:
    topic, count, size_bytes = broker.topic(), 48, 1_000_000
    noise = os.urandom(size_bytes - 2)  # random bytes, which compression does not shrink
    broker.produce([Message(topic, str(n).encode(), b"%02d" % n + noise) for n in range(count)])
    source = broker.join(topic, buffered_mib=1)
    records = take(source, 1)
    full_s = source.last_poll_s
    while source.last_poll_s < full_s + 4:  # later than PAUSE_AFTER_S, so that the partitions are paused by now
        polled(source, 1)
    ahead = source.take(count, 0)
    prefetched_bytes = (16 << 20) + PARTITIONS * FETCH_LIMIT_BYTES
    assert sum(len(record.value or b"") for record in ahead) <= (1 << 20) + prefetched_bytes
    records += ahead + take(source, count - 1 - len(ahead))
    assert sorted((record.value or b"")[:2] for record in records) == [b"%02d" % n for n in range(count)]


def test_a_commit_is_confirmed_while_the_buffer_is_full(broker: Broker) -> None:
    topic = broker.filled(500)
    source = broker.join(topic, buffered_records=10)
    records = source.hold(take(source, 50))
    assert source.commit(records) == 0
    assert numbers(records + take(source, 450)) == list(range(500))


# --- producing ---


def test_flush_returns_nothing_when_all_is_delivered(broker: Broker) -> None:
    topic, sink = broker.topic(), broker.sink()
    for first in range(0, 300, 100):
        sink.produce(messages(topic, 100, first))
        assert sink.flush() == []
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(300))


def test_flushing_nothing_is_no_error(broker: Broker) -> None:
    assert broker.sink().flush() == []


def test_the_largest_promised_record_is_delivered(broker: Broker) -> None:
    topic = broker.topic(limit_bytes=MESSAGE_LIMIT_BYTES + 65_536)
    broker.produce([Message(topic, b"k", b"x" * MESSAGE_LIMIT_BYTES)])
    assert [len(r.value or b"") for r in take(broker.join(topic), 1)] == [MESSAGE_LIMIT_BYTES]
    assert [len(r.value or b"") for r in TopicReader(broker.bootstrap).read(topic)] == [MESSAGE_LIMIT_BYTES]


@embedded_cannot("knows no max.message.bytes, so nothing is too large for it")
def test_a_message_over_the_topic_s_limit_comes_back_and_the_others_are_delivered(broker: Broker) -> None:
    topic, sink = broker.topic(), broker.sink()
    too_large = Message(
        topic, b"k", os.urandom(MESSAGE_LIMIT_BYTES + 1_000)
    )  # random bytes, which compression does not shrink
    sink.produce([*messages(topic, 5), too_large, *messages(topic, 5, first=5)])
    assert sink.flush() == [too_large]
    assert sink.last_error == (
        f"topic {topic} does not accept a message of 1049577 bytes; raise the topic's max.message.bytes"
    )
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(10))
    assert sink.flush() == []


def test_a_message_over_the_client_s_own_limit_comes_back_and_the_others_are_delivered(broker: Broker) -> None:
    topic, sink = broker.topic(), broker.sink()
    too_large = Message(topic, b"k", b"x" * (CLIENT_MESSAGE_LIMIT_BYTES + 1))
    sink.produce([*messages(topic, 5), too_large, *messages(topic, 5, first=5)])
    assert sink.flush() == [too_large]
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(10))


@embedded_cannot("makes any topic that a producer asks for")
def test_a_message_to_a_topic_that_does_not_exist_comes_back(broker: Broker) -> None:
    sink = broker.sink(delivery_timeout_s=3)
    lost = Message(f"{broker.topic()}-not-there", b"k", b"v")
    sink.produce([lost])
    assert sink.flush() == [lost]


# --- provisioning ---


@embedded_cannot("has no admin calls", raises=Unavailable)
def test_topics_are_created_as_requested_and_existing_ones_are_left_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "TIMEOUT_S", 5.0)
    name = broker.topic()
    wanted = [Topic(f"{name}-{count}", "key", count, DAY_MS) for count in (1, 3)]
    assert provision.create_topics(broker.bootstrap, wanted[:1], 1) == [wanted[0].name]
    assert provision.create_topics(broker.bootstrap, wanted, 1) == [wanted[1].name]
    assert provision.create_topics(broker.bootstrap, wanted, 1) == []
    reader = TopicReader(broker.bootstrap)
    assert [len(reader.watermarks(topic.name)) for topic in wanted] == [1, 3]


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_more_copies_than_brokers_are_a_fatal_error_that_names_the_topic(broker: Broker) -> None:
    with pytest.raises(Fatal, match="bad-copies"):
        provision.create_topics(broker.bootstrap, [Topic("bad-copies", "key", 1, DAY_MS)], 3)


def places(topic: str) -> list[TopicPartition]:
    """Return the four partitions of a topic."""
    return [TopicPartition(topic, number) for number in range(PARTITIONS)]
