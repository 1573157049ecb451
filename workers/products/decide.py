"""Determines the result of a product image: the decision on its class, and the nearly same images of other products."""

from collections.abc import Sequence

from schemas.products import ProductImage
from shared.engine.snapshots import Effect
from shared.routing.decider import Undecided
from shared.search.duplicates import DuplicateSearch, Question
from workers.products.prepare import IMAGE, ProductItem


def find_duplicates(items: Sequence[ProductItem], search: DuplicateSearch) -> None:
    """Set the near-duplicates of every item; a repeat keeps those that were published before.

    Raises:
        Unavailable: the store cannot be read.
    """
    asked = []
    for item in items:
        known = item.stored_duplicates if item.effect is Effect.REPEAT else None
        if known is not None:
            item.near_duplicates = known
        elif item.picture is not None:
            asked.append(item)
    for item, found in zip(asked, search.find([_question(item) for item in asked]), strict=True):
        item.near_duplicates = found


def _question(item: ProductItem) -> Question:
    if not isinstance(item.event, ProductImage) or item.picture is None:
        raise ValueError("an event without a picture was passed to the search")
    return Question(
        tenant_id=item.event.tenant_id,
        image_id=item.event.image_id,
        product_id=item.event.product_id,
        point_id=item.point_id,
        vector=item.embedded[IMAGE].vector,
        picture_hash=item.picture.hashes.plain,
        mirrored_hash=item.picture.hashes.mirrored,
    )


def undecided(item: ProductItem) -> Undecided:
    """Return the data by which an image is classified."""
    event = item.event
    if not isinstance(event, ProductImage):
        raise ValueError("an event without a picture was passed to the decision")
    return Undecided(
        point_id=item.point_id,
        tenant_id=event.tenant_id,
        text=item.text,
        vectors=item.vectors,
        priority="normal",
        agent_decided=event.agent_label is not None,
        previous_queue=item.previous_queue,
    )
