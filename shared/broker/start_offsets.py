"""Where to start reading a partition: at the offset committed for this topic, or at its beginning; and what is lost.

The client's own offset reset is switched off (`auto.offset.reset=error`): it would skip unread records without
reporting them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.bounds import NO_BOUNDS, Bounds, bounds_in, topic_id_in
from shared.broker.leases import Lease
from shared.errors import Fatal
from shared.logs import get_logger
from shared.records import TopicPartition, UnreadOffsets

TIMEOUT_S = 4.0
"""Together with the topic lookup before it, this is less than the shortest allowed `max_poll_interval_s`, 10 s."""

log = get_logger("source")


def set_starts(
    consumer: Consumer, partitions: list[KafkaPartition], topic_ids: Mapping[str, str], *, bounded: bool = False
) -> dict[TopicPartition, Bounds]:
    """Set the offset at which reading of each partition starts, and return the bounds of a backfill's partitions.

    An offset that was committed for another topic with the same name is ignored. If the committed offsets cannot be
    read now, the partitions are left unchanged: the client then looks them up itself, retrying as long as necessary.
    A partition of a backfill that has no bounds was added later; nothing of it is read.

    Raises:
        Fatal: the bounds of a backfill cannot be read or belong to an earlier topic, or a worker of live traffic has
            joined the group of a backfill.
    """
    try:
        found = consumer.committed(partitions, timeout=TIMEOUT_S)
    except KafkaException as error:
        if bounded:
            raise Fatal(f"the bounds of the backfill could not be read: {error.args[0].str()}") from error
        log.warning("could not read the committed offsets; the client will retry", error=error.args[0].str())
        return {}
    committed = {TopicPartition(p.topic, p.partition): p for p in found}
    bounds: dict[TopicPartition, Bounds] = {}
    for partition in partitions:
        place = TopicPartition(partition.topic, partition.partition)
        at = committed[place]
        stated = bounds_in(at.metadata)
        if stated is not None and not bounded:
            raise Fatal("this group belongs to a backfill: start it with --group and --from, or choose another group")
        if bounded:
            bounds[place] = stated or NO_BOUNDS
        if at.error is not None:
            continue
        partition.offset = OFFSET_BEGINNING
        if at.offset >= 0 and is_of_another(at.metadata, topic_ids.get(partition.topic)):
            if bounded:
                raise Fatal(
                    f"topic {partition.topic} was created again since this backfill began: run the command again"
                )
            where = f"{partition.topic}/{partition.partition}"
            log.error(
                "ignored an offset that was committed for an earlier topic with the same name",
                partition=where,
                offset=at.offset,
            )
        elif at.offset >= 0:
            partition.offset = at.offset
    return bounds


def is_of_another(metadata: str | None, topic_id: str | None) -> bool:
    """Return whether a commit's metadata names another topic id; commits of other tools name none."""
    named = topic_id_in(metadata)
    return named is not None and topic_id is not None and named != topic_id


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
        last = low - 1 if lease.bounds is None else min(low, lease.bounds.end) - 1
        unread = UnreadOffsets(place, lease.topic_id, wanted, last)
        log.error(
            "records were deleted before they were read",
            partition=name,
            first=wanted,
            last=last,
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
