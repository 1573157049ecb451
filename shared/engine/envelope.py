"""What the engine itself writes: dead letters and ledger messages."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from schemas.failures import HEADER_PREFIX as PREFIX
from schemas.failures import CutHeader, count_of
from schemas.failures import FailureHeader as Header
from schemas.outcomes import LedgerEntry, OffsetRange, OffsetSpan, Outcome, to_ranges
from schemas.topics import dlq_topic, ledger_topic, redo_topic
from shared.errors import Rejected
from shared.records import Headers, Message, Record, Settled, TopicPartition, Unread, header_texts

CUT_VALUE_BYTES = 256 << 10
"""What is kept of a value that does not fit the dead-letter queue."""

CUT_KEY_BYTES = 1_024
"""A longer key is left out of the smallest form."""

MOST_HEADERS = 50_000
"""With more than 100,000 the client shows none of them: a source's own are left out before ours would be lost with them."""

RANGES_AT_ONCE = 5_000
"""So many ranges take some 300 KB in a ledger message."""


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
        time, and how often it was replayed: only what comes from the redo topic is believed, for there we wrote it.
        """
        before = header_texts(record.headers if record.topic == redo_topic(self._stream) else ())
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
        if record.topic_id is not None:
            envelope[Header.ORIGIN_TOPIC_ID] = record.topic_id
        own = tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX))
        ours: Headers = tuple((name.value, value.encode()) for name, value in envelope.items())
        if record.unreadable == "value":
            return Message(dlq_topic(self._stream), None, None, (*ours, (CutHeader.VALUE_BYTES.value, b"unknown")))
        if len(own) > MOST_HEADERS:
            own, ours = (), (*ours, (CutHeader.HEADERS.value, str(len(own)).encode()))
        letter = Message(dlq_topic(self._stream), record.key, record.value, own + ours)
        return replace(letter, instead=_cut(letter, ours))

    def ledger(self, settled: Sequence[Settled], now: datetime) -> list[Message]:
        """Return messages that say what became of each offset: one per partition, unless it has very many ranges."""
        outcomes: dict[_Log, list[tuple[int, Outcome]]] = defaultdict(list)
        for each in settled:
            outcomes[each.record.topic_partition, each.record.topic_id].append((each.record.offset, each.outcome))
        found = [(log, to_ranges(pairs)) for log, pairs in outcomes.items()]
        return [
            self._entry(log, ranges[start : start + RANGES_AT_ONCE], (), now)
            for log, ranges in found
            for start in range(0, len(ranges), RANGES_AT_ONCE)
        ]

    def unread(self, spans: Sequence[Unread], now: datetime) -> list[Message]:
        """Return messages that say which offsets nobody has read."""
        return [
            self._entry((each.topic_partition, each.topic_id), (), (OffsetSpan(first=each.first, last=each.last),), now)
            for each in spans
        ]

    def _entry(
        self, log: "_Log", ranges: tuple[OffsetRange, ...], unread: tuple[OffsetSpan, ...], now: datetime
    ) -> Message:
        (topic, partition), topic_id = log
        entry = LedgerEntry(
            stream=self._stream,
            topic=topic,
            topic_id=topic_id,
            partition=partition,
            ranges=ranges,
            unread=unread,
            model=self._model,
            head=self._head,
            settled_at=now,
        )
        return Message(ledger_topic(self._stream), f"{topic}:{partition}".encode(), entry.model_dump_json().encode())


_Log = tuple[TopicPartition, str | None]
"""A partition of a topic, and the topic's id."""


def _cut(letter: Message, ours: Headers) -> Message:
    """Return a letter with the beginning of its value, and behind that one with neither value nor the source's headers."""
    value, key = letter.value or b"", letter.key or b""
    digests: Headers = (
        (CutHeader.VALUE_BYTES.value, str(len(value)).encode()),
        (CutHeader.VALUE_SHA256.value, sha256(value).hexdigest().encode()),
    )
    left_out = len(letter.headers) - len(ours)
    bare: Headers = (*ours, *digests, (CutHeader.HEADERS.value, str(left_out).encode()))
    if len(key) > CUT_KEY_BYTES:
        bare += ((CutHeader.KEY_SHA256.value, sha256(key).hexdigest().encode()),)
    smallest = Message(letter.topic, letter.key if len(key) <= CUT_KEY_BYTES else None, None, bare)
    return Message(letter.topic, letter.key, value[:CUT_VALUE_BYTES], (*letter.headers, *digests), smallest)
