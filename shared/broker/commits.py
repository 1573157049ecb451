"""Commits on their way: asked for by the engine, sent and confirmed on the poll thread.

Why they are asynchronous, and when not: `docs/decisions/0004-one-thread-owns-the-consumer.md`.
"""

import queue
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.leases import Lease, Leases
from shared.errors import Fatal
from shared.records import TopicPartition


class Reached(NamedTuple):
    """How far a partition is settled: the offset to commit, and the number of the lease under which it was reached."""

    offset: int
    lease: int


Wanted = Mapping[TopicPartition, Reached]


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit that the engine waits for."""

    wanted: Wanted
    future: "Future[None]"


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A commit on its way to the brokers; `offsets` are what they will confirm."""

    offsets: dict[TopicPartition, int]
    commit: Commit


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
        self._unconfirmed: list[Unconfirmed] = []
        self.confirmed: dict[TopicPartition, Reached] = {}

    # --- from any thread ---

    def ask(self, wanted: Wanted) -> "Future[None]":
        """Have the poll thread commit; the future fails with `KafkaException` where the brokers refuse. It never blocks."""
        future: Future[None] = Future()
        self._asked.put(Commit(wanted, future))
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
            offsets = self._ours(commit.wanted)
            if not offsets:  # given up while the commit waited: its offsets are the new owner's to say
                commit.future.set_result(None)
                continue
            try:
                consumer.commit(offsets=offsets, asynchronous=True)
                self._unconfirmed.append(Unconfirmed(_offsets(offsets), commit))
            except KafkaException as error:
                commit.future.set_exception(error)

    def send_now(self, consumer: Consumer) -> None:
        """Send one while a rebalance waits: synchronously, since no poll will run to confirm it."""
        try:
            commit = self._asked.get_nowait()
        except queue.Empty:
            return
        offsets = self._ours(commit.wanted)
        try:
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=False)
            commit.future.set_result(None)
        except KafkaException as error:
            commit.future.set_exception(error)

    def send_again(self) -> None:
        """Queue those that are on their way once more: no poll will run to hear that they arrived."""
        waiting, self._unconfirmed = [pending.commit for pending in self._unconfirmed], []
        while not self._asked.empty():
            waiting.append(self._asked.get())
        for commit in waiting:
            self._asked.put(commit)

    def fail(self, error: BaseException) -> None:
        """Fail all of them: the poll thread has ended by an error."""
        self.send_again()
        while not self._asked.empty():
            self._asked.get().future.set_exception(Fatal(f"consuming has failed: {error}"))

    def on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        """Take the brokers' answer: the client's callback."""
        offsets = _offsets(partitions)
        failure = error or next((p.error for p in partitions if p.error is not None), None)
        for pending in [pending for pending in self._unconfirmed if pending.offsets == offsets]:
            self._unconfirmed.remove(pending)
            if failure is None:
                self.confirmed |= pending.commit.wanted
                pending.commit.future.set_result(None)
            else:
                pending.commit.future.set_exception(KafkaException(failure))

    def _ours(self, wanted: Wanted) -> list[KafkaPartition]:
        """Return what may be committed, as the client takes it."""
        held = {where: self._leases.lease_of(where) for where in wanted}
        return [
            _to_kafka(where, reached.offset, lease)
            for where, reached in wanted.items()
            if (lease := held[where]) is not None and lease.number == reached.lease
        ]


def _offsets(partitions: list[KafkaPartition]) -> dict[TopicPartition, int]:
    return {TopicPartition(p.topic, p.partition): p.offset for p in partitions}


def _to_kafka(where: TopicPartition, offset: int, lease: Lease) -> KafkaPartition:
    if lease.topic_id is None:
        return KafkaPartition(where.topic, where.partition, offset)
    return KafkaPartition(where.topic, where.partition, offset, lease.topic_id)
