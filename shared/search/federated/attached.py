"""Pictures that are attached to items have points of their own; a hit among them is shown as a hit of its item.

The item's point decides: a picture that it no longer lists, or whose item is deleted, is not shown.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError
from typing_extensions import override

from schemas.base import Frozen, SourceId
from shared.search.federated.findable import Card, shortened

ATTACHED_TO = "attached_to"
"""The payload field of a picture's point that holds the source id of its item; other points do not have it."""

LISTED = "images"
"""The payload field of an item that lists its pictures."""


class AttachedCard(Card):
    """What a search reads of an attached picture."""

    attached_to: SourceId
    image_id: SourceId
    read_text: str | None = None

    @property
    @override
    def title(self) -> str:
        """What was read first; without text, the picture's id."""
        return shortened(self.text) or self.image_id

    @property
    @override
    def text(self) -> str:
        """What was read in the picture."""
        return self.read_text or ""


class _Listed(Frozen):
    """What is read of a listed picture."""

    model_config = ConfigDict(extra="ignore")

    image_id: SourceId


class _Listing(Frozen):
    """What is read of an item that has pictures."""

    model_config = ConfigDict(extra="ignore")

    images: tuple[Annotated[_Listed, Field(strict=False)], ...] = Field(default=(), strict=False)


def lists(payload: Mapping[str, object], card: AttachedCard) -> bool:
    """Return whether an item's point still lists a picture.

    Args:
        payload: The item's payload.
        card: The picture.
    """
    held: dict[str, Any] = dict(payload)
    try:
        listing = _Listing.model_validate(held)
    except ValidationError:  # another program has overwritten it
        return False
    return card.image_id in {each.image_id for each in listing.images}


def owners_of(cards: Iterable[Card]) -> set[str]:
    """Return the source ids of the items that some pictures are attached to."""
    return {card.attached_to for card in cards if isinstance(card, AttachedCard)}
