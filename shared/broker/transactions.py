"""Records that wait behind an open transaction: until it ends, nothing written after its start is read.

They may read up to the last stable offset. After it come the records of the transaction and everything written since.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka import admin as kafka_admin
from confluent_kafka.admin import AdminClient

from shared.broker.client import FETCH_LIMIT_BYTES, client_config
from shared.broker.security import REFUSED_CODES, Address, ClientErrors, failure, opened, reach
from shared.errors import Unavailable
from shared.records import TopicPartition

library: Any = kafka_admin  # its type stubs leave out `OffsetSpec`

COUNTED_OFFSETS = 500
"""Up to this many offsets are read to count their records; offsets without a record are transaction markers."""

CONSUME_S = 0.05
LEADER_WAIT_S = 0.5
LEADER_MOVES = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._NOENT,  # the metadata names no leader
    }
)

Span = tuple[int, int]
"""A first offset, and the offset after the last one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The records of a topic that wait behind an open transaction.

    Attributes:
        topic: The topic; empty if this is the sum over several topics.
        records: Number of waiting records; 0 if no transaction is open.
        oldest_ms: When the oldest was written, in ms since the epoch; None if no record waits or it could not be read.
        is_counted: True if `records` counts records; False if it counts offsets, which may include transaction markers.
    """

    topic: str
    records: int
    oldest_ms: int | None = None
    is_counted: bool = True

    def age_s(self, now: datetime) -> float:
        """Return the age of the oldest record in seconds; 0 if it is not known or lies in the future."""
        return 0.0 if self.oldest_ms is None else max(0.0, now.timestamp() - self.oldest_ms / 1000)

    def describe(self, now: datetime) -> str:
        """Return the number of waiting records and the age of the oldest, in words."""
        about, plural = "" if self.is_counted else "about ", "" if self.records == 1 else "s"
        age = "" if self.oldest_ms is None else f", the oldest for {self.age_s(now):.0f} s"
        of = f" of {self.topic}" if self.topic else ""
        verb = "waits" if self.records == 1 else "wait"
        return f"{about}{self.records} record{plural}{of} {verb} behind an open transaction{age}"


def total(waiting: Sequence[Waiting]) -> Waiting:
    """Return the sum over several topics."""
    oldest_ms = min((each.oldest_ms for each in waiting if each.oldest_ms is not None), default=None)
    return Waiting("", sum(each.records for each in waiting), oldest_ms, all(each.is_counted for each in waiting))


@dataclass(frozen=True, slots=True)
class Count:
    """The records in spans of offsets.

    Attributes:
        records: Number of records that were read.
        oldest_ms: When the oldest was written, in ms since the epoch; None if not known.
        is_whole: Whether all spans were read to their ends.
    """

    records: int
    oldest_ms: int | None
    is_whole: bool


class OpenTransactions:
    """Measures how many records wait behind open transactions; repeated measurements use one connection.

    Args:
        bootstrap: Addresses of the brokers.
        topics: The topics; the requests do not create missing ones.
        timeout_s: For each request, and for reading the waiting records.

    Raises:
        Fatal: the settings cannot be used.
    """

    def __init__(self, bootstrap: Address, topics: Sequence[str], timeout_s: float) -> None:
        self._bootstrap, self._topics, self._timeout_s = bootstrap, topics, timeout_s
        self._client_errors = ClientErrors()
        self._admin = opened(
            AdminClient, client_config(bootstrap, self._client_errors) | {"allow.auto.create.topics": False}
        )

    def measure(self) -> list[Waiting]:
        """Return the waiting records of each topic that exists.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse this user.
        """
        found = []
        for topic in self._topics:
            metadata = reach(self._admin, self._client_errors, topic, self._timeout_s).topics.get(topic)
            if metadata is None or metadata.error is not None:
                continue
            spans = _unstable_spans(self._admin, topic, list(metadata.partitions), self._timeout_s)
            found.append(_waiting(self._bootstrap, topic, spans, self._timeout_s))
        return found


def _unstable_spans(
    admin: AdminClient, topic: str, partitions: list[int], timeout_s: float
) -> dict[TopicPartition, Span]:
    """Return, for each partition with waiting records, the span from the last stable offset to the end."""
    wanted = {KafkaPartition(topic, number): library.OffsetSpec.latest() for number in partitions}
    # The end is requested first: records written between the two requests must not be counted as waiting.
    levels = (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED)
    try:
        high, stable = (_end_offsets(admin, wanted, level, timeout_s) for level in levels)
    except KafkaException as error:
        raise failure(error.args[0], f"topic {topic}", f"Describe on topic {topic}") from error
    except TimeoutError as error:
        raise Unavailable("broker", f"topic {topic}: no answer within {timeout_s:g} s") from error
    return {TopicPartition(topic, each): (stable[each], high[each]) for each in high if high[each] > stable[each]}


def _end_offsets(admin: AdminClient, wanted: dict[Any, Any], level: IsolationLevel, timeout_s: float) -> dict[int, int]:
    """Return the end offset of each partition; retry while leaders are being elected, as after a topic's creation."""
    attempts = max(1, int(timeout_s / LEADER_WAIT_S))
    for attempt in range(attempts):
        asked = admin.list_offsets(wanted, isolation_level=level, request_timeout=timeout_s)
        try:
            return {place.partition: answer.result(timeout_s + 1).offset for place, answer in asked.items()}
        except KafkaException as error:
            if error.args[0].code() not in LEADER_MOVES or attempt == attempts - 1:
                raise
        admin.poll(LEADER_WAIT_S)  # this only waits
    raise AssertionError("unreachable")


