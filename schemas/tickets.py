"""The tickets stream: the input event, the stored payload, and the result that is published for a routed ticket.

A ticket event is a snapshot of the whole ticket as of its `event_version`; `reason` states why it was sent.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, field_validator

from schemas.attachments import (
    ATTACHED_ID_PATTERN,
    IMAGES_LIMIT,
    REMOVED_LIMIT,
    AttachedImage,
    ListedImage,
    RemovedImage,
    attached_id,
)
from schemas.attributes import ATTRIBUTES_LIMIT, AttributeName, AttributeValue, Rating, StoredValue
from schemas.base import (
    TEXT_LIMIT_CHARS,
    Deletion,
    Event,
    EventVersion,
    Frozen,
    Origin,
    Removal,
    SourceId,
    TenantId,
    UtcDatetime,
)
from schemas.decisions import Decision, Label, Priority
from schemas.media import Media
from schemas.points import PointSchema, SecondKind, StoredItem, Tombstone
from schemas.search import SIMILAR_LIMIT, SimilarLeftOut, SimilarTicket, SuggestedReply

SUBJECT_LIMIT_CHARS = 1_000
RESOLUTION_LIMIT_CHARS = 20_000


Channel = Literal["email", "chat", "web", "phone", "social", "api"]
SnapshotReason = Literal["created", "updated", "solved", "rated", "reopened"]


class TicketSnapshot(Event):
    """The whole ticket as of `event_version`."""

    reason: SnapshotReason = Field(description="Why the source sent this snapshot.")
    ticket_id: SourceId = Field(description="The ticket's id in the source system.")
    subject: str = Field(default="", max_length=SUBJECT_LIMIT_CHARS)
    body: str = Field(default="", max_length=TEXT_LIMIT_CHARS)
    language: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        description="The language as a BCP 47 tag; only a hint.",
    )
    channel: Channel | None = None
    customer_id: SourceId | None = None
    priority: Priority = "normal"
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict,
        max_length=ATTRIBUTES_LIMIT,
        description="Any additional fields of the source system, without nesting.",
    )
    resolution: str | None = Field(
        default=None, max_length=RESOLUTION_LIMIT_CHARS, description="The text that describes the solution."
    )
    satisfaction: Rating | None = Field(default=None, description="The customer's rating; 5 is best.")
    agent_label: Label | None = Field(default=None, description="The label that a person gave this ticket, if any.")
    images: tuple[AttachedImage, ...] = Field(
        default=(),
        max_length=IMAGES_LIMIT,
        strict=False,
        description="The pictures of the ticket, such as screenshots. The ticket is routed without them: they are fetched "
        "and read afterwards.",
    )

    @field_validator("images")
    @classmethod
    def _are_distinct(cls, images: tuple[AttachedImage, ...]) -> tuple[AttachedImage, ...]:
        ids = [each.image_id for each in images]
        if len(set(ids)) < len(ids):
            raise ValueError("has two images with the same image_id")
        return images

    @property
    def solved(self) -> bool:
        """Whether this snapshot is of a solved ticket: by its reason, or updated and with a resolution."""
        return self.reason in ("solved", "rated") or (self.reason == "updated" and self.resolution is not None)


class TicketDeleted(Deletion):
    """The ticket was deleted at its source; only ids and the version remain."""

    ticket_id: SourceId


ATTACHED_SOURCE_ID = "the ids of the ticket and of the image, with U+001F between them"


PICTURE_VERSION: Literal[1] = 1
"""The `schema_version` of the events of pictures. Workers send these, so it stays one release behind what workers accept:
workers of both releases are in one group during an upgrade."""


class TicketImage(Event):
    """A picture that version `event_version` of a ticket has brought or changed. The worker of tickets writes it."""

    reason: Literal["pictured"]
    SOURCE_ID: ClassVar[str] = ATTACHED_SOURCE_ID

    attached_to: SourceId = Field(description="The ticket's id in the source system.")
    image_id: SourceId
    image: Media = Field(description="The picture, inline or by reference; its bytes decide its kind.")

    @property
    def ticket_id(self) -> str:
        """The source id of the picture: that of the ticket, and its own."""
        return attached_id(self.attached_to, self.image_id)


class TicketImageRemoved(Removal):
    """A picture that a ticket no longer has as of version `event_version`. The worker of tickets writes it."""

    reason: Literal["image_removed"]
    SOURCE_ID: ClassVar[str] = ATTACHED_SOURCE_ID

    attached_to: SourceId = Field(description="The ticket's id in the source system.")
    image_id: SourceId

    @property
    def ticket_id(self) -> str:
        """The source id of the picture: that of the ticket, and its own."""
        return attached_id(self.attached_to, self.image_id)


TicketEvents = TicketSnapshot | TicketDeleted | TicketImage | TicketImageRemoved
TicketEvent = Annotated[TicketEvents, Field(discriminator="reason")]
TICKET_EVENT: TypeAdapter[TicketEvents] = TypeAdapter(TicketEvent)


TicketFlag = Literal["solved", "labelled"]
"""`solved`: the ticket may be offered as an answer. `labelled`: it may vote. These are words, not booleans, because
Qdrant Edge 0.9 treats a boolean in a filter as an integer and finds nothing."""


class TicketContent(Frozen):
    """The fields that the tickets stream stores for a snapshot, for the filters of searches and to show in hits."""

    occurred_at: UtcDatetime
    subject: str
    body: str = Field(description="The whole message, with personal data masked.")
    body_embedded: str | None = Field(
        default=None,
        description="The embedded part of the body, if a quotation or a signature was left out; otherwise null.",
    )
    language: str | None = Field(description="The source's hint, as it was sent.")
    detected_language: str | None = Field(
        default=None,
        description="Primary BCP 47 subtag of the language that subject and body are written in; null if it is "
        "uncertain, or if an earlier version of Millrace wrote the point.",
    )
    channel: Channel | None
    customer_id: SourceId | None
    priority: Priority
    attributes: dict[str, StoredValue]
    resolution: str | None = Field(description="The whole resolution, with personal data masked.")
    resolution_embedded: str | None = Field(
        default=None,
        description="The part of the resolution that was embedded; null if all of it was. Suggested replies quote "
        "this part.",
    )
    resolution_language: str | None = Field(
        default=None,
        description="Primary BCP 47 subtag of the language that the resolution is written in; null if it is uncertain.",
    )
    satisfaction: Rating | None
    label: str | None = Field(description="The agent's label, which the vote of neighbours counts.")
    flags: tuple[TicketFlag, ...] = Field(description="Flags that searches filter on; see `TicketFlag`.")
    images: tuple[ListedImage, ...] = Field(
        default=(),
        max_length=IMAGES_LIMIT,
        description="The pictures that the ticket has; each has a point of its own.",
    )
    removed_images: tuple[RemovedImage, ...] = Field(
        default=(), max_length=REMOVED_LIMIT, description="The pictures that the ticket had and no longer has."
    )


class TicketPayload(TicketContent, StoredItem):
    """Payload of a ticket's point: the ticket's fields, and those that the engine compares with the next version."""

    ticket_id: SourceId
    text_digest: str = Field(description="SHA-256 of the embedded text; unchanged text is not embedded again.")
    text_windows: int = Field(
        ge=1,
        description="Number of windows that the text was cut into; more than 1 if it was longer than the "
        "model's window.",
    )
    resolution_digest: str | None
    decision: Decision | None = Field(
        description="The decision that was last published; if its version arrives again, it is published again."
    )


class TicketTombstone(Tombstone):
    """Payload of a deleted ticket or a removed picture: ids and version, no text, no vector. No older event undoes it."""

    ticket_id: str = Field(
        pattern=ATTACHED_ID_PATTERN, description="The ticket's id; of a picture, the ids of both (`attached_id`)."
    )
    removed_images: tuple[RemovedImage, ...] = Field(
        default=(), max_length=IMAGES_LIMIT + REMOVED_LIMIT, description="The pictures that the deleted ticket had."
    )


class TicketImageContent(Frozen):
    """The fields that the tickets stream stores for a picture of a ticket."""

    occurred_at: UtcDatetime
    attached_to: SourceId = Field(description="The ticket's id.")
    image_id: SourceId
    read_text: str | None = Field(
        description="What was read in the picture, with personal data masked; null if there is no text in it."
    )
    detected_language: str | None = Field(
        description="Primary BCP 47 subtag of the language of that text; null if it is uncertain."
    )
    read_by: str = Field(description="Fingerprint of what read the text.")
    width_px: int = Field(ge=1, description="The width that its file states, before it is turned upright.")
    height_px: int = Field(ge=1, description="The height that its file states, before it is turned upright.")


class TicketImagePayload(TicketImageContent, StoredItem):
    """Payload of the point of a ticket's picture, whose vectors are those of the picture and of the text in it."""

    ticket_id: str = Field(
        pattern=ATTACHED_ID_PATTERN, description="The ids of the ticket and the picture; see `attached_id`."
    )
    image_digest: str = Field(description="SHA-256 of the picture as the model sees it.")
    text_digest: str | None = Field(description="SHA-256 of the text that was read; null without any.")


