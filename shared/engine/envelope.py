"""What the engine itself writes: dead letters and ledger messages."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from schemas.failures import HEADER_PREFIX as PREFIX
from schemas.failures import FailureHeader as Header
from schemas.failures import count_of
from schemas.outcomes import LedgerEntry, Outcome, to_ranges
from schemas.topics import dlq_topic, ledger_topic
from shared.errors import Rejected
from shared.records import Message, Record, Settled, TopicPartition


def _time(text: str | None) -> str | None:
    """Return an ISO 8601 time in its usual form; None where the text is none, whoever wrote it."""
    try:
        return None if text is None else datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


class Envelopes:
    """Builds a stream's dead letters and ledger messages."""

    def __init__(self, stream: str, model_fingerprint: str, head_fingerprint: str | None = None) -> None:
        self._stream, self._model, self._head = stream, model_fingerprint, head_fingerprint

    def dead_letter(self, record: Record, failure: Rejected, now: datetime) -> Message:
        """Return the record's original bytes under its original key, with the envelope in headers.

        The source's own headers are kept, if they could be read. A record that has failed before keeps its first failure's
        time, and how often it was replayed.
        """
        before = {name: value.decode("utf-8", "replace") for name, value in record.headers if name.startswith(PREFIX)}
        envelope = {
            Header.ORIGIN_TOPIC: record.topic,
            Header.ORIGIN_PARTITION: str(record.partition),
            Header.ORIGIN_OFFSET: str(record.offset),
            Header.ORIGIN_TIMESTAMP_MS: str(record.timestamp_ms),
            Header.REASON: failure.reason.value,
            Header.FIELD: failure.field,
            Header.DETAIL: failure.detail,
            Header.STAGE: failure.stage,
            Header.ATTEMPTS: str(count_of(before.get(Header.ATTEMPTS)) + 1),
            Header.REPLAYS: str(count_of(before.get(Header.REPLAYS))),
            Header.FIRST_FAILED_AT: _time(before.get(Header.FIRST_FAILED_AT)) or now.isoformat(),
            Header.LAST_FAILED_AT: now.isoformat(),
            Header.MODEL: self._model,
        }
        own = tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX))
        headers = own + tuple((name.value, value.encode()) for name, value in envelope.items())
        return Message(dlq_topic(self._stream), record.key, record.value, headers)

    def ledger(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return one message per partition that says what became of each offset."""
        outcomes: dict[TopicPartition, list[tuple[int, Outcome]]] = defaultdict(list)
        for each in settled:
            outcomes[each.record.topic_partition].append((each.record.offset, each.outcome))
        return [self._entry(where, pairs, now) for where, pairs in outcomes.items()]

    def _entry(self, where: TopicPartition, outcomes: list[tuple[int, Outcome]], now: datetime) -> Message:
        entry = LedgerEntry(
            stream=self._stream,
            topic=where.topic,
            partition=where.partition,
            ranges=to_ranges(outcomes),
            model=self._model,
            head=self._head,
            settled_at=now,
        )
        key = f"{where.topic}:{where.partition}".encode()
        return Message(ledger_topic(self._stream), key, entry.model_dump_json().encode())
