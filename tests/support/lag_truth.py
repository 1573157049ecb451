"""What a test of lag knows itself: the records that it produced, with their times, and the offsets that it committed."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from queue import Queue
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from tests.support.waiting import wait_until

library: Any = kafka_admin  # its type stubs leave out `NewTopic`

TIMEOUT_S = 60.0


def now_ms() -> int:
    """Return the time in ms since the epoch."""
    return round(time.time() * 1000)


class Truth:
    """Produces and commits, and remembers both.

    Args:
        bootstrap: Address of the broker.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 0})
        self._times_ms: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)

    def topic(self, name: str, partitions: int = 1, **config: str) -> str:
        """Create a topic and wait until it can be used."""
        named = {key.replace("_", "."): value for key, value in config.items()}
        self.admin.create_topics([library.NewTopic(name, partitions, 1, config=named)])[name].result(TIMEOUT_S)
        wait_until(
            lambda: all(p.leader >= 0 for p in self.admin.list_topics(name, 5).topics[name].partitions.values()),
            TIMEOUT_S,
            name,
        )
        return name

    def produce(
        self,
        topic: str,
        count: int,
        at_ms: int | None = None,
        partition: int = 0,
        content: Callable[[int], tuple[bytes, bytes]] = lambda _: (b"k", b"{}"),
    ) -> None:
        """Deliver records that were written at a time, by default now; `content` returns key and value of each."""
        for number in range(count):
            key, value = content(number)
            self._producer.produce(
                topic,
                value,
                key,
                partition=partition,
                timestamp=at_ms or now_ms(),
                on_delivery=self._delivered,
            )
        assert self._producer.flush(TIMEOUT_S) == 0

    def commit(self, group: str, topic: str, offset: int, partition: int = 0) -> None:
        """Commit an offset of a group that has no members."""
        config = {"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0}
        with closing(Consumer(config)) as consumer:
            consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)

    def age_s(self, topic: str, position: int, partition: int = 0) -> float:
        """Return the age of the first record at or after a position; 0 if it has no such record."""
        times_ms = self._times_ms[(topic, partition)]
        first = min((offset for offset in times_ms if offset >= position), default=None)
        return 0.0 if first is None else max(0.0, (now_ms() - times_ms[first]) / 1000)

    def _delivered(self, error: object, message: Message) -> None:
        assert error is None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        assert topic is not None
        assert partition is not None
        assert offset is not None
        self._times_ms[(topic, partition)][offset] = message.timestamp()[1]


class Member:
    """A member of a group that polls, and commits only if it is asked to.

    Args:
        bootstrap: Address of the broker.
        group: The group.
        topics: The topics that it reads.
    """

    def __init__(self, bootstrap: str, group: str, *topics: str) -> None:
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": "consumer",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
        self._consumer, self._stopping = Consumer(config), threading.Event()
        self._consumer.subscribe(list(topics))
        self._commits: Queue[TopicPartition] = Queue()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def commit(self, topic: str, offset: int, partition: int = 0) -> None:
        """Commit an offset."""
        self._commits.put(TopicPartition(topic, partition, offset))
        self._commits.join()

    def close(self) -> None:
        """Leave the group."""
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _poll(self) -> None:
        """Poll and commit, on one thread: a call from another one waits as long as a poll is running."""
        while not self._stopping.is_set():
            self._consumer.poll(0.05)
            if self._consumer.assignment() and not self._commits.empty():
                self._consumer.commit(offsets=[self._commits.get()], asynchronous=False)
                self._commits.task_done()


@contextmanager
def member_of(truth: Truth, group: str, *topics: str) -> Iterator[Member]:
    """Run a member of a group."""
    with closing(Member(truth.bootstrap, group, *topics)) as member:
        yield member
