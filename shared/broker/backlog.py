"""The backlog of a topic: its number of records and the age of the oldest. Only one record per partition is read."""

from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.client import client_config
from shared.broker.reader import IGNORED_CODES, marks_of
from shared.broker.security import Address, failure, opened
from shared.broker.unreadable import UNREADABLE_CODES
from shared.errors import Unavailable
from shared.records import TopicPartition

TIMEOUT_S = 10.0
CONSUME_S = 0.05
FETCH_BYTES = 65_536
"""A small fetch size, because only the first record is needed; a broker sends that record whole even if it is
larger."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The records that a topic holds.

    Attributes:
        records: Number of records, computed from the watermarks, so gaps in the offsets are counted too.
        oldest_ms: When the oldest record was written, in ms since the epoch; None if the topic is empty.
    """

    records: int
    oldest_ms: int | None


def measure_backlog(bootstrap: Address, topic: str) -> Backlog:
    """Return the current backlog of a topic.

    Raises:
        Unavailable: the broker does not answer, or the topic does not exist.
        Fatal: the broker refuses this user, or the settings cannot be used.
    """
    config = client_config(bootstrap) | {
        "group.id": "millrace-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": FETCH_BYTES,
    }
    needs = f"Read on topic {topic}"
    with closing(opened(Consumer, config)) as consumer:
        try:
            found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
            if found.error is not None:
                raise failure(found.error, f"topic {topic}", needs)
            places = [KafkaPartition(topic, number) for number in found.partitions]
            marks = [marks_of(consumer, TopicPartition(topic, place.partition)) for place in places]
        except KafkaException as error:
            raise failure(error.args[0], f"topic {topic}", needs) from error
        lows = {place.partition: low for place, (low, high) in zip(places, marks, strict=True) if high > low}
        firsts = _first_timestamps(consumer, topic, lows)
    return Backlog(sum(high - low for low, high in marks), min(firsts, default=None))


def _first_timestamps(consumer: Consumer, topic: str, lows: dict[int, int]) -> list[int]:
    """Return the write time of the first record of each partition; partitions emptied meanwhile are left out."""
    waiting, found, silent_s = set(lows), list[int](), 0.0
    consumer.assign([KafkaPartition(topic, partition, low) for partition, low in lows.items()])
    while waiting:
        messages = consumer.consume(len(waiting), CONSUME_S)
        silent_s = 0.0 if messages else silent_s + CONSUME_S
        if silent_s > TIMEOUT_S:
            raise Unavailable("broker", f"topic {topic}: no data arrived for {TIMEOUT_S:.0f} s")
        for message in messages:
            error, partition = message.error(), message.partition()
            if error is not None and error.code() not in (KafkaError._PARTITION_EOF, *UNREADABLE_CODES, *IGNORED_CODES):
                raise failure(error, f"topic {topic}", f"Read on topic {topic}")
            if partition not in waiting:
                continue
            waiting.discard(partition)
            consumer.incremental_unassign([KafkaPartition(topic, partition)])
            if error is None:
                found.append(message.timestamp()[1])
    return found
