"""Prepares a validated ticket: the texts to embed, and the texts to store of its subject, body and resolution.

From `prepare` on, an item holds no personal data of the kinds that are masked (docs/privacy.md); only its record has
the original bytes. A change to the preparation changes vectors: raise the version in `shared/text/preparation.py` too.
"""

import re
from dataclasses import dataclass

from schemas.attachments import READ_TEXT_LIMIT_CHARS, AttachedImage
from schemas.base import TEXT_LIMIT_CHARS
from schemas.failures import FailureReason
from schemas.media import Media
from schemas.search import SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.tickets import TicketEvents, TicketImage, TicketSnapshot
from shared.engine.snapshots import Item
from shared.errors import Rejected
from shared.reading.attached import AttachedPicture
from shared.records import Record, Vector
from shared.text.customers import CustomerIds
from shared.text.language import detect_language, known_language
from shared.text.preparation import Prepared, Preparer, joined

TEXT, RESOLUTION = "text", "resolution"
"""The inputs of a ticket: subject and body, by which it is decided and searched, and the resolution that solved it."""

IMAGE = "image"
"""The input of a ticket's picture, whose event has the picture in the field of this name. Its text is an input too."""

BYTES_PER_TOKEN = 4
"""A rough figure for English prose in JSON; it is used only to limit a poll batch before anything is decoded."""

IMAGE_TOKENS = 64
"""The model of pictures takes about as long for a picture as that of texts for this many tokens."""

INLINE = re.compile(rb'"inline"\s*:\s*"([^"]*)"')
"""A picture that a record holds in itself. In a text of the record, the quotation marks would be escaped."""

NOTHING = Prepared("", "")


@dataclass(slots=True, kw_only=True)
class TicketItem(Item[TicketEvents]):
    """A ticket event, or that of a ticket's picture, on its way through the pipeline.

    Attributes:
        body: The body as it is stored and as it is embedded.
        resolution: The resolution in the same two forms; None if the ticket has none.
        detected_language: Language of the text; None if it is uncertain.
        resolution_language: Language of the resolution; None if it is uncertain, or if the ticket has none.
        picture: The picture as it was read; None if it was not read yet, and for events without a picture.
    """

    body: Prepared = NOTHING
    resolution: Prepared | None = None
    detected_language: str | None = None
    resolution_language: str | None = None
    similar: tuple[SimilarTicket, ...] = ()
    similar_left_out: SimilarLeftOut | None = None
    suggested_reply: SuggestedReply | None = None
    picture: AttachedPicture | None = None

    @property
    def images(self) -> tuple[AttachedImage, ...]:
        """The pictures of a ticket."""
        return self.event.images if isinstance(self.event, TicketSnapshot) else ()

    @property
    def text(self) -> str:
        """The text of subject and body, by which a ticket is decided, or in a picture; it is embedded and searched."""
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
    if isinstance(event, TicketImage):
        _prepare_picture(item, preparer)
    if not isinstance(event, TicketSnapshot):
        return
    item.body = preparer.message(event.body, event.subject)
    item.resolution = None if event.resolution is None else preparer.message(event.resolution)
    item.event = prepared = _prepared_event(item, event, preparer, customers)
    item.inputs = {TEXT: joined(prepared.subject, item.body.embedded)}
    item.detected_language = detect_language(item.text)
    if item.resolution is not None:
        item.inputs[RESOLUTION] = item.resolution.embedded
        item.resolution_language = detect_language(item.resolution.embedded)


def _prepare_picture(item: TicketItem, preparer: Preparer) -> None:
    """Set the inputs of a picture: its pixels, and the text in it if there is any."""
    if item.picture is None:
        return
    text = preparer.field(item.picture.text[:TEXT_LIMIT_CHARS]).strip()[:READ_TEXT_LIMIT_CHARS]
    item.inputs = {IMAGE: item.picture.pixels} | ({TEXT: text} if text else {})
    item.detected_language = detect_language(text) if text else None


def refuse_picture(item: TicketItem) -> None:
    """Refuse a picture, because the settings do not ask for pictures to be read."""
    if isinstance(item.event, TicketImage):
        detail = "pictures of tickets are not read: ATTACHMENTS__READ is off; replay the dead letter when it is on"
        item.media_failure = Rejected(FailureReason.MEDIA_FORBIDDEN, IMAGE, detail, "prepare")


def media_of(event: TicketEvents) -> dict[str, Media]:
    """Return the media of an event. A ticket has none: each of its pictures follows as an event of its own."""
    return {IMAGE: event.image} if isinstance(event, TicketImage) else {}


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
    """Estimate a record's cost from its size, before it is decoded; pictures in it have no tokens."""
    value = record.value or b""
    if b'"inline"' not in value:
        return 1 + len(value) // BYTES_PER_TOKEN
    pictures = [len(found[1]) for found in INLINE.finditer(value)]
    return 1 + (len(value) - sum(pictures)) // BYTES_PER_TOKEN + IMAGE_TOKENS * len(pictures)
