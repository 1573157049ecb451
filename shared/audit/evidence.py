"""What the topics say about each input record, for the audit: the ledger, the results and the dead letters by place.

A topic that was deleted and made again counts its offsets anew. So what names another id of the topic than that of today
speaks of records that are gone, and is counted apart; what names none is taken at its word.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from schemas.outcomes import LedgerEntry, Outcome
from schemas.topics import dlq_topic, input_topic, ledger_topic, redo_topic
from shared.broker.port import Reader
from shared.deadletters.envelope import Unreadable, read_dead_letter
from shared.engine.stream import Stream
from shared.records import Record, RecordPosition, TopicPartition

Owed = Literal["letter", "result"]
"""What a record's outcome promises, and retention or a purge may have removed since."""


@dataclass(slots=True)
class Evidence:
    """What the topics say, by place; and how many messages each topic has lost at its beginnings.

    Attributes:
        topic_ids: The ids of the input topics that have one.
        former: Offsets that the ledger settles for a topic of that name that is gone.
        unread: Offsets, by partition, that a worker found gone before anybody had read them.
        unreadable: Messages that are none of ours, each as an example for the report.
    """

    topic_ids: Mapping[str, str] = field(default_factory=dict)
    outcomes: dict[RecordPosition, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    results: dict[RecordPosition, int] = field(default_factory=Counter)
    dead_letters: dict[RecordPosition, int] = field(default_factory=Counter)
    says: dict[tuple[str, str, int], str] = field(default_factory=dict)
    contradicted: list[tuple[str, str, int]] = field(default_factory=list)
    removed: Counter[Owed] = field(default_factory=Counter)
    former: int = 0
    unread: dict[TopicPartition, list[range]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[str] = field(default_factory=list)

    def absence(self, of: Owed) -> Literal["purged", "missing"]:
        """Return what it means that one more is not there: its topic has lost so many, and each accounts for one."""
        if not self.removed[of]:
            return "missing"
        self.removed[of] -= 1
        return "purged"

    def unread_lost(
        self, committed: Mapping[TopicPartition, int], lows: Mapping[TopicPartition, int]
    ) -> dict[RecordPosition, int]:
        """Return where each span of lost offsets begins, and how many of them nobody has settled.

        Args:
            committed: The group's committed offsets; where it has none it never was, and nothing was owed.
            lows: The beginnings of the logs: what lies between a committed offset and a beginning is lost too.
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
        """Whether a message speaks of an earlier topic of that name."""
        return topic_id is not None and topic_id != self.topic_ids.get(topic, topic_id)


def gather_evidence(reader: Reader, stream: Stream[Any, Any]) -> Evidence:
    """Read the ledger, the results and the dead letters of a stream.

    Raises:
        Unavailable: the broker cannot be read.
    """
    evidence = Evidence(reader.topic_ids([input_topic(stream.name), redo_topic(stream.name)]))
    takers: dict[str, Callable[[Record, Evidence], None]] = {
        ledger_topic(stream.name): _take_ledger,
        stream.result_topic: partial(_take_result, stream),
        dlq_topic(stream.name): _take_dead_letter,
    }
    for topic, take in takers.items():
        for record in reader.read(topic):
            try:
                take(record, evidence)
            except ValueError as error:  # pydantic's errors are ValueErrors
                evidence.unreadable.append(f"{record.position}: {type(error).__name__}")
    # Asked last: what was removed while the topics were read must count as removed.
    owed: dict[Owed, str] = {"letter": dlq_topic(stream.name), "result": stream.result_topic}
    for kind, topic in owed.items():
        evidence.removed[kind] = sum(marks.low for marks in reader.watermarks(topic).values())
    return evidence


def _take_ledger(record: Record, evidence: Evidence) -> None:
    entry = LedgerEntry.model_validate_json(record.value or b"")
    where = TopicPartition(entry.topic, entry.partition)
    if evidence.is_of_another(entry.topic, entry.topic_id):
        evidence.former += sum(span.last - span.first + 1 for span in entry.ranges)
        return
    for span in entry.ranges:
        for offset in range(span.first, span.last + 1):
            evidence.outcomes[RecordPosition(*where, offset)].append(span.outcome)
    evidence.unread[where] += [range(span.first, span.last + 1) for span in entry.unread]


def _take_result(stream: Stream[Any, Any], record: Record, evidence: Evidence) -> None:
    result = stream.read_result(record.value)
    origin = result.origin
    if not evidence.is_of_another(origin.topic, origin.topic_id):
        evidence.results[RecordPosition(origin.topic, origin.partition, origin.offset)] += 1
    key = (result.tenant_id, result.source_id, result.version)
    if evidence.says.setdefault(key, result.says) != result.says:
        evidence.contradicted.append(key)


def _take_dead_letter(record: Record, evidence: Evidence) -> None:
    letter = read_dead_letter(record)
    if isinstance(letter, Unreadable):
        evidence.unreadable.append(f"{letter.position}: no {letter.missing}")
        return
    if not evidence.is_of_another(letter.origin.topic, letter.topic_id):
        evidence.dead_letters[letter.origin] += 1


def _merged(spans: list[range]) -> list[range]:
    """Return spans that do not overlap: a worker that is started again reports the same loss again."""
    merged: list[range] = []
    for span in sorted(spans, key=lambda each: each.start):
        if merged and span.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, span.stop))
        else:
            merged.append(span)
    return merged
