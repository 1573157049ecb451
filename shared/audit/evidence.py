"""The evidence of the audit: what the ledger, results, dead letters and the retry lane state about each input record.

A topic that was deleted and created again starts its offsets again. So a message with another topic id than the current
one refers to records that no longer exist, and is counted separately. A message without a topic id is assumed to refer
to the current topic.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from schemas.outcomes import LedgerEntry, Outcome
from schemas.topics import dlq_topic, input_topic, ledger_topic, redo_topic, retry_topics
from shared.backfill_marks import named_in, sender_of
from shared.broker.port import Reader
from shared.deadletters.envelope import WithoutEnvelope, read_dead_letter
from shared.engine.stream import Stream
from shared.records import Record, RecordPosition, TopicPartition
from shared.retry.lane import read_waiting

Owed = Literal["dead letter", "result", "deferred record", "follow-up"]
"""What the outcome of a record promises, and what retention or a purge may have removed since."""


@dataclass(slots=True)
class Evidence:
    """What the topics state, by the position of the input record.

    Attributes:
        topic_ids: The ids of the input topics that have one.
        backfill: The group of the backfill that is audited; None for the stream's workers.
        outcomes: The outcomes of each record, in the order of the ledger.
        results: The number of results of each record.
        dead_letters: The number of dead letters of each record.
        deferred: The positions in the retry lane of each deferred record.
        redriven: The number of records in the redo topic that continue each deferred record.
        says: What the first result of each version states (`Published.says`), by tenant, source id and version.
        contradicted: Versions of which another result states something else.
        indexed_only: Records that a backfill which publishes no results has settled.
        published_by_others: Versions of which another group has published a result: tenant, source id and version.
        removed: The number of messages that each topic has lost from the beginning of its partitions.
        former: Number of offsets that the ledger settles for an earlier topic of the same name.
        unread: Offsets, by partition, that a worker found lost before anybody had read them.
        unreadable: Messages that Millrace did not write, each as an example for the report.
    """

    topic_ids: Mapping[str, str] = field(default_factory=dict)
    backfill: str | None = None
    outcomes: dict[RecordPosition, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    results: dict[RecordPosition, int] = field(default_factory=Counter)
    dead_letters: dict[RecordPosition, int] = field(default_factory=Counter)
    deferred: dict[RecordPosition, list[RecordPosition]] = field(default_factory=lambda: defaultdict(list))
    redriven: dict[RecordPosition, int] = field(default_factory=Counter)
    says: dict[tuple[str, str, int], str] = field(default_factory=dict)
    contradicted: list[tuple[str, str, int]] = field(default_factory=list)
    indexed_only: set[RecordPosition] = field(default_factory=set)
    published_by_others: set[tuple[str, str, int]] = field(default_factory=set)
    removed: Counter[Owed] = field(default_factory=Counter)
    former: int = 0
    unread: dict[TopicPartition, list[range]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[str] = field(default_factory=list)

    def absence(self, of: Owed) -> Literal["purged", "missing"]:
        """Return why one more message is absent.

        Each message that the topic has lost explains one absence (`purged`); any further one is `missing`.
        """
        if not self.removed[of]:
            return "missing"
        self.removed[of] -= 1
        return "purged"

    def unread_lost(
        self, committed: Mapping[TopicPartition, int], lows: Mapping[TopicPartition, int]
    ) -> dict[RecordPosition, int]:
        """Return the first position of each span of lost offsets, with the number of offsets that nobody has settled.

        Args:
            committed: The group's committed offsets. A partition without one was never read, so nothing is lost there.
            lows: The lowest offset of each log. If it is above the committed offset, the offsets between are lost too.
        """
        lost = {where: list(spans) for where, spans in self.unread.items()}
        for where, low in lows.items():
            if committed.get(where, low) < low:
                lost.setdefault(where, []).append(range(committed[where], low))
        return {
            RecordPosition(*where, span.start): sum(
                RecordPosition(*where, offset) not in self.outcomes for offset in span
            )
            for where, spans in lost.items()
            for span in _merged(spans)
        }

    def is_of_another(self, topic: str, topic_id: str | None) -> bool:
        """Return whether a message refers to an earlier topic of that name."""
        return topic_id is not None and topic_id != self.topic_ids.get(topic, topic_id)


def gather_evidence(reader: Reader, stream: Stream[Any, Any], backfill: str | None = None) -> Evidence:
    """Read the ledger, the results, the dead letters and the retry lane of a stream.

    Args:
        reader: Reads the topics.
        stream: The stream.
        backfill: The group of a backfill: only what it sent is evidence; None: only what the stream's workers sent is.

    Raises:
        Unavailable: the broker cannot be read.
    """
    evidence = Evidence(reader.topic_ids([input_topic(stream.name), redo_topic(stream.name)]), backfill)
    takers: dict[str, Callable[[Record, Evidence], None]] = {
        ledger_topic(stream.name): _take_ledger,
        stream.result_topic: partial(_take_result, stream),
        dlq_topic(stream.name): partial(_take_dead_letter, stream.name),
        **dict.fromkeys(retry_topics(stream.name), partial(_take_deferred, stream.name)),
    }
    for topic, take in takers.items():
        for record in reader.read(topic):
            try:
                take(record, evidence)
            except ValueError as error:  # pydantic's errors are ValueErrors
                evidence.unreadable.append(f"{record.position}: {type(error).__name__}")
    # Read last, so that messages that were removed while the topics were read count as removed.
    owed: dict[Owed, str] = {"dead letter": dlq_topic(stream.name), "result": stream.result_topic}
    for kind, topic in owed.items():
        evidence.removed[kind] = sum(marks.low for marks in reader.watermarks(topic).values())
    lows = [marks.low for topic in retry_topics(stream.name) for marks in reader.watermarks(topic).values()]
    evidence.removed["deferred record"] = sum(lows)
    evidence.removed["follow-up"] = sum(marks.low for marks in reader.watermarks(redo_topic(stream.name)).values())
    return evidence


def _take_ledger(record: Record, evidence: Evidence) -> None:
    entry = LedgerEntry.model_validate_json(record.value or b"")
    where = TopicPartition(entry.topic, entry.partition)
    is_former = evidence.is_of_another(entry.topic, entry.topic_id)
    if entry.index_only and not is_former:
        offsets = (offset for span in entry.ranges for offset in range(span.first, span.last + 1))
        evidence.indexed_only.update(RecordPosition(*where, offset) for offset in offsets)
    if entry.backfill != evidence.backfill:
        return
    if is_former:
        evidence.former += sum(span.last - span.first + 1 for span in entry.ranges)
        return
    for span in entry.ranges:
        for offset in range(span.first, span.last + 1):
            evidence.outcomes[RecordPosition(*where, offset)].append(span.outcome)
    evidence.unread[where] += [range(span.first, span.last + 1) for span in entry.unread]


def _take_result(stream: Stream[Any, Any], record: Record, evidence: Evidence) -> None:
    result = stream.read_result(record.value)
    origin = result.origin
    key = (result.tenant_id, result.source_id, result.version)
    is_own = sender_of(record, origin.topic, stream.name) == evidence.backfill
    if is_own and not evidence.is_of_another(origin.topic, origin.topic_id):
        evidence.results[RecordPosition(origin.topic, origin.partition, origin.offset)] += 1
    # Another model may have decided it, also if the live workers published it.
    if named_in(record) != evidence.backfill:
        evidence.published_by_others.add(key)
    elif evidence.says.setdefault(key, result.says) != result.says:
        evidence.contradicted.append(key)


def _take_dead_letter(stream: str, record: Record, evidence: Evidence) -> None:
    letter = read_dead_letter(record)
    if isinstance(letter, WithoutEnvelope):
        evidence.unreadable.append(f"{letter.position}: no {letter.missing}")
        return
    is_own = sender_of(record, letter.origin.topic, stream) == evidence.backfill
    if is_own and not evidence.is_of_another(letter.origin.topic, letter.topic_id):
        evidence.dead_letters[letter.origin] += 1


def _take_deferred(stream: str, record: Record, evidence: Evidence) -> None:
    waiting = read_waiting(record)
    if waiting is None:
        evidence.unreadable.append(f"{record.position}: not a deferred record")
    elif sender_of(record, waiting.deferred.origin.topic, stream) != evidence.backfill:
        return
    elif not evidence.is_of_another(waiting.deferred.origin.topic, waiting.deferred.topic_id):
        evidence.deferred[waiting.deferred.origin].append(record.position)


def _merged(spans: list[range]) -> list[range]:
    """Merge overlapping spans, because a worker that is started again reports the same loss again."""
    merged: list[range] = []
    for span in sorted(spans, key=lambda each: each.start):
        if merged and span.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, span.stop))
        else:
            merged.append(span)
    return merged
