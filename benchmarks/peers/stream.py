"""The stream that all contenders work on: one partition of tickets, one of results, on a real Kafka.

The brokers give both topics' records their times, so that one clock measures ages.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from benchmarks.texts import to_messages
from shared.broker.provision import create_topics
from shared.clock import SystemClock
from workers.tickets.stages import TICKETS

library: Any = kafka_admin  # its type stubs leave out the classes of settings

SOURCE, TARGET = "tickets", "tickets.routed"
TIMEOUT_S = 20.0
LOOK_S = 0.05
CLOCK = SystemClock()


@dataclass(slots=True)
class Seen:
    """What a contender got and gave.

    Attributes:
        sent_ms: When each ticket was appended, by its number, in the time of the brokers.
        results: The results with the times at which they were appended, in order.
    """

    sent_ms: dict[int, int] = field(default_factory=dict)
    results: list[tuple[int, bytes]] = field(default_factory=list)


class Stream:
    """The topics, emptied for one contender.

    Args:
        bootstrap: Addresses of the brokers; their topics exist.
    """

    def __init__(self, bootstrap: str) -> None:
        start = _emptied(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}))[TARGET]
        self.seen = Seen()
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 0})
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "measuring", "fetch.wait.max.ms": 100})
        self._consumer.assign([TopicPartition(TARGET, 0, start)])

    def send(self, texts: Sequence[str], first: int) -> None:
        """Send tickets, numbered from `first`, and return when the brokers have them."""
        for number, text in enumerate(texts, first):
            self._produce(number, text)
        if self._producer.flush(TIMEOUT_S):
            raise RuntimeError("the brokers do not take the tickets")

    def send_paced(self, texts: Sequence[str], first: int, due_s: Sequence[float], check: Callable[[], None]) -> None:
        """Send each ticket at its time, in seconds from now, and read results meanwhile."""
        began_s = CLOCK.monotonic_s()
        for number, text in enumerate(texts):
            while (left_s := began_s + due_s[number] - CLOCK.monotonic_s()) > 0:
                self.look(min(left_s, LOOK_S))
                check()
            self._produce(first + number, text)
        self._producer.flush(TIMEOUT_S)

    def look(self, wait_s: float = LOOK_S) -> None:
        """Read the results that have come."""
        message = self._consumer.poll(wait_s)
        for each in [*([message] if message is not None else []), *self._consumer.consume(1_000, 0)]:
            if (error := each.error()) is not None:
                raise KafkaException(error)
            self.seen.results.append((each.timestamp()[1], each.value() or b""))

    def wait_for(self, results: int, limit_s: float, check: Callable[[], None]) -> None:
        """Wait until there are this many results.

        Raises:
            RuntimeError: they do not come in time; or what `check` raises.
        """
        end_s = CLOCK.monotonic_s() + limit_s
        while len(self.seen.results) < results:
            self.look()
            check()
            if CLOCK.monotonic_s() > end_s:
                raise RuntimeError(f"{len(self.seen.results)} of {results} results came within {limit_s:.0f} s")

    def close(self) -> None:
        """Close the clients."""
        self._consumer.close()

    def _produce(self, number: int, text: str) -> None:
        def delivered(error: object, message: Message) -> None:
            assert error is None, error
            self.seen.sent_ms[number] = message.timestamp()[1]

        (ticket,) = to_messages([text], "created", number)
        self._producer.produce(SOURCE, key=ticket.key, value=ticket.value, on_delivery=delivered)
        self._producer.poll(0)


def create_stream(bootstrap: str) -> None:
    """Create the topics of tickets, of one partition each, whose records get their times from the brokers."""
    create_topics(bootstrap, TICKETS.topics(1), replication=1)
    set_it = library.AlterConfigOpType.SET
    by_broker = library.ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=set_it)
    resources = [library.ConfigResource("topic", name, incremental_configs=[by_broker]) for name in (SOURCE, TARGET)]
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.incremental_alter_configs(resources).values():
        future.result()
    end_s = CLOCK.monotonic_s() + TIMEOUT_S
    while True:  # a new topic has no leader for a moment
        try:
            _emptied(admin)
            return
        except KafkaException:
            if CLOCK.monotonic_s() > end_s:
                raise
            CLOCK.wait(threading.Event(), LOOK_S)


def _emptied(admin: AdminClient) -> dict[str, int]:
    """Delete all records, and return the offset at which each topic goes on."""
    emptied = admin.delete_records([TopicPartition(topic, 0, OFFSET_END) for topic in (SOURCE, TARGET)])
    return {place.topic: future.result().low_watermark for place, future in emptied.items()}
