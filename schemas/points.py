"""Point ids and the payload model of each collection."""

from typing import Literal
from uuid import UUID, uuid5

from pydantic import Field

from schemas.base import EventVersion, Frozen, SourceId, TenantId, UtcDatetime
from schemas.tickets import AttributeFloat, AttributeInteger, Channel, Decision, Priority

POINT_NAMESPACE = UUID("6f1d2f0c-6f0b-5a53-9a55-0f1f3a0c8a2e")
"""Namespace of all point ids. It never changes: a change would give every stored item a second point."""


def point_id(tenant_id: str, stream: str, source_id: str) -> UUID:
    """Return the id of an item's point: uuid5 of its tenant, stream and source id.

    Tenants hold no colon and streams are fixed words, so that no two items share a name.
    """
    return uuid5(POINT_NAMESPACE, f"{tenant_id}:{stream}:{source_id}")


Flag = Literal["solved", "labelled"]
"""A ticket that may be offered as an answer, and one that may vote. Words, not booleans: Qdrant Edge 0.9 takes a boolean in
a filter for an integer and finds nothing."""


StoredValue = str | AttributeInteger | AttributeFloat | bool | None
"""An attribute as it is stored. No limit on a text's length here: Unicode's composed form can be longer than what came."""


class TicketTombstone(Frozen):
    """Payload of a deleted ticket: ids and version, no text and no vector. No older event can undo it."""

    tenant_id: TenantId
    ticket_id: SourceId
    event_version: EventVersion
    deleted: Literal[True] = True
    content_digest: str = Field(description="SHA-256 of all that this version says; tells a repeat from a conflict.")


class TicketPayload(Frozen):
    """Payload of a ticket's point: what searches filter on, what hits show, and what spares work on the next version."""

    tenant_id: TenantId
    ticket_id: SourceId
    event_version: EventVersion
    deleted: Literal[False] = False
    occurred_at: UtcDatetime
    subject: str
    body: str = Field(description="The whole message, personal data masked.")
    body_embedded: str | None = Field(
        default=None, description="What of the body was embedded, where a quotation or a signature was left out."
    )
    language: str | None
    channel: Channel | None
    customer_id: SourceId | None
    priority: Priority
    attributes: dict[str, StoredValue]
    resolution: str | None = Field(description="The whole resolution, personal data masked.")
    resolution_embedded: str | None = Field(
        default=None, description="What of the resolution was embedded, where it is not all; replies quote it."
    )
    satisfaction: int | None
    label: str | None = Field(description="The agent's label: what the vote of neighbours counts.")
    flags: tuple[Flag, ...] = Field(description="What searches filter on; see `Flag`.")
    content_digest: str = Field(description="SHA-256 of all that this version says; tells a repeat from a conflict.")
    text_digest: str = Field(description="SHA-256 of the embedded text; unchanged text is not embedded again.")
    text_windows: int
    resolution_digest: str | None
    decision: Decision | None = Field(
        description="What was last published; a repeat of that version publishes it again."
    )
    decided_version: EventVersion | None = Field(description="The version that `decision` was published for.")
