"""Commits on their way: asked for by the engine, sent and confirmed on the poll thread.

Why they are asynchronous, and when not: `docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

import queue
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.leases import Leases
from shared.errors import Fatal
from shared.records import TopicPartition

Offsets = dict[TopicPartition, int]
Commit = tuple[Offsets, "Future[None]"]


class Commits:
    """The commits of one consumer.

    Each carries the topic's id as its metadata: an offset that was committed for a topic of the same name that is gone says
    nothing about the one that is there (`positions.py`).

    Args:
        leases: What is ours: an offset of another's partition is not sent.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._asked: queue.SimpleQueue[Commit] = queue.SimpleQueue()
        self._unconfirmed: list[Commit] = []

    def ask(self, offsets: Offsets) -> "Future[None]":
        """Have the poll thread commit; the future fails with `KafkaException` where the brokers refuse."""
        future: Future[None] = Future()
        self._asked.put((offsets, future))
        return future

    # --- on the poll thread ---

    @property
    def await_confirmation(self) -> bool:
        """Whether some are sent and not confirmed yet: confirmations arrive by polling."""
        return bool(self._unconfirmed)

    def send(self, consumer: Consumer, wait_s: float) -> None:
        """Send those that wait, asynchronously; wait a while for a first one."""
        while True:
            try:
                offsets, future = self._asked.get(timeout=wait_s) if wait_s else self._asked.get_nowait()
            except queue.Empty:
                return
            wait_s = 0
            ours = {where: offset for where, offset in offsets.items() if self._leases.lease_of(where) is not None}
            if not ours:  # given up while the commit waited: its offsets are the new owner's to say
                future.set_result(None)
                continue
            try:
                consumer.commit(offsets=self._to_kafka(ours), asynchronous=True)
                self._unconfirmed.append((ours, future))
            except KafkaException as error:
                future.set_exception(error)

    def send_now(self, consumer: Consumer) -> None:
        """Send one while a rebalance waits: synchronously, since no poll will run to confirm it."""
        try:
            offsets, future = self._asked.get_nowait()
        except queue.Empty:
            return
        try:
            consumer.commit(offsets=self._to_kafka(offsets), asynchronous=False)
            future.set_result(None)
        except KafkaException as error:
            future.set_exception(error)

    def send_again(self) -> None:
        """Queue those that are on their way once more: no poll will run to hear that they arrived."""
        waiting, self._unconfirmed = self._unconfirmed, []
        while not self._asked.empty():
            waiting.append(self._asked.get())
        for commit in waiting:
            self._asked.put(commit)

    def fail(self, error: BaseException) -> None:
        """Fail all of them: the poll thread has ended by an error."""
        self.send_again()
        while not self._asked.empty():
            self._asked.get()[1].set_exception(Fatal(f"consuming has failed: {error}"))

    def on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        """Take the brokers' answer: the client's callback."""
        offsets = {TopicPartition(p.topic, p.partition): p.offset for p in partitions}
        failure = error or next((p.error for p in partitions if p.error is not None), None)
        for pending in [pending for pending in self._unconfirmed if pending[0] == offsets]:
            self._unconfirmed.remove(pending)
            if failure is None:
                pending[1].set_result(None)
            else:
                pending[1].set_exception(KafkaException(failure))

    def _to_kafka(self, offsets: Offsets) -> list[KafkaPartition]:
        return [self._one_to_kafka(where, offset) for where, offset in offsets.items()]

    def _one_to_kafka(self, where: TopicPartition, offset: int) -> KafkaPartition:
        lease = self._leases.lease_of(where)
        if lease is None or lease.topic_id is None:
            return KafkaPartition(where.topic, where.partition, offset)
        return KafkaPartition(where.topic, where.partition, offset, lease.topic_id)
