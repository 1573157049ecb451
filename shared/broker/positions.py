"""Where a partition is read from: what was committed for this very topic, or the beginning; and what the log has lost.

The client's own reset is switched off (`auto.offset.reset=error`): it would pass over records that nobody has read and say
nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.leases import Lease
from shared.logs import get_logger
from shared.records import TopicPartition, UnreadOffsets

TIMEOUT_S = 4.0
"""With the look at the topics before it, less than the shortest `max_poll_interval_s`, 10 s."""

log = get_logger("source")


def set_starts(consumer: Consumer, partitions: list[KafkaPartition], topic_ids: Mapping[str, str]) -> None:
    """Set the offset that each partition is to be read from.

    An offset that was committed for another topic of that name counts as none. Where the group cannot be asked now, the
    partitions are left as they are: the client asks itself then, as long as it takes.
    """
    try:
        found = consumer.committed(partitions, timeout=TIMEOUT_S)
    except KafkaException as error:
        log.warning("committed offsets could not be read at once", error=error.args[0].str())
        return
    committed = {TopicPartition(p.topic, p.partition): p for p in found}
    for partition in partitions:
        at = committed[TopicPartition(partition.topic, partition.partition)]
        if at.error is not None:
            continue
        partition.offset = OFFSET_BEGINNING
        if at.offset >= 0 and is_of_another(at.metadata, topic_ids.get(partition.topic)):
            where = f"{partition.topic}/{partition.partition}"
            log.error("what is committed is of an earlier topic of that name", partition=where, offset=at.offset)
        elif at.offset >= 0:
            partition.offset = at.offset


def is_of_another(metadata: str | None, topic_id: str | None) -> bool:
    """Whether a commit's metadata names another topic than the one that is there; commits of other tools name none."""
    return bool(metadata) and topic_id is not None and metadata != topic_id


@dataclass(frozen=True, slots=True)
class Reset:
    """Where to go on in a partition whose wanted offset is not in the log.

    Attributes:
        offset: From there.
        unread: What the log no longer has, and nobody has read; None if nothing was lost.
    """

    offset: int
    unread: UnreadOffsets | None = None


def reset(consumer: Consumer, place: TopicPartition, lease: Lease, wanted: int | None) -> Reset:
    """Find where to go on: at the beginning of the log, which has moved past what was wanted, or ends before it.

    Args:
        consumer: Asks for the watermarks.
        place: The partition.
        lease: Its lease.
        wanted: The offset that is not in the log; None: none was committed.
    """
    if wanted is None:
        return Reset(OFFSET_BEGINNING)
    name = f"{place.topic}/{place.partition}"
    try:
        low, high = consumer.get_watermark_offsets(KafkaPartition(*place), timeout=TIMEOUT_S, cached=False)
    except KafkaException as error:
        log.warning("watermarks could not be read", partition=name, error=error.args[0].str())
        return Reset(wanted)  # which fails again, and is looked at again
    if wanted < low:
        unread = UnreadOffsets(place, lease.topic_id, wanted, low - 1)
        log.error(
            "records are gone that nobody has read", partition=name, first=wanted, last=low - 1, offsets=unread.count
        )
        return Reset(low, unread)
    if wanted > high:
        log.error("the log ends before what was read: it is read again from its beginning", partition=name, end=high)
        return Reset(low)
    return Reset(wanted)
