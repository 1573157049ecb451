"""Prepares a validated ticket: the texts to embed, and the texts to store of its subject, body and resolution.

From `prepare` on, an item holds no personal data of the kinds that are masked (docs/privacy.md); only its record has
the original bytes. A change to the preparation changes vectors: raise the version in `shared/text/preparation.py` too.
"""

from dataclasses import dataclass

from schemas.search import SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.tickets import TicketDeleted, TicketSnapshot
from shared.engine.snapshots import Item
from shared.records import Record, Vector
from shared.text.customers import CustomerIds
from shared.text.language import detect_language, known_language
from shared.text.preparation import Prepared, Preparer, joined

TEXT, RESOLUTION = "text", "resolution"
"""The inputs of a ticket: subject and body, by which it is decided and searched, and the resolution that solved it."""

BYTES_PER_TOKEN = 4
"""A rough figure for English prose in JSON; it is used only to limit a poll batch before anything is decoded."""

NOTHING = Prepared("", "")


@dataclass(slots=True, kw_only=True)
class TicketItem(Item[TicketSnapshot | TicketDeleted]):
    """A ticket event on its way through the pipeline.

    Attributes:
        body: The body as it is stored and as it is embedded.
        resolution: The resolution in the same two forms; None if the ticket has none.
        detected_language: Language of the text; None if it is uncertain.
        resolution_language: Language of the resolution; None if it is uncertain, or if the ticket has none.
    """

    body: Prepared = NOTHING
    resolution: Prepared | None = None
    detected_language: str | None = None
    resolution_language: str | None = None
    similar: tuple[SimilarTicket, ...] = ()
    similar_left_out: SimilarLeftOut | None = None
    suggested_reply: SuggestedReply | None = None

    @property
    def text(self) -> str:
        """The text of subject and body: it is embedded and searched by terms, and the ticket is decided by it."""
        return str(self.inputs.get(TEXT, ""))

    @property
    def language(self) -> str | None:
        """The ticket's language: the detected one, or else that of the source's hint."""
        hint = self.event.language if isinstance(self.event, TicketSnapshot) else None
        return known_language(self.detected_language, hint)

    @property
    def text_vector(self) -> Vector:
        """The vector of the text; every item that is decided has it."""
        return self.embedded[TEXT].vector


def prepare(item: TicketItem, preparer: Preparer, customers: CustomerIds) -> None:
    """Prepare the texts of a snapshot, detect their languages, and replace the item's event by the prepared one."""
    event = item.event
    if isinstance(event, TicketDeleted):
        return
    item.body = preparer.message(event.body, event.subject)
    item.resolution = None if event.resolution is None else preparer.message(event.resolution)
    item.event = prepared = _prepared_event(item, event, preparer, customers)
    item.inputs = {TEXT: joined(prepared.subject, item.body.embedded)}
    item.detected_language = detect_language(item.text)
    if item.resolution is not None:
        item.inputs[RESOLUTION] = item.resolution.embedded
        item.resolution_language = detect_language(item.resolution.embedded)


def _prepared_event(
    item: TicketItem, event: TicketSnapshot, preparer: Preparer, customers: CustomerIds
) -> TicketSnapshot:
    """Return the event with prepared texts.

    A customer id that is, or holds, an address or a number is replaced by a digest. Other ids stay as they are.
    """
    prepared = {
        "subject": preparer.field(event.subject),
        "body": item.body.kept,
        "resolution": None if item.resolution is None else item.resolution.kept,
        "customer_id": None if event.customer_id is None else customers.stored(event.tenant_id, event.customer_id),
        "attributes": preparer.attributes(event.attributes),
    }
    return event.model_copy(update=prepared)


def estimated_tokens(record: Record) -> int:
    """Estimate a record's cost from its size, before it is decoded."""
    return 1 + len(record.value or b"") // BYTES_PER_TOKEN
