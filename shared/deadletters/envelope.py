"""The envelope of a dead letter: headers that describe the failed record. Only this module writes and reads them.

Writing keeps everything that fits: the record's bytes, key and own headers stay beside the envelope. Reading
never raises an error, even for a message of another program. This module imports neither the engine nor a broker.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from schemas.failures import COUNT_DIGITS, CutHeader, RetryHeader, count_of
from schemas.failures import HEADER_PREFIX as PREFIX
from schemas.failures import FailureHeader as Header
from schemas.topics import dlq_topic, redo_topic
from shared.backfill_marks import mark_headers, mark_of
from shared.errors import Deferred, Rejected
from shared.records import Headers, Message, Provenance, Record, RecordPosition, header_texts
from shared.tracing.port import trace_id_of

CUT_VALUE_BYTES = 256 << 10
"""Number of bytes that are kept of a value that does not fit into the dead-letter queue."""

CUT_KEY_BYTES = 1_024
"""A longer key is left out of the smallest form of a dead letter."""

DETAIL_CHARS = 2_000
MOST_HEADERS = 50_000
"""With more source headers than this, all of them are left out.

Beyond 100,000 headers the client shows none, so the envelope would be lost too.
"""

COUNT_MAX = 10**COUNT_DIGITS - 1
"""Upper limit of the counts in the headers; a count stops here."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the dead-letter queue with its envelope.

    Attributes:
        record: The record as it is in the queue: the original bytes and key, with the envelope in the headers.
        origin: The position of the record that failed.
        topic_id: The broker's id of the topic that the record came from; None if the envelope has none.
        reason: Why it failed; one of `FailureReason` unless a newer worker wrote it.
        field: The wrong part: a dotted field name, `key`, `value` or `headers`; empty if the envelope names none.
        detail: What was found and what was expected.
        stage: The stage of the pipeline that refused the record.
        attempts: Number of times it has failed.
        replays: Number of times it was sent to the redo topic.
        first_failed_at: When it failed first, in UTC; None if the envelope has no valid time with a zone.
        last_failed_at: When it failed last, in UTC; None if the envelope has no valid time with a zone.
    """

    record: Record
    origin: RecordPosition
    topic_id: str | None
    reason: str
    field: str
    detail: str
    stage: str
    attempts: int
    replays: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None

    @property
    def position(self) -> RecordPosition:
        """The position of the dead letter in the queue."""
        return self.record.position

    @property
    def is_cut(self) -> bool:
        """Whether it holds only a part of the record, which did not fit into the queue or could not be read."""
        return any(name == CutHeader.VALUE_BYTES for name, _ in self.record.headers)

    @property
    def tenant(self) -> str | None:
        """The tenant of the record, taken from its key `tenant:id`; None if the key has another form."""
        tenant, colon, _ = (self.record.key or b"").partition(b":")
        return tenant.decode("utf-8", "replace") if colon else None

    @property
    def trace_id(self) -> str | None:
        """The trace that the failed record belongs to, in hexadecimal; None if its headers name none."""
        return trace_id_of(self.record.headers)


@dataclass(frozen=True, slots=True)
class WithoutEnvelope:
    """A record of the dead-letter queue without a valid envelope; `missing` is the header that is absent or invalid."""

    record: Record
    missing: str

    @property
    def position(self) -> RecordPosition:
        """The position of the record in the queue."""
        return self.record.position


def parse_position(text: str) -> RecordPosition | None:
    """Return the position that `TOPIC/PARTITION@OFFSET` names; None if the text does not have this form."""
    topic, slash, rest = text.rpartition("/")
    partition, at, offset = rest.partition("@")
    if not (topic and slash and at and _is_number(partition) and _is_number(offset)):
        return None
    return RecordPosition(topic, int(partition), int(offset))


def write_dead_letter(record: Record, failure: Rejected, provenance: Provenance, now: datetime) -> Message:
    """Return the dead letter of a record: its original bytes under its original key, with the envelope in headers.

    The source's own headers are kept, if they could be read. A record that has failed before keeps the time of its
    first failure and its number of replays; these are read only from the redo topic, because there Millrace wrote them.
    If the queue refuses the dead letter as too large, its `instead` is sent, with only a part of the value.
    """
    topic = dlq_topic(provenance.stream)
    own = own_headers(record)
    envelope = envelope_of(record, failure, provenance, now)
    if record.unreadable == "value":
        return Message(topic, None, None, (*envelope, (CutHeader.VALUE_BYTES.value, b"unknown")))
    if len(own) > MOST_HEADERS:
        own, envelope = (), (*envelope, (CutHeader.HEADERS.value, str(len(own)).encode()))
    letter = Message(topic, record.key, record.value, own + envelope)
    return replace(letter, instead=_cut(letter, envelope))


def read_dead_letter(record: Record) -> DeadLetter | WithoutEnvelope:
    """Parse the envelope in the headers of a record of the dead-letter queue."""
    texts = header_texts(record.headers)
    for header in (Header.ORIGIN_TOPIC, Header.REASON):
        if not texts.get(header):
            return WithoutEnvelope(record, header)
    for header in (Header.ORIGIN_PARTITION, Header.ORIGIN_OFFSET):
        if not _is_number(texts.get(header, "")):
            return WithoutEnvelope(record, header)
    return DeadLetter(
        record=record,
        origin=RecordPosition(
            texts[Header.ORIGIN_TOPIC], int(texts[Header.ORIGIN_PARTITION]), int(texts[Header.ORIGIN_OFFSET])
        ),
        topic_id=texts.get(Header.ORIGIN_TOPIC_ID),
        reason=texts[Header.REASON],
        field=texts.get(Header.FIELD, ""),
        detail=texts.get(Header.DETAIL, ""),
        stage=texts.get(Header.STAGE, ""),
        attempts=count_of(texts.get(Header.ATTEMPTS)),
        replays=count_of(texts.get(Header.REPLAYS)),
        first_failed_at=_in_utc(_time(texts.get(Header.FIRST_FAILED_AT))),
        last_failed_at=_in_utc(_time(texts.get(Header.LAST_FAILED_AT))),
    )


def with_replays(letter: DeadLetter, replays: int) -> Headers:
    """Return the headers of a dead letter with another number of replays, and without those of the retry lane."""
    dropped = {Header.REPLAYS, *RetryHeader}
    kept = tuple((name, value) for name, value in letter.record.headers if name not in dropped)
    return (*kept, (Header.REPLAYS.value, _count(replays).encode()))


def own_headers(record: Record) -> Headers:
    """Return the headers of a record that its source wrote."""
    return tuple((name, value) for name, value in record.headers if not name.startswith(PREFIX))


def envelope_of(record: Record, failure: Rejected | Deferred, provenance: Provenance, now: datetime) -> Headers:
    """Return the headers that say where a record comes from and why it has failed."""
    before = header_texts(record.headers if record.topic == redo_topic(provenance.stream) else ())
    envelope = {
        Header.ORIGIN_TOPIC: record.topic,
        Header.ORIGIN_PARTITION: str(record.partition),
        Header.ORIGIN_OFFSET: str(record.offset),
        Header.ORIGIN_TIMESTAMP_MS: str(record.timestamp_ms),
        Header.REASON: failure.reason.value,
        Header.FIELD: failure.field,
        Header.DETAIL: failure.detail[:DETAIL_CHARS],
        Header.STAGE: failure.stage,
        Header.ATTEMPTS: _count(count_of(before.get(Header.ATTEMPTS)) + 1),
        Header.REPLAYS: _count(count_of(before.get(Header.REPLAYS))),
        Header.FIRST_FAILED_AT: (_time(before.get(Header.FIRST_FAILED_AT)) or now).isoformat(),
        Header.LAST_FAILED_AT: now.isoformat(),
        Header.MODEL: provenance.model,
    }
    if record.topic_id is not None:
        envelope[Header.ORIGIN_TOPIC_ID] = record.topic_id
    mark = mark_of(record, provenance.stream, provenance.backfill)
    return (*((name.value, text.encode()) for name, text in envelope.items()), *mark_headers(mark))


def _cut(letter: Message, envelope: Headers) -> Message:
    """Return a dead letter with only the beginning of its value.

    If that is refused too, its own `instead` is sent: it has neither the value nor the source's headers.
    """
    value, key = letter.value or b"", letter.key or b""
    digests: Headers = (
        (CutHeader.VALUE_BYTES.value, str(len(value)).encode()),
        (CutHeader.VALUE_SHA256.value, sha256(value).hexdigest().encode()),
    )
    left_out = len(letter.headers) - len(envelope)
    bare: Headers = (*envelope, *digests, (CutHeader.HEADERS.value, str(left_out).encode()))
    if len(key) > CUT_KEY_BYTES:
        bare += ((CutHeader.KEY_SHA256.value, sha256(key).hexdigest().encode()),)
    smallest = Message(letter.topic, letter.key if len(key) <= CUT_KEY_BYTES else None, None, bare)
    return Message(letter.topic, letter.key, value[:CUT_VALUE_BYTES], (*letter.headers, *digests), smallest)


def _count(number: int) -> str:
    return str(min(number, COUNT_MAX))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**63))


def _time(text: str | None) -> datetime | None:
    """Return the time in a header, in the zone in which it was written; None if it is not ISO 8601."""
    try:
        return datetime.fromisoformat(text or "")
    except (ValueError, OverflowError):
        return None


def _in_utc(moment: datetime | None) -> datetime | None:
    """Return a time in UTC; None if it has no zone, or is outside the years 1 to 9999 in UTC."""
    try:
        return None if moment is None or moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
