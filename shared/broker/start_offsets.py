"""Where to start reading a partition: at the offset committed for this topic, or at its beginning; and what is lost.

The client's own offset reset is switched off (`auto.offset.reset=error`): it would skip unread records without
reporting them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.leases import Lease
from shared.logs import get_logger
from shared.records import TopicPartition, UnreadOffsets

TIMEOUT_S = 4.0
"""Together with the topic lookup before it, this is less than the shortest allowed `max_poll_interval_s`, 10 s."""

log = get_logger("source")


def set_starts(consumer: Consumer, partitions: list[KafkaPartition], topic_ids: Mapping[str, str]) -> None:
    """Set the offset at which reading of each partition starts.

    An offset that was committed for another topic with the same name is ignored. If the committed offsets cannot be
    read now, the partitions are left unchanged: the client then looks them up itself, retrying as long as necessary.
    """
    try:
        found = consumer.committed(partitions, timeout=TIMEOUT_S)
    except KafkaException as error:
        log.warning("could not read the committed offsets; the client will retry", error=error.args[0].str())
        return
    committed = {TopicPartition(p.topic, p.partition): p for p in found}
    for partition in partitions:
        at = committed[TopicPartition(partition.topic, partition.partition)]
        if at.error is not None:
            continue
        partition.offset = OFFSET_BEGINNING
        if at.offset >= 0 and is_of_another(at.metadata, topic_ids.get(partition.topic)):
            where = f"{partition.topic}/{partition.partition}"
            log.error(
                "ignored an offset that was committed for an earlier topic with the same name",
                partition=where,
                offset=at.offset,
            )
        elif at.offset >= 0:
            partition.offset = at.offset


def is_of_another(metadata: str | None, topic_id: str | None) -> bool:
    """Return whether a commit's metadata names another topic id; commits of other tools name none."""
    return bool(metadata) and topic_id is not None and metadata != topic_id


@dataclass(frozen=True, slots=True)
class Reset:
    """Where to continue in a partition whose requested offset is not in the log.

    Attributes:
        offset: The offset to continue at.
        unread: The offsets that the log lost before they were read; None if nothing was lost.
    """

    offset: int
    unread: UnreadOffsets | None = None


def reset(consumer: Consumer, place: TopicPartition, lease: Lease, wanted: int | None) -> Reset:
    """Return where to continue: at the log's beginning if the requested offset is outside the log, else at that offset.

    Args:
        consumer: Queries the watermarks.
        place: The partition.
        lease: Its lease.
        wanted: The requested offset, which is not in the log; None if no offset was committed.
    """
    if wanted is None:
        return Reset(OFFSET_BEGINNING)
    name = f"{place.topic}/{place.partition}"
    try:
        low, high = consumer.get_watermark_offsets(KafkaPartition(*place), timeout=TIMEOUT_S, cached=False)
    except KafkaException as error:
        log.warning("could not read the watermarks; retrying", partition=name, error=error.args[0].str())
        return Reset(wanted)  # this fails again, and then this function runs again
    if wanted < low:
        unread = UnreadOffsets(place, lease.topic_id, wanted, low - 1)
        log.error(
            "records were deleted before they were read",
            partition=name,
            first=wanted,
            last=low - 1,
            offsets=unread.count,
        )
        return Reset(low, unread)
    if wanted > high:
        log.error(
            "the partition ends before the read position, so the brokers have lost records: reading it "
            "again from its beginning",
            partition=name,
            end=high,
        )
        return Reset(low)
    return Reset(wanted)
