"""Pending commits: the engine requests them; the poll thread sends them and receives the confirmations.

`docs/decisions/0004-one-thread-owns-the-consumer.md` explains why they are asynchronous, and when they are not.
"""

import queue
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.bounds import write_metadata
from shared.broker.leases import Lease, Leases
from shared.errors import Fatal
from shared.records import TopicPartition


class Reached(NamedTuple):
    """How far a partition is settled: the offset to commit, and the number of the lease that was valid at that time."""

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
    """A commit that was sent and is not confirmed yet; `offsets` are the offsets that the brokers will confirm."""

    offsets: dict[TopicPartition, int]
    commit: Commit


class Commits:
    """The commits of one consumer.

    Each commit carries the topic's id as its metadata. An offset that was committed for a deleted topic is not valid
    for a new topic with the same name (`start_offsets.py`).

    Args:
        leases: This worker's partitions. An offset that was reached under a lease that has ended is not sent.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._asked: queue.SimpleQueue[Commit] = queue.SimpleQueue()
        self._unconfirmed: list[Unconfirmed] = []
        self.confirmed: dict[TopicPartition, Reached] = {}

    # --- from any thread ---

    def ask(self, wanted: Wanted) -> "Future[None]":
        """Request a commit from the poll thread; the future fails with `KafkaException` on refusal. Never blocks."""
        future: Future[None] = Future()
        self._asked.put(Commit(wanted, future))
        return future

    # --- on the poll thread ---

    @property
    def is_unconfirmed(self) -> bool:
        """Whether any commit was sent and is not confirmed yet; confirmations arrive by polling."""
        return bool(self._unconfirmed)

    def send(self, consumer: Consumer, wait_s: float) -> None:
        """Send all requested commits asynchronously; wait up to `wait_s` for the first one."""
        while True:
            try:
                commit = self._asked.get(timeout=wait_s) if wait_s else self._asked.get_nowait()
            except queue.Empty:
                return
            wait_s = 0
            offsets = self._still_owned(commit.wanted)
            if not offsets:  # the partitions were revoked while the commit waited: their new owner commits
                commit.future.set_result(None)
                continue
            try:
                consumer.commit(offsets=offsets, asynchronous=True)
                self._unconfirmed.append(Unconfirmed(_offsets(offsets), commit))
            except KafkaException as error:
                commit.future.set_exception(error)

    def send_now(self, consumer: Consumer) -> None:
        """Send one commit synchronously while a rebalance waits: no poll runs that could receive its confirmation."""
        try:
            commit = self._asked.get_nowait()
        except queue.Empty:
            return
        offsets = self._still_owned(commit.wanted)
        try:
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=False)
            commit.future.set_result(None)
        except KafkaException as error:
            commit.future.set_exception(error)

    def send_again(self) -> None:
        """Queue the unconfirmed commits again: no poll will run that could receive their confirmations."""
        waiting, self._unconfirmed = [pending.commit for pending in self._unconfirmed], []
        while not self._asked.empty():
            waiting.append(self._asked.get())
        for commit in waiting:
            self._asked.put(commit)

    def fail(self, error: BaseException) -> None:
        """Fail all pending commits because the poll thread ended with an error."""
        self.send_again()
        while not self._asked.empty():
            self._asked.get().future.set_exception(Fatal(f"consuming has failed: {error}"))

    def on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        """Handle the brokers' answer to a commit; the client calls this."""
        offsets = _offsets(partitions)
        failure = error or next((p.error for p in partitions if p.error is not None), None)
        for pending in [pending for pending in self._unconfirmed if pending.offsets == offsets]:
            self._unconfirmed.remove(pending)
            if failure is None:
                self.confirmed |= pending.commit.wanted
                pending.commit.future.set_result(None)
            else:
                pending.commit.future.set_exception(KafkaException(failure))

    def _still_owned(self, wanted: Wanted) -> list[KafkaPartition]:
        """Return the offsets that may still be committed, in the client's type."""
        held = {where: self._leases.lease_of(where) for where in wanted}
        return [
            _to_kafka(where, reached.offset, lease)
            for where, reached in wanted.items()
            if (lease := held[where]) is not None and lease.number == reached.lease
        ]


def _offsets(partitions: list[KafkaPartition]) -> dict[TopicPartition, int]:
    return {TopicPartition(p.topic, p.partition): p.offset for p in partitions}


def _to_kafka(where: TopicPartition, offset: int, lease: Lease) -> KafkaPartition:
    metadata = write_metadata(lease.topic_id, lease.bounds)
    return (
        KafkaPartition(where.topic, where.partition, offset, metadata) if metadata else KafkaPartition(*where, offset)
    )