def _waiting(bootstrap: Address, topic: str, spans: Mapping[TopicPartition, Span], timeout_s: float) -> Waiting:
    offsets = sum(end - first for first, end in spans.values())
    if not offsets:
        return Waiting(topic, 0)
    if offsets <= COUNTED_OFFSETS:
        count = count_records(bootstrap, spans, timeout_s, committed_only=False)
        if count.is_whole:
            return Waiting(topic, count.records, count.oldest_ms)
    firsts = {place: (first, first + 1) for place, (first, _) in spans.items()}
    oldest_ms = count_records(bootstrap, firsts, timeout_s, committed_only=False).oldest_ms
    return Waiting(topic, offsets, oldest_ms, is_counted=False)


def count_records(
    bootstrap: Address, spans: Mapping[TopicPartition, Span], timeout_s: float, committed_only: bool
) -> Count:
    """Read spans of offsets and count the records; if this user may not read them, the count is not whole."""
    level = "read_committed" if committed_only else "read_uncommitted"
    config = client_config(bootstrap) | {
        "group.id": "millrace-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": level,
        "fetch.max.bytes": FETCH_LIMIT_BYTES,
        "fetch.message.max.bytes": FETCH_LIMIT_BYTES,
    }
    left = dict(spans)
    times_ms: list[int] = []
    with closing(opened(Consumer, config)) as consumer:
        consumer.assign([KafkaPartition(*place, first) for place, (first, _) in left.items()])
        for place, offset, timestamp_ms in _messages(consumer, timeout_s):
            end = left[place][1] if place in left else 0
            if timestamp_ms is not None and offset < end:
                times_ms.append(timestamp_ms)
            if place in left and offset + 1 >= end:
                del left[place]
                consumer.incremental_unassign([KafkaPartition(*place)])
            if not left:
                break
    return Count(len(times_ms), min((each for each in times_ms if each >= 0), default=None), is_whole=not left)


def _messages(consumer: Consumer, timeout_s: float) -> Iterator[tuple[TopicPartition, int, int | None]]:
    """Yield partition, offset and timestamp of each message, None at a partition's end; stop at timeout or refusal."""
    waits = 0
    while waits * CONSUME_S < timeout_s:
        messages = consumer.consume(COUNTED_OFFSETS, CONSUME_S)
        waits += 1
        for message in messages:
            place = TopicPartition(message.topic() or "", message.partition() or 0)
            error, offset = message.error(), message.offset() or 0
            if error is None:
                yield place, offset, message.timestamp()[1]
            elif error.code() == KafkaError._PARTITION_EOF:
                yield place, 1 << 62, None
            elif error.code() in REFUSED_CODES and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
                return
