"""Moves records from topics to other topics, each exactly once: a member of a group with a transactional producer.

The new messages and the offsets of the old records are one Kafka transaction. A member whose partitions have moved to
another one cannot commit, because the broker compares the group's generation (KIP-447).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.client import client_config, to_record
from shared.broker.consumer import FATAL_CODES, Membership, consumer_config
from shared.broker.embedded import CLUSTER
from shared.broker.producer import CLIENT_MESSAGE_LIMIT_BYTES, COMPRESSION
from shared.broker.security import REFUSED_CODES, failure, opened
from shared.errors import Fatal, MillraceError, Unavailable
from shared.records import Message, Record, TopicPartition

READ_AT_ONCE = 50
TIMEOUT_S = 15.0
TRANSACTION_TIMEOUT_S = 10.0
"""After this time the broker aborts the transaction of a member that was killed; until then, and until the broker looks,
which it does every 10 s by default, readers of the target topic wait."""

IGNORED_CODES = frozenset({KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET, KafkaError.UNKNOWN_TOPIC_OR_PART})
NEEDS = (
    "Read on its topics and its group, Write on its target topics and on transactional ids that begin with millrace-"
)


class Forwarder:
    """Reads records, and forwards them when its caller decides so. All calls come from one thread.

    The embedded broker has no transactions: there, the messages are confirmed first and then the offsets are committed,
    so that a crash in between repeats them.

    Args:
        member: The group, and the topics that it reads.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the settings cannot be used.
    """

    def __init__(self, member: Membership) -> None:
        self._group = member.group
        self._held: set[TopicPartition] = set()
        self._revoked: set[TopicPartition] = set()
        self._failed: KafkaError | None = None
        self._consumer = opened(
            Consumer, consumer_config(member) | {"auto.offset.reset": "earliest", "enable.partition.eof": False}
        )
        producer = client_config(member.bootstrap) | {
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": COMPRESSION,
            "message.max.bytes": CLIENT_MESSAGE_LIMIT_BYTES,
            "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
            "delivery.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
            "socket.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1000),
        }
        try:
            self._transactional = not self._is_embedded()
            if self._transactional:
                producer |= {"transactional.id": f"millrace-{member.group}-{uuid4()}"}
            self._producer = opened(Producer, producer)
            if self._transactional:
                self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            self._consumer.close()
            raise self._failure(error.args[0]) from error
        self._consumer.subscribe(
            list(member.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll(self, wait_s: float) -> list[Record]:
        """Return the next records, in order within each partition; empty after `wait_s` seconds.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse this user.
        """
        first = self._consumer.poll(wait_s)
        messages = [] if first is None else [first, *self._consumer.consume(READ_AT_ONCE - 1, 0)]
        return [to_record(message) for message in messages if self._is_record(message)]

    def take_revoked(self) -> set[TopicPartition]:
        """Return the partitions that were revoked since the last call; records of them must not be forwarded."""
        revoked, self._revoked = self._revoked, set()
        return revoked

    def hold(self, places: Collection[TopicPartition]) -> None:
        """Fetch no more from these partitions, and fetch from all others again."""
        assigned = {TopicPartition(each.topic, each.partition) for each in self._consumer.assignment()}
        wanted = assigned & set(places)
        if newly := wanted - self._held:
            self._consumer.pause([KafkaPartition(*place) for place in newly])
        if released := (self._held - wanted) & assigned:
            self._consumer.resume([KafkaPartition(*place) for place in released])
        self._held = wanted

    def forward(self, records: Sequence[Record], messages: Sequence[Message]) -> None:
        """Send messages, and commit the records that they replace: all or nothing, except on the embedded broker.

        The records are the next ones of their partitions. After an error, this forwarder must be closed: a new one reads
        again what was not committed.

        Raises:
            Unavailable: nothing was committed, because the brokers do not answer or partitions have moved.
            Fatal: the brokers refuse this user.
        """
        offsets = [KafkaPartition(*place, offset) for place, offset in _after(records).items()]
        try:
            if self._transactional:
                self._producer.begin_transaction()
            self._send(messages)
            if self._transactional:
                member: Any = self._consumer.consumer_group_metadata()
                self._producer.send_offsets_to_transaction(offsets, member, TIMEOUT_S)
                self._producer.commit_transaction(TIMEOUT_S)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._abort()
            raise self._failure(error.args[0]) from error

    def close(self) -> None:
        """Leave the group; a transaction that is not committed is aborted."""
        self._abort()
        self._consumer.close()

    def _send(self, messages: Sequence[Message]) -> None:
        self._failed = None
        for message in messages:
            headers: Any = list(message.headers)
            self._producer.produce(
                message.topic, key=message.key, value=message.value, headers=headers, on_delivery=self._on_delivery
            )
        if self._producer.flush(TIMEOUT_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if self._failed is not None:
            raise KafkaException(self._failed)

    def _abort(self) -> None:
        if not self._transactional:
            return
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException:  # no transaction is open, or the brokers abort it when it times out
            return

    def _is_embedded(self) -> bool:
        return str(self._consumer.list_topics(timeout=TIMEOUT_S).cluster_id).startswith(CLUSTER)

    def _is_record(self, message: KafkaMessage) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() not in IGNORED_CODES:
            raise self._failure(error)
        return False

    def _failure(self, error: KafkaError) -> MillraceError:
        if error.code() in REFUSED_CODES:
            return failure(error, f"group {self._group}", NEEDS)
        if error.code() in FATAL_CODES and error.code() == KafkaError._AUTHENTICATION:
            return Fatal(error.str())
        return Unavailable("broker", error.str())

    # --- callbacks of the client ---

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._held -= {TopicPartition(each.topic, each.partition) for each in partitions}
        consumer.incremental_assign(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        places = {TopicPartition(each.topic, each.partition) for each in partitions}
        self._revoked |= places
        if held := self._held & places:  # the client keeps a pause, and would read nothing later
            consumer.resume([KafkaPartition(*place) for place in held])
        self._held -= places
        consumer.incremental_unassign(partitions)

    def _on_delivery(self, error: KafkaError | None, _: KafkaMessage) -> None:
        self._failed = error or self._failed


def _after(records: Sequence[Record]) -> Mapping[TopicPartition, int]:
    offsets: dict[TopicPartition, int] = defaultdict(int)
    for record in records:
        offsets[record.topic_partition] = max(offsets[record.topic_partition], record.offset + 1)
    return offsets
