"""Batches of records that the client cannot decompress, because they are damaged or exceed its size limit.

A reader must skip such a batch, account for each of its records, and find out where it ends.
"""

from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.client import FETCH_LIMIT_BYTES, client_config
from shared.broker.leases import NO_LEASE, Lease
from shared.broker.security import Address, failure, opened
from shared.errors import Unavailable
from shared.records import Record, TopicPartition

UNREADABLE_CODES = frozenset({KafkaError._BAD_COMPRESSION})
"""Errors after which the client requests the same batch again and again."""

TIMEOUT_S = 5.0
POLL_S = 0.1


def unreadable_records(bootstrap: Address, place: TopicPartition, first: int, lease: Lease = NO_LEASE) -> list[Record]:
    """Return a record without bytes for each offset from `first` to the end of the batch that contains it.

    The list is empty if the record at `first` can be read, because the error report was outdated. A compressed batch is
    sent whole, so reads from any offset inside it fail in the same way. The end is found with steps that double,
    followed by a binary search: two probes for a batch of one record, about twenty for a batch of a thousand.

    Raises:
        Unavailable: the broker does not answer.
    """
    with closing(_open(bootstrap)) as consumer:
        try:
            high = consumer.get_watermark_offsets(KafkaPartition(*place), timeout=TIMEOUT_S, cached=False)[1]
        except KafkaException as error:
            raise failure(error.args[0], f"{place.topic}/{place.partition}") from error
        batch = _unreadable_at(consumer, place, first) if first < high else None
        if batch is None:
            return []
        inside, step = first, 1
        while inside + step < high and _unreadable_at(consumer, place, inside + step) == batch:
            inside, step = inside + step, 2 * step
        outside = min(inside + step, high)
        while outside - inside > 1:
            middle = (inside + outside) // 2
            if _unreadable_at(consumer, place, middle) == batch:
                inside = middle
            else:
                outside = middle
    return [_record(place, offset, lease) for offset in range(first, outside)]


def _record(place: TopicPartition, offset: int, lease: Lease) -> Record:
    return Record(
        topic=place.topic,
        partition=place.partition,
        offset=offset,
        timestamp_ms=-1,
        key=None,
        value=None,
        lease=lease.number,
        topic_id=lease.topic_id,
        unreadable="value",
    )


def _unreadable_at(consumer: Consumer, place: TopicPartition, offset: int) -> int | None:
    """Return the first offset of the unreadable batch at an offset; None if a record or the end can be read there."""
    consumer.assign([KafkaPartition(place.topic, place.partition, offset)])
    for _ in range(round(TIMEOUT_S / POLL_S)):
        message = consumer.poll(POLL_S)
        if message is None:
            continue
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return None
        if error.code() in UNREADABLE_CODES:
            return message.offset()
    raise Unavailable("broker", f"{place.topic}/{place.partition}: no data arrived for {TIMEOUT_S:.0f} s")


def _open(bootstrap: Address) -> Consumer:
    config = client_config(bootstrap) | {
        "group.id": "millrace-reader",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "fetch.message.max.bytes": FETCH_LIMIT_BYTES,
        "fetch.max.bytes": FETCH_LIMIT_BYTES,
        "fetch.error.backoff.ms": 10,
    }
    return opened(Consumer, config)
