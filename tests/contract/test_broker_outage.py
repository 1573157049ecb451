"""The broker adapters while Kafka is down and after it has come back, and after an eviction from the group.

What it shows: time-outs are kept, undelivered messages are returned, and both sides continue when the broker is
available again, without being created again. The broker is a process of this module's own, killed by SIGKILL. A green
run does not prove anything about a network that drops packets silently, about a broker that is slow, about losing one
broker of several, nor about data: one node that comes back has lost none of it.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest

from schemas.topics import DAY_MS, Topic
from shared.broker import provision, reader
from shared.broker.port import Source
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Fatal, Unavailable
from shared.records import Message, Record
from shared.settings import BrokerSettings
from tests.support.brokers import Broker, messages, next_offsets, numbers, polled, take, until
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.ports import free_ports
from tests.support.services import missing

SLACK_S = 8.0
"""Time that a busy machine may add to a time-out."""


@pytest.fixture(scope="module")
def server() -> Iterator[KafkaServer]:
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer() as server:
        yield server


@pytest.fixture
def broker(server: KafkaServer) -> Iterator[Broker]:
    opened = Broker(server.bootstrap)
    yield opened
    opened.close()


@contextmanager
def outage(server: KafkaServer) -> Iterator[None]:
    """Kill the broker, and start it again afterwards."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Assert that the body ends within a time-out."""
    begun_s = time.monotonic()
    yield
    assert time.monotonic() - begun_s < limit_s + SLACK_S


def test_flush_returns_undelivered_messages_and_they_can_be_produced_again(server: KafkaServer, broker: Broker) -> None:
    topic, sink = broker.topic(), broker.sink(delivery_timeout_s=2)
    sink.produce(messages(topic, 50))
    assert sink.flush() == []
    with outage(server):
        sent = messages(topic, 50, first=50)
        sink.produce(sent)
        with within(2 + 5):
            undelivered = sink.flush()
        assert sorted(undelivered, key=sent.index) == sent
        assert sink.last_error.startswith(f"{topic}: Local: ")
        with within(1):
            assert sink.flush() == []
    sink.produce(undelivered)
    assert sink.flush() == []
    assert numbers(TopicReader(broker.bootstrap).read(topic)) == list(range(100))


def test_a_commit_that_is_not_confirmed_is_unavailable_and_can_be_repeated(server: KafkaServer, broker: Broker) -> None:
    topic = broker.filled(100)
    source = broker.join(topic, commit_timeout_s=2)
    records = source.hold(take(source, 100))
    with outage(server):
        with within(2), pytest.raises(Unavailable):
            source.commit(records)
        source.pause()
        polled(source, 20)
        assert source.take(1, 0.1) == []
    source.resume()
    broker.produce(messages(topic, 50, first=100))
    seen = settle(source, records, 150)
    assert set(numbers(seen)) == set(range(150))
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(seen)


def test_records_in_hand_stay_in_hand_after_a_failed_commit(server: KafkaServer, broker: Broker) -> None:
    topic = broker.filled(100)
    source = broker.join(topic, commit_timeout_s=1)
    records = source.hold(take(source, 100))
    with outage(server):
        for _ in range(3):
            with within(1), pytest.raises(Unavailable):
                source.commit(source.hold(records))


def test_closing_ends_within_its_time_out_while_the_broker_is_dead(server: KafkaServer, broker: Broker) -> None:
    topic = broker.filled(10)
    source, sink = broker.join(topic, commit_timeout_s=2), broker.sink(delivery_timeout_s=2)
    source.hold(take(source, 10))
    with outage(server):
        sink.produce(messages(topic, 1))
        with within(2):
            source.close()
        with within(2 + 5):
            sink.close()


def test_a_reader_whose_broker_dies_while_it_reads_is_unavailable(
    server: KafkaServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "TIMEOUT_S", 3.0)
    topic = broker.topic()
    broker.produce([Message(topic, str(n).encode(), os.urandom(900_000)) for n in range(50)])
    # So that neither the first call nor the client reads all records before the broker dies.
    reading = TopicReader(broker.bootstrap, at_once=1, ahead_bytes=1 << 20).read(topic)
    next(reading)
    failures: list[Unavailable] = []

    def read_on() -> None:
        try:
            list(reading)
        except Unavailable as error:
            failures.append(error)

    with outage(server):
        thread = threading.Thread(target=read_on, daemon=True)
        thread.start()
        thread.join(3 + SLACK_S)
        ended = not thread.is_alive()
    thread.join(60)
    assert ended, "still reading from a dead broker"
    assert len(failures) == 1


def test_asking_a_dead_broker_is_unavailable(
    server: KafkaServer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "TIMEOUT_S", 3.0)
    monkeypatch.setattr(reader, "TIMEOUT_S", 3.0)
    topic = broker.topic()
    with outage(server):
        with within(3), pytest.raises(Unavailable):
            provision.create_topics(broker.bootstrap, [Topic("while-dead", "key", 1, DAY_MS)], 1)
        for ask in (
            TopicReader(broker.bootstrap).watermarks,
            lambda name: list(TopicReader(broker.bootstrap).read(name)),
        ):
            with within(3), pytest.raises(Unavailable):
                ask(topic)


def test_a_member_evicted_for_not_polling_loses_its_records_without_error_and_joins_again(broker: Broker) -> None:
    topic, clock = broker.filled(100), StuckClock()
    stuck = broker.join(topic, clock=clock, max_poll_interval_s=10)
    records = stuck.hold(take(stuck, 100))
    other = broker.join(topic)
    clock.go_on.clear()
    until(lambda: other.assigned, "the other's partitions")
    again = take(other, 100)
    clock.go_on.set()
    assert stuck.commit(records) == 100
    until(lambda: stuck.hold(records) == [], "the leases ended")
    assert numbers(again) == list(range(100))
    mine = other.hold(again)
    assert other.commit(mine) == 0
    until(lambda: stuck.assigned and stuck.assigned + other.assigned == 4, "both members again")


class StuckClock(SystemClock):
    """The machine's clock, which can block the poll thread, as a stopped process or a stuck callback would."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()

    def monotonic_s(self) -> float:
        """Return the seconds, after waiting if this is the poll thread."""
        if threading.current_thread().name == "poll":
            self.go_on.wait(120)
        return super().monotonic_s()


def settle(source: Source, first: list[Record], count: int) -> list[Record]:
    """Commit the records in hand and all that arrive, as the engine does, until `count` records are committed."""
    seen, batch = list(first), list(first)
    committed: set[int] = set()

    def done() -> bool:
        nonlocal batch
        batch = source.hold(batch) or source.hold(source.take(1_000, 0.2))
        seen.extend(record for record in batch if record not in seen)
        try:
            lost = source.commit(batch)
        except Unavailable:
            return False
        committed.update(numbers(batch) if not lost else [])
        batch = []
        return len(committed) == count

    until(done, f"{count} records committed")
    return seen


@pytest.mark.parametrize("error", [Fatal("no key file"), Unavailable("broker", "away")])
def test_a_failed_look_at_the_copies_changes_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The sink looks after a time-out, when a key file may be missing while secrets rotate."""

    def fail(*_: object) -> NoReturn:
        raise error

    sink = KafkaSink(f"127.0.0.1:{free_ports(1)[0]}", BrokerSettings(delivery_timeout_s=1))
    monkeypatch.setattr("shared.broker.producer.opened", fail)
    sent = [Message("anything", b"key", b"value")]
    sink.produce(sent)
    assert sink.flush() == sent
    assert sink.last_error.startswith("anything: Local: Message timed out")
