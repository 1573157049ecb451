"""The tickets stream: its stages and its descriptor, `TICKETS`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from uuid import NAMESPACE_OID, uuid5

from typing_extensions import override

from schemas.attachments import AttachedImage, ListedImage, RemovedImage, attached_id
from schemas.base import Frozen, Origin
from schemas.decisions import Priority
from schemas.search import SimilarTicket
from schemas.tickets import (
    PICTURE_VERSION,
    TICKET_EVENT,
    TICKET_IMAGES,
    Channel,
    TicketContent,
    TicketEvents,
    TicketFlag,
    TicketImage,
    TicketImageContent,
    TicketImageRemoved,
    TicketPayload,
    TicketRouted,
    TicketSnapshot,
    TicketTombstone,
)
from shared.attachments import IMAGES_FIELD, REMOVED_FIELD, Listing, listing_of, owed
from shared.embedding import port as modality
from shared.engine.resources import Resources
from shared.engine.snapshots import Asks
from shared.engine.stages import Content, FollowUp, Stages
from shared.engine.stream import Attached, Input, Owing, Stream
from shared.errors import Fatal
from shared.facts import Measures, Traits
from shared.media.port import MediaContent
from shared.reading.attached import AttachedPicture, AttachedPictureReader
from shared.routing.decider import Decider
from shared.search.federated.findable import FINDABLE_TICKETS
from shared.search.filterable import Filterable
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import TERMS_VECTOR, SimilarSearch
from shared.text.customers import CustomerIds
from shared.text.language import detect_language
from shared.text.preparation import Prepared, Preparer, joined
from shared.vectorstore.terms import terms_digest
from workers.tickets.decide import find_similar, undecided
from workers.tickets.prepare import (
    IMAGE,
    RESOLUTION,
    TEXT,
    TicketItem,
    estimated_tokens,
    media_of,
    prepare,
    refuse_picture,
)

RESULT_TOPIC = "tickets.routed"

TICKET_IMAGE_EVENTS = (TicketImage, TicketImageRemoved)


@dataclass(frozen=True, slots=True)
class TicketStages(Stages[TicketItem]):
    """What the tickets stream supplies to the pipeline."""

    preparer: Preparer
    customers: CustomerIds
    decider: Decider
    search: SimilarSearch[SimilarTicket]
    model: str
    reader: AttachedPictureReader | None = None

    @classmethod
    def of(cls, resources: Resources) -> "TicketStages":
        """Create the stages of a worker.

        Raises:
            Fatal: the model that detects languages cannot be read.
        """
        detect_language("")  # this reads the model, so that the first batch need not
        return cls(
            preparer=Preparer(resources.preparation),
            customers=CustomerIds(resources.customer_key, resources.preparation.phone_region),
            decider=resources.decider,
            search=SimilarSearch(resources.collection, SOLVED_TICKETS, resources.search, TICKETS.points.is_ours),
            model=resources.models[modality.TEXT.name],
            reader=resources.attached,
        )

    def read_apart(self, content: MediaContent, name: str) -> AttachedPicture:
        """Decode a picture of a ticket, prepare it for the model, and read the text in it.

        Raises:
            Rejected: it cannot be decoded.
            Fatal: the worker does not read pictures.
        """
        if self.reader is None:
            raise Fatal("this worker does not read pictures of tickets")
        return self.reader.read(content, name)

    def stop_reading(self) -> None:
        """Read no further picture."""
        if self.reader is not None:
            self.reader.stop()

    def use_reading(self, item: TicketItem, name: str, reading: AttachedPicture) -> None:
        """Keep a picture that was read."""
        item.picture = reading

    @override
    def prepare(self, items: Sequence[TicketItem]) -> None:
        """Prepare the texts of every ticket, and of every picture that was read."""
        for item in items:
            if self.reader is None:
                refuse_picture(item)
            prepare(item, self.preparer, self.customers)

    @override
    def decide(self, items: Sequence[TicketItem]) -> None:
        """Decide, and search for similar tickets."""
        self.decider.decide_items(items, undecided)
        find_similar(items, self.search)

    @override
    def content(self, item: TicketItem) -> Content:
        if isinstance(item.event, TicketImage):
            return self._content_of_picture(item, item.event)
        event, listing = _snapshot(item), listing_of(item, item.images)
        content = TicketContent(
            **event.model_dump(
                include={
                    "occurred_at", "subject", "body", "language", "channel", "customer_id", "priority", "attributes",
                    "resolution", "satisfaction",
                }
            ),
            detected_language=item.detected_language,
            resolution_language=item.resolution_language,
            body_embedded=_if_different(item.body),
            resolution_embedded=None if item.resolution is None else _if_different(item.resolution),
            label=event.agent_label,
            flags=flags(event),
        )  # fmt: skip
        stored = content.model_dump(mode="json", exclude={IMAGES_FIELD, REMOVED_FIELD}) | listing.payload()
        return Content(stored, {TERMS_VECTOR: self.search.stored_terms(item.text)})

    def _content_of_picture(self, item: TicketItem, event: TicketImage) -> Content:
        picture, reader = item.picture, self.reader
        if picture is None or reader is None:
            raise ValueError("a picture is stored that was not read")
        content = TicketImageContent(
            occurred_at=event.occurred_at,
            attached_to=event.attached_to,
            image_id=event.image_id,
            read_text=item.text or None,
            detected_language=item.detected_language,
            read_by=reader.fingerprint,
            width_px=picture.width_px,
            height_px=picture.height_px,
        )
        terms = {TERMS_VECTOR: self.search.stored_terms(item.text)} if item.text else {}
        return Content(content.model_dump(mode="json"), terms)

    def measures(self, item: TicketItem) -> Measures:
        """Return what the metrics show of a ticket."""
        if not isinstance(item.event, TicketSnapshot):
            return Measures()
        return Measures(
            person_label=item.event.agent_label,
            is_empty=not item.text,
            offered=tuple(each.parts.dense for each in item.similar),
            sizes={"millrace_input_characters": len(item.text)},
            traits=Traits(
                language=item.detected_language,
                channel=item.event.channel,
                length_chars=len(item.text),
                customer_id=item.event.customer_id,
                text=item.text,
            ),
        )

    def follow_ups(self, item: TicketItem) -> list[FollowUp]:
        """Return the events of the pictures that a version of a ticket has brought, changed or removed."""
        if self.reader is None or isinstance(item.event, TicketImage | TicketImageRemoved):
            return []
        due, by_id = owed(item, item.images), {each.image_id: each for each in item.images}
        return [
            *(_follow_up(_pictured(item, each, by_id[each.image_id]), IMAGES_FIELD, each) for each in due.images),
            *(_follow_up(_removed(item, each), REMOVED_FIELD, each) for each in due.removed),
        ]

    def kept(self, item: TicketItem) -> Mapping[str, object]:
        """Return what the tombstone of a ticket keeps: the ids of its pictures, so that their removal can be repeated."""
        return listing_of(item, ()).payload()

    @override
    def results(self, item: TicketItem, origin: Origin) -> list[tuple[str, Frozen]]:
        """Return the result of a ticket that is routed."""
        if item.decision is None:
            raise ValueError("a routed item has no decision")
        event = _snapshot(item)
        result = TicketRouted(
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            event_version=event.event_version,
            occurred_at=item.occurred_at,
            language=item.language,
            decision=item.decision,
            similar=item.similar,
            similar_left_out=item.similar_left_out,
            suggested_reply=item.suggested_reply,
            text_windows=item.embedded[TEXT].windows,
            model=self.model,
            source=origin,
        )
        return [(RESULT_TOPIC, result)]


def asks(event: TicketEvents) -> Asks:
    """Return whether an event asks for a result: a new ticket always, an open ticket if its text has changed."""
    if not isinstance(event, TicketSnapshot) or event.solved:
        return Asks.NEVER
    return Asks.ALWAYS if event.reason == "created" else Asks.IF_CHANGED


def flags(event: TicketSnapshot) -> tuple[TicketFlag, ...]:
    """Return the flags by which searches filter."""
    found: list[tuple[TicketFlag, bool]] = [("solved", event.solved), ("labelled", event.agent_label is not None)]
    return tuple(flag for flag, holds in found if holds)


def _snapshot(item: TicketItem) -> TicketSnapshot:
    if not isinstance(item.event, TicketSnapshot):
        raise ValueError("an event was passed where a snapshot of a ticket is needed")
    return item.event


def _pictured(item: TicketItem, listed: ListedImage, attached: AttachedImage) -> TicketImage:
    return TicketImage(reason="pictured", image=attached.image, **_said_of(item, listed))


def _removed(item: TicketItem, listed: RemovedImage) -> TicketImageRemoved:
    return TicketImageRemoved(reason="image_removed", **_said_of(item, listed))


def _said_of(item: TicketItem, listed: ListedImage | RemovedImage) -> dict[str, Any]:
    """Return the fields of the event of a picture. They are the same, whichever version of the ticket has it sent."""
    tenant, version = item.event.tenant_id, listed.event_version
    return {
        "schema_version": PICTURE_VERSION,
        "event_id": str(uuid5(NAMESPACE_OID, f"{tenant}:{item.source_id}:{listed.image_id}:{version}")),
        "tenant_id": tenant,
        "event_version": version,
        "occurred_at": listed.occurred_at,
        "attached_to": item.source_id,
        "image_id": listed.image_id,
    }


def _follow_up(event: TicketImage | TicketImageRemoved, field: str, entry: ListedImage | RemovedImage) -> FollowUp:
    return FollowUp(event, field, entry.model_dump(mode="json"))


def stored_traits(payload: Mapping[str, Any]) -> Traits:
    """Return the traits of a stored ticket, as `TicketStages.measures` returned them."""
    embedded = payload.get("body_embedded")
    text = joined(payload["subject"], payload["body"] if embedded is None else embedded)
    return Traits(
        language=payload.get("detected_language"),
        channel=payload["channel"],
        length_chars=len(text),
        customer_id=payload["customer_id"],
        text=text,
    )


def _owed(payload: Mapping[str, object]) -> list[Owing]:
    """Return the pictures that the point of a ticket lists, and the removed ones."""
    listing, of = Listing.of(payload), str(payload.get("ticket_id"))
    listed: list[ListedImage | RemovedImage] = [*listing.images, *listing.removed]
    return [
        Owing(attached_id(of, each.image_id), each.event_version, isinstance(each, RemovedImage)) for each in listed
    ]


def _owner(payload: Mapping[str, object]) -> str | None:
    """Return the id of the ticket that the point of a picture is attached to; None for the point of a ticket."""
    found = payload.get(TICKET_IMAGES.field)
    return found if isinstance(found, str) else None


def _if_different(prepared: Prepared) -> str | None:
    return None if prepared.embedded == prepared.kept else prepared.embedded


TICKETS: Stream[TicketEvents, TicketItem] = Stream(
    name="tickets",
    id_field="ticket_id",
    events=TICKET_EVENT,
    snapshot=TicketSnapshot,
    payload=TicketPayload,
    tombstone=TicketTombstone,
    result=TicketRouted,
    result_topics=(RESULT_TOPIC,),
    item=TicketItem,
    inputs=(Input(TEXT, modality.TEXT, affects_result=True), Input(RESOLUTION, modality.TEXT)),
    asks=asks,
    cost=estimated_tokens,
    cost_unit="tokens",
    stages=TicketStages.of,
    owned_fields=("corrected_label", "hidden_suggestion"),
    indexes={"tenant_id": "keyword", "flags": "keyword", "satisfaction": "integer"},
    filters={
        "occurred_at": Filterable(("occurred_at",), "datetime"),
        "channel": Filterable(("channel",), "keyword", choices=get_args(Channel)),
        "priority": Filterable(("priority",), "keyword", choices=get_args(Priority)),
        "label": Filterable(("label",), "keyword"),
        "predicted": Filterable(("decision", "label"), "keyword"),
        "queue": Filterable(("decision", "queue"), "keyword"),
        "language": Filterable(("detected_language",), "keyword"),
        "satisfaction": Filterable(("satisfaction",), "integer"),
    },
    sparse=(TERMS_VECTOR,),
    searchable=SOLVED_TICKETS,
    findable=FINDABLE_TICKETS,
    stored_traits=stored_traits,
    second_kind=TICKET_IMAGES,
    attached=Attached(Input(IMAGE, modality.IMAGE), media_of, _owed, _owner, TICKET_IMAGE_EVENTS),
    conditions=4,  # of a similar search: tenant, solved, rated high enough or not rated
    variants=(terms_digest(),),  # another tokenizer of terms needs another collection
)
