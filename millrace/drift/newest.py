"""Which records of a topic a reference is built from: the newest ones, or a sample of those that were sent in a period."""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from millrace.drift.stored import Period, rank_of
from shared.broker.port import Reader
from shared.records import Record, TopicPartition, Watermarks


@dataclass(frozen=True, slots=True)
class Selected:
    """Records of a topic.

    Attributes:
        start: The partitions that hold some, each with the offset of the first one.
        count: About how many there are: offsets without a record, such as markers of transactions, count too.
        offsets: Their offsets by partition; None for all from `start` on.
    """

    start: Mapping[TopicPartition, int]
    count: int
    offsets: Mapping[TopicPartition, frozenset[int]] | None = None

    def read(self, reader: Reader, topic: str) -> Iterator[Record]:
        """Yield the records.

        Raises:
            Unavailable: the brokers do not answer.
        """
        if not self.start:
            return
        for record in reader.read(topic, self.start):
            if self.offsets is None or record.offset in self.offsets.get(record.topic_partition, ()):
                yield record


def select(reader: Reader, topic: str, period: Period, advance: Callable[[int], None]) -> Selected:
    """Return records of a topic. A period is that of the brokers' timestamps; for it, the topic is read once.

    Args:
        reader: Reads the topic.
        topic: Its name.
        period: The period in which the records were sent, and how many of them.
        advance: Is called with the number of records that were looked at.

    Raises:
        Unavailable: the brokers do not answer, or the topic does not exist.
    """
    if period.since is None and period.until is None:
        marks = reader.watermarks(topic)
        start = tail_of(marks, period.limit)
        return Selected(start, sum(marks[where].high - first for where, first in start.items()))
    since_ms = None if period.since is None else period.since.timestamp() * 1_000
    until_ms = None if period.until is None else period.until.timestamp() * 1_000
    held: list[tuple[float, TopicPartition, int]] = []
    for record in reader.read(topic):
        advance(1)
        sent_ms = record.timestamp_ms
        if (since_ms is not None and sent_ms < since_ms) or (until_ms is not None and sent_ms >= until_ms):
            continue
        rank = rank_of(period, sent_ms / 1_000, f"{record.partition}:{record.offset}".encode())
        entry = (rank, record.topic_partition, record.offset)
        if len(held) < period.limit:
            heapq.heappush(held, entry)
        else:
            heapq.heappushpop(held, entry)
    offsets: dict[TopicPartition, set[int]] = {}
    for _, where, offset in held:
        offsets.setdefault(where, set()).add(offset)
    return Selected(
        {where: min(found) for where, found in offsets.items()},
        len(held),
        {where: frozenset(found) for where, found in offsets.items()},
    )


def tail_of(marks: Mapping[TopicPartition, Watermarks], limit: int) -> dict[TopicPartition, int]:
    """Return the offsets from which the partitions hold `limit` records in all, each the same number if it can.

    Args:
        marks: The watermarks of the partitions.
        limit: The number of records.
    """
    start: dict[TopicPartition, int] = {}
    left, waiting = limit, sorted(marks.items(), key=lambda each: (each[1].high - each[1].low, each[0]))
    for place, (where, (low, high)) in enumerate(waiting):
        share = min(high - low, -(-left // (len(waiting) - place)))
        left -= share
        if share:
            start[where] = high - share
    return start
