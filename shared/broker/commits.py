"""Commits on their way: asked for by the engine, sent and confirmed on the poll thread.

Why they are asynchronous, and when not: `docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

import queue
from collections.abc import Mapping
from concurrent.futures import Future

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.leases import Lease, Leases
from shared.errors import Fatal
from shared.records import TopicPartition

Wanted = Mapping[TopicPartition, tuple[int, int]]
"""What is to be committed: of each partition the offset, and the number of the lease under which it was reached."""

Commit = tuple[Wanted, "Future[None]"]


class Commits:
    """The commits of one consumer.

    Each carries the topic's id as its metadata: an offset that was committed for a topic of the same name that is gone says
    nothing about the one that is there (`positions.py`).

    Args:
        leases: What is ours: an offset reached under a lease that has ended is not sent.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._asked: queue.SimpleQueue[Commit] = queue.SimpleQueue()
        self._unconfirmed: list[tuple[dict[TopicPartition, int], Commit]] = []
        self.confirmed: dict[TopicPartition, tuple[int, int]] = {}

    # --- from any thread ---

    def ask(self, wanted: Wanted) -> "Future[None]":
        """Have the poll thread commit; the future fails with `KafkaException` where the brokers refuse. It never blocks."""
        future: Future[None] = Future()
        self._asked.put((wanted, future))
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
                commit = self._asked.get(timeout=wait_s) if wait_s else self._asked.get_nowait()
            except queue.Empty:
                return
            wait_s = 0
            offsets = self._ours(commit[0])
            if not offsets:  # given up while the commit waited: its offsets are the new owner's to say
                commit[1].set_result(None)
                continue
            try:
                consumer.commit(offsets=offsets, asynchronous=True)
                self._unconfirmed.append(({TopicPartition(p.topic, p.partition): p.offset for p in offsets}, commit))
            except KafkaException as error:
                commit[1].set_exception(error)

    def send_now(self, consumer: Consumer) -> None:
        """Send one while a rebalance waits: synchronously, since no poll will run to confirm it."""
        try:
            wanted, future = self._asked.get_nowait()
        except queue.Empty:
            return
        offsets = self._ours(wanted)
        try:
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=False)
            future.set_result(None)
        except KafkaException as error:
            future.set_exception(error)

    def send_again(self) -> None:
        """Queue those that are on their way once more: no poll will run to hear that they arrived."""
        waiting, self._unconfirmed = [commit for _, commit in self._unconfirmed], []
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
            wanted, future = pending[1]
            if failure is None:
                self.confirmed |= wanted
                future.set_result(None)
            else:
                future.set_exception(KafkaException(failure))

    def _ours(self, wanted: Wanted) -> list[KafkaPartition]:
        """Return what may be committed, as the client takes it."""
        found = [(where, offset, self._leases.lease_of(where), number) for where, (offset, number) in wanted.items()]
        return [
            _to_kafka(where, offset, lease)
            for where, offset, lease, number in found
            if lease is not None and lease.number == number
        ]


def _to_kafka(where: TopicPartition, offset: int, lease: Lease) -> KafkaPartition:
    if lease.topic_id is None:
        return KafkaPartition(where.topic, where.partition, offset)
    return KafkaPartition(where.topic, where.partition, offset, lease.topic_id)
