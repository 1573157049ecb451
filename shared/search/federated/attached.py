"""Pictures that are attached to items have points of their own; a hit among them is shown as a hit of its item.

The item's point decides: a picture that it no longer lists, or whose item is deleted, is not shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError

from schemas.attachments import ListedImage
from schemas.base import Frozen
from shared.search.federated.findable import AttachedCard, Card
from shared.search.federated.parts import Scored, SourceParts

LISTED = "images"
"""The payload field of an item that lists its pictures."""


class _Listing(Frozen):
    """What is read of an item that has pictures."""

    model_config = ConfigDict(extra="ignore")

    images: tuple[ListedImage, ...] = Field(default=(), strict=False)


def with_owners(parts: SourceParts, tenant_id: str, found: Sequence[Scored]) -> list[Scored]:
    """Return the hits, those of attached pictures as hits of their items; pictures without an item are left out.

    Args:
        parts: The source.
        tenant_id: The tenant of all of them.
        found: The hits.

    Raises:
        Unavailable: the store cannot be read.
    """
    cards = (each.card for each in found)
    owners = {parts.point_id(tenant_id, card.attached_to) for card in cards if isinstance(card, AttachedCard)}
    fields = ("tenant_id", parts.id_field, *parts.findable.fields, LISTED)
    payloads = parts.collection.payloads(owners, fields) if owners else {}
    shown: list[Scored] = []
    for each in found:
        if not isinstance(each.card, AttachedCard):
            shown.append(each)
            continue
        owner_id = parts.point_id(tenant_id, each.card.attached_to)
        owner = _owner(parts, owner_id, payloads.get(owner_id, {}), each.card)
        if owner is not None:
            shown.append(Scored(each.card.attached_to, owner, each.views, each.card))
    return shown


def _owner(parts: SourceParts, owner_id: UUID, payload: Mapping[str, object], attached: AttachedCard) -> Card | None:
    """Return what is shown of the item that a picture is attached to; None if it does not list the picture."""
    if not (parts.is_ours(owner_id, payload) and _lists(payload, attached)):
        return None
    try:
        return parts.findable.read(payload)
    except ValidationError:
        return None


def _lists(payload: Mapping[str, object], card: AttachedCard) -> bool:
    """Return whether an item's point lists a picture.

    Args:
        payload: The item's payload.
        card: The picture.
    """
    held: dict[str, Any] = dict(payload)
    try:
        listing = _Listing.model_validate(held, strict=False)
    except ValidationError:  # another program has overwritten it
        return False
    return card.image_id in {each.image_id for each in listing.images}
