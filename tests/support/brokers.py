"""Helpers of the broker suites: a broker with topics of its own, members of a group, and waiting with a deadline."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import uuid4

from schemas.topics import DAY_MS, Topic
from shared.broker.embedded import EmbeddedBroker
from shared.broker.port import Source
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.source import KafkaSource
from shared.clock import Clock, SystemClock
from shared.records import Message, Record, TopicPartition
from shared.settings import BrokerSettings

PARTITIONS = 4
DEADLINE_S = 60.0
TICK_S = 0.02


def until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds, and fail with its description once the deadline has passed."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, f"{what}: not within {deadline_s} s"
        time.sleep(TICK_S)


def messages(topic: str, count: int, first: int = 0) -> list[Message]:
    """Return numbered messages under 16 keys, which spread over all partitions."""
    return [Message(topic, f"key {n % 16}".encode(), str(n).encode()) for n in range(first, first + count)]


def numbers(records: Iterable[Record]) -> list[int]:
    """Return the numbers that `messages` gave, sorted."""
    return sorted(int(record.value or b"-1") for record in records)


def by_partition(records: Iterable[Record]) -> dict[int, list[Record]]:
    """Return the records of each partition in the order of arrival."""
    places: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        places[record.partition].append(record)
    return dict(places)


def offsets(records: Iterable[Record]) -> dict[int, list[int]]:
    """Return the offsets of each partition in the order of arrival."""
    return {partition: [r.offset for r in found] for partition, found in by_partition(records).items()}


def next_offsets(records: Iterable[Record]) -> dict[TopicPartition, int]:
    """Return the offsets that must be committed once these records, taken from the start, have been committed."""
    return {found[0].topic_partition: found[-1].offset + 1 for found in by_partition(records).values()}


def take(source: Source, count: int, deadline_s: float = DEADLINE_S) -> list[Record]:
    """Take exactly `count` records."""
    taken: list[Record] = []

    def enough() -> bool:
        taken.extend(source.take(count - len(taken), 0.1))
        return len(taken) == count

    until(enough, f"{count} records", deadline_s)
    return taken


def polled(source: Source, times: int = 3) -> None:
    """Wait until the poll thread has begun `times` more turns."""
    turns = {source.last_poll_s}

    def turned() -> bool:
        turns.add(source.last_poll_s)
        return len(turns) > times

    until(turned, f"{times} polls")


def wait_until_blocked(source: Source, still_s: float = 1.0) -> None:
    """Wait until the poll thread has begun no turn for a while: it is blocked in a rebalance callback."""
    until(lambda: time.monotonic() - source.last_poll_s > still_s, "the poll thread waiting in its callback")


class Broker:
    """A broker under test, and everything opened on it; closed together.

    Args:
        bootstrap: The address.
        embedded: The holder of the mock cluster, which alone can create topics in it.
        protocol: The group protocol of the members that join.
    """

    def __init__(self, bootstrap: str, embedded: EmbeddedBroker | None = None, protocol: str = "consumer") -> None:
        self.bootstrap, self._embedded, self._protocol = bootstrap, embedded, protocol
        self._sources: list[Source] = []
        self._sinks: list[KafkaSink] = []
        self._own_sink: KafkaSink | None = None

    def topic(self, limit_bytes: int = 1_048_576) -> str:
        """Create a topic of four partitions under a new name."""
        name = f"contract-{uuid4().hex[:12]}"
        if self._embedded is not None:
            self._embedded.create([name])
        else:
            create_topics(self.bootstrap, [Topic(name, "key", PARTITIONS, DAY_MS, limit_bytes)], 1)
        return name

    def join(self, topic: str, group: str = "", clock: Clock | None = None, **changes: Any) -> Source:
        """Start a member of a group, by default the topic's own group."""
        source = KafkaSource(self.bootstrap, [topic], group or topic, self.settings(**changes), clock or SystemClock())
        self._sources.append(source)
        return source

    def settings(self, **changes: Any) -> BrokerSettings:
        """Return the settings of a member."""
        return BrokerSettings(**{"group_protocol": self._protocol, **changes})

    def sink(self, **changes: Any) -> KafkaSink:
        """Open a producer."""
        sink = KafkaSink(self.bootstrap, BrokerSettings(**changes))
        self._sinks.append(sink)
        return sink

    def produce(self, sending: Sequence[Message]) -> None:
        """Deliver messages, by one client: a new one takes half a second until its first delivery."""
        self._own_sink = self._own_sink or self.sink()
        self._own_sink.produce(sending)
        assert self._own_sink.flush() == []

    def filled(self, count: int) -> str:
        """Create a topic that holds `count` numbered messages."""
        topic = self.topic()
        self.produce(messages(topic, count))
        return topic

    def close(self) -> None:
        """Close everything that was opened."""
        for source in self._sources:
            source.close()
        for sink in self._sinks:
            sink.close()
