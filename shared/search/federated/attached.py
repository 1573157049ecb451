"""Pictures that are attached to items have points of their own; a hit among them is shown as a hit of its item.

The item's point decides: a picture that it does not list, or no longer in this version, is not shown, nor one whose item is
deleted or fails a condition.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from schemas.attachments import ListedImage, attached_id
from shared.search.federated.findable import ATTACHED_TO, AttachedCard, Card
from shared.search.federated.parts import Scored, SourceParts
from shared.vectorstore.conditions import Condition

LISTED_FIELD = "images"
"""The payload field of an item that lists its pictures."""

LISTED: TypeAdapter[tuple[ListedImage, ...]] = TypeAdapter(tuple[ListedImage, ...])

IS_ATTACHED = Condition((ATTACHED_TO,), "!=", "")
"""Only points of attached pictures meet it. Their fields are not those of their items, so that they are searched without
the conditions of a question, which their items must meet."""


def is_own_point(parts: SourceParts, which: UUID, card: AttachedCard) -> bool:
    """Return whether a point is that of the picture which its payload names."""
    return which == parts.point_id(card.tenant_id, attached_id(card.attached_to, card.image_id))


def with_owners(
    parts: SourceParts, tenant_id: str, found: Sequence[Scored], where: Sequence[Condition]
) -> list[Scored]:
    """Return the hits, those of attached pictures as hits of their items; pictures without an item are left out.

    Args:
        parts: The source.
        tenant_id: The tenant of all of them.
        found: The hits.
        where: Conditions that the items of pictures must meet.

    Raises:
        Unavailable: the store cannot be read.
    """
    cards = (each.card for each in found)
    owners = {parts.point_id(tenant_id, card.attached_to) for card in cards if isinstance(card, AttachedCard)}
    compared = (condition.keys[0] for condition in where)
    fields = tuple(dict.fromkeys(("tenant_id", parts.id_field, *parts.findable.fields, LISTED_FIELD, *compared)))
    payloads = parts.collection.payloads(owners, fields) if owners else {}
    shown: list[Scored] = []
    for each in found:
        if not isinstance(each.card, AttachedCard):
            shown.append(each)
            continue
        owner_id = parts.point_id(tenant_id, each.card.attached_to)
        payload = payloads.get(owner_id, {})
        owner = _owner(parts, owner_id, payload, each.card)
        if owner is not None and all(condition.is_met_by(payload) for condition in where):
            shown.append(Scored(each.card.attached_to, owner, each.views, each.card))
    return shown


def _owner(parts: SourceParts, owner_id: UUID, payload: Mapping[str, object], attached: AttachedCard) -> Card | None:
    """Return what is shown of the item that a picture is attached to; None if it does not list this version of it."""
    if not parts.is_ours(owner_id, payload):
        return None
    held: Any = payload.get(LISTED_FIELD, ())
    try:
        listed = {each.image_id: each.event_version for each in LISTED.validate_python(held, strict=False)}
        if attached.event_version < listed.get(attached.image_id, attached.event_version + 1):
            return None
        return parts.findable.read(payload)
    except ValidationError:
        return None
