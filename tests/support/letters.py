"""Dead letters for tests, as a worker writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.failures import FailureHeader, FailureReason
from shared.deadletters.envelope import DeadLetter, read_dead_letter, write_dead_letter
from shared.errors import Rejected
from shared.records import Message, Provenance, Record
from tests.support.streams import TICKET_KIND, Kind

MODEL = "3fa9c1d2"
BY = Provenance("tickets", MODEL)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def message(
    number: int = 0,
    reason: FailureReason = FailureReason.MODEL_FAILED,
    kind: Kind = TICKET_KIND,
    **changes: Any,
) -> Message:
    """Return the dead letter of a valid event `T-<number>`; its origin is the input's offset of that number."""
    failure = Rejected(reason, str(changes.pop("field", "body")), "found x", str(changes.pop("stage", "embed")))
    tenant = str(changes.pop("tenant", "acme"))
    if any(name == FailureHeader.REPLAYS for name, _ in changes.get("headers", ())):
        changes.setdefault("topic", kind.redo)  # headers of this kind are trusted in the redo topic only
    failed = kind.record(kind.event(f"T-{number}", tenant_id=tenant), number, **changes)
    return write_dead_letter(failed, failure, Provenance(kind.name, MODEL), NOON)


def record_of(sent: Message, offset: int = 0, partition: int = 0, minutes: float = 0) -> Record:
    """Return a message as a record of its topic, written the given number of minutes after noon."""
    written = NOON + timedelta(minutes=minutes)
    return Record(sent.topic, partition, offset, int(written.timestamp() * 1000), sent.key, sent.value, sent.headers)


def dead_letter(number: int = 0, minutes: float = 0, **changes: Any) -> DeadLetter:
    """Return a dead letter that was read back."""
    found = read_dead_letter(record_of(message(number, **changes), number, minutes=minutes))
    assert isinstance(found, DeadLetter)
    return found
