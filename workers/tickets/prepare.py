"""From a record to a ticket on its way: validation, masking, the text that is embedded, and the digests that spare work.

From `prepare` on, an item holds no personal data that is masked (docs/privacy.md): its record alone has the original bytes.
A change to what is prepared is a change of vectors: raise the version of `shared/text/preparation.py` with it.
"""

import json
from dataclasses import dataclass
from hashlib import sha256

from schemas.failures import FailureReason
from schemas.ours import TICKETS
from schemas.points import point_id
from schemas.tickets import (
    TICKET_EVENT,
    Decision,
    SimilarLeftOut,
    SimilarTicket,
    SuggestedReply,
    TicketDeleted,
    TicketSnapshot,
)
from shared.decoding import decode
from shared.engine.pipeline import Item
from shared.errors import Rejected
from shared.records import Embedded, Record, Vector
from shared.text.customers import CustomerIds
from shared.text.preparation import Prepared, Preparer

STREAM = TICKETS
TEXT_VECTOR = "text"
BYTES_PER_TOKEN = 4
"""A rough figure for English prose in JSON, used only to bound a poll batch before anything is decoded."""


NOTHING = Prepared("", "")


@dataclass(slots=True, kw_only=True)
class TicketItem(Item):
    """A ticket event on its way.

    Attributes:
        event: Once prepared, its texts are what is kept.
        text: What is embedded of subject and body, decided on, and searched by terms.
        body: What is kept and what is embedded of the body.
        resolution: The same of the resolution.
    """

    event: TicketSnapshot | TicketDeleted
    text: str = ""
    text_digest: str = ""
    body: Prepared = NOTHING
    resolution: Prepared | None = None
    resolution_digest: str | None = None
    text_embedded: Embedded | None = None
    resolution_embedded: Embedded | None = None
    decision: Decision | None = None
    similar: tuple[SimilarTicket, ...] = ()
    similar_left_out: SimilarLeftOut | None = None
    suggested_reply: SuggestedReply | None = None

    @property
    def text_vector(self) -> Vector:
        """The vector of the text; every item has it from the stage `embed` on."""
        if self.text_embedded is None:
            raise ValueError("an item reaches the decision with its vector")
        return self.text_embedded.vector


def decode_ticket(record: Record) -> TicketItem:
    """Validate a record.

    Raises:
        Rejected: the record is bad; the error names the field and the reason.
        NewerSchema: the record is newer than this worker.
    """
    if record.unreadable == "value":
        raise Rejected(
            FailureReason.UNREADABLE, "value", "its batch is damaged, or takes more than 100 MB decompressed"
        )
    if record.unreadable == "headers":
        raise Rejected(FailureReason.INVALID_UTF8, "headers", "a header's name is not UTF-8, so none could be read")
    event = decode(record.value, TICKET_EVENT)
    key = record_key(event.tenant_id, event.ticket_id)
    if record.key != key:
        found = "the record has no key" if record.key is None else "the key is another"
        raise Rejected(FailureReason.KEY_MISMATCH, "key", f"expected tenant_id:ticket_id of the value; {found}")
    return TicketItem(
        record=record,
        point_id=point_id(event.tenant_id, STREAM, event.ticket_id),
        version=event.event_version,
        event=event,
    )


def prepare(item: TicketItem, preparer: Preparer, customers: CustomerIds) -> None:
    """Digest the event as it came, put the prepared one in its place, and take the digests that spare work."""
    event = item.event
    item.content = digest(json.dumps(event.model_dump(mode="json", exclude={"event_id"}), sort_keys=True))
    if isinstance(event, TicketSnapshot):
        item.body = preparer.message(event.body, event.subject)
        item.resolution = None if event.resolution is None else preparer.message(event.resolution)
        item.event = prepared = _prepared_event(item, event, preparer, customers)
        item.text = joined(prepared.subject, item.body.embedded)
        item.text_digest = digest(item.text)
        item.resolution_digest = None if item.resolution is None else digest(item.resolution.embedded)


def _prepared_event(
    item: TicketItem, event: TicketSnapshot, preparer: Preparer, customers: CustomerIds
) -> TicketSnapshot:
    """Return the event with its texts prepared. Ids stay as they are, a customer's that is an address or a number not."""
    prepared = {
        "subject": preparer.field(event.subject),
        "body": item.body.kept,
        "resolution": None if item.resolution is None else item.resolution.kept,
        "customer_id": None if event.customer_id is None else customers.stored(event.tenant_id, event.customer_id),
        "attributes": preparer.attributes(event.attributes),
    }
    return event.model_copy(update=prepared)


def prepared_text(subject: str, body: str, preparer: Preparer) -> str:
    """Return the text to be embedded of a bare subject and body, as the worker embeds it."""
    return joined(preparer.field(subject), preparer.message(body, subject).embedded)


def joined(subject: str, body: str) -> str:
    """Join a prepared subject and body to the text that is embedded; what is empty is left out."""
    return "\n\n".join(part for part in (subject, body) if part)


def record_key(tenant_id: str, ticket_id: str) -> bytes:
    """Return the key under which every event of a ticket travels."""
    return f"{tenant_id}:{ticket_id}".encode()


def digest(text: str) -> str:
    """Return SHA-256 of a text, in hex."""
    return sha256(text.encode()).hexdigest()


def estimated_tokens(record: Record) -> int:
    """Estimate a record's cost from its size, before it is decoded."""
    return 1 + len(record.value or b"") // BYTES_PER_TOKEN
