"""A stream whose every topic and point is in memory, as the audit reads it."""

from collections.abc import Iterator, Mapping, Sequence

from schemas.outcomes import LedgerEntry, OffsetRange, Outcome
from shared.audit.audited_backfill import AuditedBackfill
from shared.audit.comparison import AuditReport, audit
from shared.records import Message, Record, TopicPartition, Watermarks
from tests.support.assembly import Assembly
from tests.support.streams import TICKET_KIND, Kind


class MemoryReader:
    """Topics in memory, read as a `TopicReader` reads them."""

    def __init__(self, kind: Kind = TICKET_KIND) -> None:
        self.topics: dict[str, list[Record]] = {topic: [] for topic in kind.topics}
        self.offsets: dict[TopicPartition, int] = {}
        self.marks: dict[TopicPartition, Watermarks] = {}
        self.ids: dict[str, str] = {}

    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {where: offset for where, offset in self.offsets.items() if where.topic in topics}

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        held = self.topics[topic]
        return {TopicPartition(topic, 0): Watermarks(held[0].offset if held else 0, len(held))} | self.marks

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return {topic: found for topic, found in self.ids.items() if topic in topics}

    def read(self, topic: str, start: Mapping[TopicPartition, int] | None = None) -> Iterator[Record]:
        for each in self.topics[topic]:
            if start is None or each.offset >= start.get(each.topic_partition, each.offset + 1):
                yield each

    def write(self, message: Message) -> None:
        held = self.topics[message.topic]
        held.append(Record(message.topic, 0, len(held), 0, message.key, message.value, message.headers))


class World:
    """A stream that was processed without a fault, and the audit over it."""

    def __init__(self, kind: Kind = TICKET_KIND) -> None:
        self.kind, self.parts, self.reader = kind, Assembly(stream=kind.stream), MemoryReader(kind)

    def held(self, which: str) -> list[Record]:
        """Return the messages of the stream's `ledger`, `results` or `dlq`."""
        return self.reader.topics[getattr(self.kind, which)]

    def settle(self, *records: Record, by: Assembly | None = None) -> None:
        """Let a worker settle a batch: another one than usual, if it is given."""
        parts = by or self.parts
        known = len(parts.sink.delivered)
        parts.settle(*records)
        for message in parts.sink.delivered[known:]:
            self.reader.write(message)
        for each in records:
            if each not in self.reader.topics[each.topic]:
                self.reader.topics[each.topic].append(each)
            self.reader.offsets[each.topic_partition] = each.offset + 1

    def entry(self, outcome: Outcome, offset: int) -> None:
        """Write a ledger message by hand."""
        span = OffsetRange(first=offset, last=offset, outcome=outcome)
        entry = LedgerEntry(
            stream=self.kind.name,
            topic=self.kind.name,
            partition=0,
            ranges=(span,),
            model="x",
            settled_at=self.parts.clock.now(),
        )
        self.reader.write(Message(self.kind.ledger, f"{self.kind.name}:0".encode(), entry.model_dump_json().encode()))

    def audit(self, points: bool = True, backfill: AuditedBackfill | None = None) -> AuditReport:
        """Return what the audit finds."""
        return audit(self.reader, self.kind.stream, self.parts.collection if points else None, backfill=backfill)


def counts(findings: AuditReport) -> dict[str, int]:
    names = (
        "missing",
        "stale",
        "conflicting",
        "unread_lost",
        "repeated",
        "pending",
        "below_retention",
        "former",
        "purged",
    )
    return {name: getattr(findings, name) for name in names if getattr(findings, name)}
