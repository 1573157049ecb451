"""Which images of an item follow it: what its point lists of them, and what a version of it still owes.

An image bears the version of its item that brought it, or changed its reference. So an image that stays is neither sent nor
fetched again, whoever sends it sends the same, and the law of versions orders what is sent (`docs/decisions/0030`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from schemas.attachments import REMOVED_LIMIT, AttachedImage, ListedImage, RemovedImage
from schemas.base import Event
from shared.engine.snapshots import Effect, Item

IMAGES_FIELD, REMOVED_FIELD = "images", "removed_images"
"""The payload fields that hold a `Listing`."""

ListedT = TypeVar("ListedT")
_LISTED: TypeAdapter[tuple[ListedImage, ...]] = TypeAdapter(tuple[ListedImage, ...])
_REMOVED: TypeAdapter[tuple[RemovedImage, ...]] = TypeAdapter(tuple[RemovedImage, ...])


@dataclass(frozen=True, slots=True)
class Listing:
    """What a point says of the images of its item.

    Attributes:
        images: Those that it has.
        removed: Those that it had; of a deleted item, all.
    """

    images: tuple[ListedImage, ...] = ()
    removed: tuple[RemovedImage, ...] = ()

    @classmethod
    def of(cls, payload: Mapping[str, object]) -> "Listing":
        """Read the listing of a stored point; what another program has overwritten counts as absent."""
        return cls(_read(_LISTED, payload.get(IMAGES_FIELD)), _read(_REMOVED, payload.get(REMOVED_FIELD)))

    def payload(self) -> dict[str, Any]:
        """Return the payload fields; one without entries is left out, so that an item without images is stored as ever."""
        fields: dict[str, Any] = {
            IMAGES_FIELD: [each.model_dump(mode="json") for each in self.images],
            REMOVED_FIELD: [each.model_dump(mode="json") for each in self.removed],
        }
        return {name: entries for name, entries in fields.items() if entries}


def listing_of(item: Item[Any], images: Sequence[AttachedImage]) -> Listing:
    """Return what the point of a version lists, given what is stored of the version before.

    Args:
        item: The version, after its lookup.
        images: Its images; a deletion has none.
    """
    before = _stored(item)
    known = {each.image_id: each for each in before.images}
    now = tuple(_listed(item.event, each, known.get(each.image_id)) for each in images)
    kept = {each.image_id for each in now}
    left_out = [each.image_id for each in before.images if each.image_id not in kept]
    earlier = [each for each in before.removed if each.image_id not in {*kept, *left_out}]
    if item.deletes:  # all at once, so that nothing is left of an item, whatever was lost on the way
        return Listing((), _removed(item.event, [*(each.image_id for each in earlier), *left_out]))
    return Listing(now, (*earlier, *_removed(item.event, left_out))[-REMOVED_LIMIT:])


def owed(item: Item[Any], images: Sequence[AttachedImage]) -> Listing:
    """Return what a version must see sent: what its point lists, or the stored point if it is not written.

    A version that is stored already, or that has lost to a newer one, may have been written by a worker that died before
    it sent anything. Of its images, those are sent that the stored point lists with the same reference; of the removed
    ones, those that this version has removed.

    Args:
        item: The version, with its effect.
        images: Its images; a deletion has none.
    """
    if item.effect in (Effect.ROUTE, Effect.INDEX, Effect.DELETE):
        listing = listing_of(item, images)
        return Listing(
            tuple(each for each in listing.images if each.event_version == item.version),
            tuple(each for each in listing.removed if each.event_version == item.version),
        )
    if item.stored is None or item.stored.version < item.version:  # it lost to another version of its batch
        return Listing()
    stored = _stored(item)
    references = {each.image_id: reference_of(each) for each in images}
    return Listing(
        tuple(each for each in stored.images if references.get(each.image_id) == each.reference),
        tuple(each for each in stored.removed if each.event_version == item.version),
    )


def reference_of(attached: AttachedImage) -> str:
    """Return the SHA-256, in hex, of the medium as the event has it."""
    return sha256(attached.image.model_dump_json().encode()).hexdigest()


def _stored(item: Item[Any]) -> Listing:
    return Listing() if item.stored is None else Listing.of(item.stored.payload)


def _listed(event: Event, attached: AttachedImage, before: ListedImage | None) -> ListedImage:
    """Return the entry of an image: the one of before, if its reference has not changed."""
    reference = reference_of(attached)
    if before is not None and before.reference == reference:
        return before
    return ListedImage(
        image_id=attached.image_id,
        reference=reference,
        event_version=event.event_version,
        occurred_at=event.occurred_at,
    )


def _removed(event: Event, ids: Sequence[str]) -> tuple[RemovedImage, ...]:
    version, occurred_at = event.event_version, event.occurred_at
    return tuple(RemovedImage(image_id=each, event_version=version, occurred_at=occurred_at) for each in ids)


def _read(schema: TypeAdapter[tuple[ListedT, ...]], found: object) -> tuple[ListedT, ...]:
    try:
        return () if found is None else schema.validate_python(found, strict=False)
    except ValidationError:
        return ()
