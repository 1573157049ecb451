"""Ledger messages: the outcome of each offset of a partition. It knows only outcomes, not how a batch is settled."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from schemas.outcomes import LedgerEntry, OffsetRange, OffsetSpan, Outcome, to_ranges
from schemas.topics import ledger_topic
from shared.records import Message, Provenance, Settled, TopicPartition, UnreadOffsets

RANGES_AT_ONCE = 5_000
"""Most ranges in one ledger message, about 300 KB."""

_Log = tuple[TopicPartition, str | None]
"""A partition of a topic, and the id of the topic."""


class Ledger:
    """Builds the ledger messages of a stream.

    Args:
        provenance: The stream, and the fingerprints of its model and head, which each message carries.
    """

    def __init__(self, provenance: Provenance) -> None:
        self._provenance = provenance

    def messages(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return messages with the outcome of each offset: one per partition, or more beyond 5,000 ranges."""
        outcomes: dict[_Log, list[tuple[int, Outcome]]] = defaultdict(list)
        for each in settled:
            outcomes[each.record.topic_partition, each.record.topic_id].append((each.record.offset, each.outcome))
        found = [(log, to_ranges(pairs)) for log, pairs in outcomes.items()]
        return [
            self._entry(log, ranges[start : start + RANGES_AT_ONCE], (), now)
            for log, ranges in found
            for start in range(0, len(ranges), RANGES_AT_ONCE)
        ]

    def unread(self, spans: Sequence[UnreadOffsets], now: datetime) -> list[Message]:
        """Return messages that list the offsets which were lost before anybody read them."""
        return [
            self._entry((each.topic_partition, each.topic_id), (), (OffsetSpan(first=each.first, last=each.last),), now)
            for each in spans
        ]

    def _entry(
        self, log: _Log, ranges: tuple[OffsetRange, ...], unread: tuple[OffsetSpan, ...], now: datetime
    ) -> Message:
        (topic, partition), topic_id = log
        backfill = self._provenance.backfill
        entry = LedgerEntry(
            stream=self._provenance.stream,
            topic=topic,
            topic_id=topic_id,
            partition=partition,
            ranges=ranges,
            unread=unread,
            model=self._provenance.model,
            head=self._provenance.head,
            settled_at=now,
            backfill=None if backfill is None else backfill.group,
            index_only=backfill is not None and backfill.index_only,
        )
        # An older program knows no backfills, so entries of other workers do not mention them.
        without = {"backfill", "index_only"} if backfill is None else set()
        value = entry.model_dump_json(exclude=without).encode()
        return Message(ledger_topic(self._provenance.stream), f"{topic}:{partition}".encode(), value)
