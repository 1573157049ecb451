"""From a validated ticket to what is embedded and what is kept of its subject, its body and its resolution.

From `prepare` on, an item holds no personal data that is masked (docs/privacy.md): its record alone has the original bytes.
A change to what is prepared is a change of vectors: raise the version of `shared/text/preparation.py` with it.
"""

from dataclasses import dataclass

from schemas.search import SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.tickets import TicketDeleted, TicketSnapshot
from shared.engine.snapshots import Item
from shared.records import Record, Vector
from shared.text.customers import CustomerIds
from shared.text.preparation import Prepared, Preparer, joined

TEXT, RESOLUTION = "text", "resolution"
"""What is embedded of a ticket: subject and body, which are decided on and searched, and what solved it."""

BYTES_PER_TOKEN = 4
"""A rough figure for English prose in JSON, used only to bound a poll batch before anything is decoded."""

NOTHING = Prepared("", "")


@dataclass(slots=True, kw_only=True)
class TicketItem(Item[TicketSnapshot | TicketDeleted]):
    """A ticket event on its way.

    Attributes:
        body: What is kept and what is embedded of the body.
        resolution: The same of the resolution.
    """

    body: Prepared = NOTHING
    resolution: Prepared | None = None
    similar: tuple[SimilarTicket, ...] = ()
    similar_left_out: SimilarLeftOut | None = None
    suggested_reply: SuggestedReply | None = None

    @property
    def text(self) -> str:
        """What is embedded of subject and body, decided on, and searched by terms."""
        return str(self.inputs.get(TEXT, ""))

    @property
    def text_vector(self) -> Vector:
        """The vector of the text; every item that is decided has it."""
        return self.embedded[TEXT].vector


def prepare(item: TicketItem, preparer: Preparer, customers: CustomerIds) -> None:
    """Prepare the texts of a snapshot, and put the prepared event in the place of the one that came."""
    event = item.event
    if isinstance(event, TicketDeleted):
        return
    item.body = preparer.message(event.body, event.subject)
    item.resolution = None if event.resolution is None else preparer.message(event.resolution)
    item.event = prepared = _prepared_event(item, event, preparer, customers)
    item.inputs = {TEXT: joined(prepared.subject, item.body.embedded)}
    if item.resolution is not None:
        item.inputs[RESOLUTION] = item.resolution.embedded


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


def estimated_tokens(record: Record) -> int:
    """Estimate a record's cost from its size, before it is decoded."""
    return 1 + len(record.value or b"") // BYTES_PER_TOKEN
