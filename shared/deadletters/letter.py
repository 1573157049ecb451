"""A dead letter as it is read back from its topic: the envelope out of the headers. Whoever wrote it, nothing raises."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.failures import CutHeader, count_of
from schemas.failures import FailureHeader as Header
from shared.records import Record, header_texts


class Place(NamedTuple):
    """One record of a topic."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        """Return it as commands take it."""
        return f"{self.topic}/{self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the dead-letter queue with its envelope.

    Attributes:
        record: As it stands in the queue: the original bytes and key, the envelope in the headers.
        origin: The record that failed.
        reason: Why; one of `FailureReason` unless a newer worker wrote it.
        field: What was wrong with it: a dotted field name, `key`, `value` or `headers`; empty where none is told.
        detail: What was found and what was expected.
        stage: The stage of the pipeline that refused it.
        attempts: How often it has failed.
        replays: How often it was sent to redo.
        first_failed_at: When it failed first, in UTC; None where the envelope tells no time.
        last_failed_at: When it failed last, in UTC; None where the envelope tells no time.
    """

    record: Record
    origin: Place
    reason: str
    field: str
    detail: str
    stage: str
    attempts: int
    replays: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None

    @property
    def place(self) -> Place:
        """Where it stands in the queue."""
        return place_of(self.record)

    @property
    def is_cut(self) -> bool:
        """Whether it does not hold the whole record: it did not fit the queue, or could not be read."""
        return any(name == CutHeader.VALUE_BYTES for name, _ in self.record.headers)

    @property
    def tenant(self) -> str | None:
        """Whose it is, by its key `tenant:id`; None where the key is of another form."""
        tenant, colon, _ = (self.record.key or b"").partition(b":")
        return tenant.decode("utf-8", "replace") if colon else None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of the dead-letter queue that has no envelope of ours; `missing` names the header that is not there."""

    record: Record
    missing: str

    @property
    def place(self) -> Place:
        """Where it stands in the queue."""
        return place_of(self.record)


def place_of(record: Record) -> Place:
    """Return a record's place."""
    return Place(record.topic, record.partition, record.offset)


def parse_place(text: str) -> Place | None:
    """Return the place that `TOPIC/PARTITION@OFFSET` names; None where it is not of that form."""
    topic, slash, rest = text.rpartition("/")
    partition, at, offset = rest.partition("@")
    if not (topic and slash and at and _is_number(partition) and _is_number(offset)):
        return None
    return Place(topic, int(partition), int(offset))


def read_letter(record: Record) -> DeadLetter | Unreadable:
    """Take the envelope out of a record of the dead-letter queue."""
    told = header_texts(record.headers)
    for header in (Header.ORIGIN_TOPIC, Header.REASON):
        if not told.get(header):
            return Unreadable(record, header)
    for header in (Header.ORIGIN_PARTITION, Header.ORIGIN_OFFSET):
        if not _is_number(told.get(header, "")):
            return Unreadable(record, header)
    return DeadLetter(
        record=record,
        origin=Place(told[Header.ORIGIN_TOPIC], int(told[Header.ORIGIN_PARTITION]), int(told[Header.ORIGIN_OFFSET])),
        reason=told[Header.REASON],
        field=told.get(Header.FIELD, ""),
        detail=told.get(Header.DETAIL, ""),
        stage=told.get(Header.STAGE, ""),
        attempts=count_of(told.get(Header.ATTEMPTS)),
        replays=count_of(told.get(Header.REPLAYS)),
        first_failed_at=_time(told.get(Header.FIRST_FAILED_AT)),
        last_failed_at=_time(told.get(Header.LAST_FAILED_AT)),
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**63))


def _time(text: str | None) -> datetime | None:
    """Return the moment in UTC; None where the text is none, has no zone or lies outside the years 1 to 9999."""
    try:
        moment = datetime.fromisoformat(text or "")
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
