"""Reading and committing a group's offsets without joining the group, for commands that read topics themselves."""

import threading
from collections.abc import Mapping
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from typing_extensions import override

from shared.broker.client import client_config
from shared.broker.reader import COORDINATOR_MOVES
from shared.broker.security import REFUSED_CODES, Address, failure, group_failure, opened
from shared.clock import Clock
from shared.errors import Fatal, Unavailable
from shared.records import TopicPartition

TIMEOUT_S = 15.0
POLL_S = 0.05
RETRY_WAIT_S = 0.5

MEMBERS_CODES = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.STALE_MEMBER_EPOCH, KafkaError.ILLEGAL_GENERATION})
"""While the group has members, a commit from outside the group is refused with one of these."""


class Offsets(Protocol):
    """The group operations that a resumable command needs."""

    def committed(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the committed offset of each partition that has one."""
        ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets and wait for the confirmation.

        Raises:
            Unavailable: the broker did not confirm in time.
            Fatal: the group has members, or the brokers refuse this user.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class GroupOffsets(Offsets):
    """The committed offsets of a group that has no members. Used by one thread.

    Args:
        bootstrap: Addresses of the brokers.
        group: The group.
        clock: For the deadline of a commit.
    """

    def __init__(self, bootstrap: Address, group: str, clock: Clock) -> None:
        self._group, self._clock = group, clock
        self._answers: list[KafkaError | None] = []
        own = {"group.id": group, "enable.auto.commit": False, "on_commit": self._on_commit}
        self._consumer = opened(Consumer, client_config(bootstrap) | own)

    @override
    def committed(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        until_s = self._clock.monotonic_s() + TIMEOUT_S
        while True:
            try:
                found = self._consumer.committed([KafkaPartition(*each) for each in partitions], timeout=TIMEOUT_S)
                return {TopicPartition(p.topic, p.partition): p.offset for p in found if p.offset >= 0}
            except KafkaException as error:
                if error.args[0].code() not in COORDINATOR_MOVES:
                    raise group_failure(self._consumer, error.args[0], self._group) from error
                self._wait_or_raise(error.args[0], until_s)

    @override
    def commit(
        self, offsets: Mapping[TopicPartition, int], metadata: Mapping[TopicPartition, str] | None = None
    ) -> None:
        """Commit and wait for the confirmation, up to `TIMEOUT_S`: a synchronous commit would block a whole outage."""
        until_s = self._clock.monotonic_s() + TIMEOUT_S
        said = metadata or {}
        wanted = [KafkaPartition(*where, offset, said.get(where, "")) for where, offset in offsets.items()]
        while wanted:
            error = self._commit_once(wanted, until_s)
            if error is None:
                return
            self._wait_or_raise(error, until_s)

    @override
    def close(self) -> None:
        self._consumer.close()

    def _commit_once(self, wanted: list[KafkaPartition], until_s: float) -> KafkaError | None:
        self._answers.clear()
        self._consumer.commit(offsets=wanted, asynchronous=True)
        while not self._answers:
            event = self._consumer.poll(POLL_S)  # nothing is assigned: this only receives the answer or a refusal
            error = None if event is None else event.error()
            if error is not None and error.code() in REFUSED_CODES:
                return error
            if self._clock.monotonic_s() > until_s:
                raise Unavailable(
                    "broker", f"group {self._group}: the commit was not confirmed within {TIMEOUT_S:.0f} s"
                )
        return self._answers[0]

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        self._answers.append(error or next((p.error for p in partitions if p.error is not None), None))

    def _wait_or_raise(self, error: KafkaError, until_s: float) -> None:
        """Wait while the group's coordinator is being found or moved, until the deadline; raise other errors."""
        if error.code() in MEMBERS_CODES:
            raise Fatal(
                f"group {self._group} has active members: stop the programs that use it, or choose another group"
            )
        if error.code() not in COORDINATOR_MOVES or self._clock.monotonic_s() > until_s:
            raise failure(error, f"group {self._group}", f"Read on group {self._group} and its topics")
        self._clock.wait(threading.Event(), RETRY_WAIT_S)