TICKET_IMAGES = SecondKind("attached_to", TicketImagePayload)
TICKET_POINTS = PointSchema("tickets", "ticket_id", TicketPayload, TicketTombstone, TICKET_IMAGES)
"""What the points of tickets hold, for other streams that search them."""


class TicketRouted(Frozen):
    """The result for one ticket version. Readers keep the highest `event_version` per (tenant_id, ticket_id)."""

    schema_version: Literal[1] = 1
    tenant_id: TenantId
    ticket_id: SourceId
    event_version: EventVersion
    occurred_at: UtcDatetime
    language: str | None = Field(
        default=None,
        description="Primary BCP 47 subtag of the ticket's language: the detected one or, if the text leaves it "
        "uncertain, that of the source's hint.",
    )
    decision: Decision
    similar: tuple[SimilarTicket, ...] = Field(default=(), max_length=SIMILAR_LIMIT)
    similar_left_out: SimilarLeftOut | None = Field(
        default=None,
        description="Why `similar` is empty: how many solved tickets were left out, by reason; null if `similar` "
        "is not empty, or if the reasons were not counted.",
    )
    suggested_reply: SuggestedReply | None = Field(
        default=None,
        description="A reply quoted from the resolutions of similar tickets; null if no ticket is similar enough "
        "or none has a resolution.",
    )
    text_windows: int = Field(
        ge=1,
        description="Number of windows that the text was cut into; more than 1 if it was longer than the "
        "model's window.",
    )
    model: str = Field(description="Fingerprint of the embedding model, 8 hex digits.")
    source: Origin
