"""Determines what is decided and compared of a product image: its class, near-duplicates, and its place among texts."""

from collections.abc import Sequence

import numpy as np

from schemas.products import DuplicateJudged, ProductImage
from shared.embedding.image.words import PictureWords
from shared.engine.snapshots import Effect
from shared.routing.decider import Undecided
from shared.search.duplicates import BatchEvent, DuplicateSearch, Judged, Question, Removed
from workers.products.prepare import IMAGE, ProductItem


def find_duplicates(batch: Sequence[ProductItem], search: DuplicateSearch) -> None:
    """Set the near-duplicates of every image that is published; a repeat keeps those that were published before.

    Args:
        batch: The items of a batch in their order, also those that are only stored, and verdicts and deletions.
        search: The search.

    Raises:
        Unavailable: the store cannot be read.
    """
    events, asked = list[BatchEvent](), []
    for item in batch:
        known = item.stored_duplicates if item.effect is Effect.REPEAT else None
        if known is not None:
            item.near_duplicates = known
            continue
        event = _event_for_search(item)
        if event is not None:
            events.append(event)
            asked += [item] if isinstance(event, Question) and event.asks else []
    for item, found in zip(asked, search.find(events), strict=True):
        item.near_duplicates = found


def _event_for_search(item: ProductItem) -> BatchEvent | None:
    """Return what an event means for the pictures after it; None if it changes nothing, and asks for nothing."""
    is_repeat = item.effect is Effect.REPEAT
    if isinstance(item.event, ProductImage):
        return _question(item, item.event, is_written=not is_repeat) if item.publishes or not is_repeat else None
    if is_repeat:
        return None
    if isinstance(item.event, DuplicateJudged):
        return Judged(item.point_id, item.event.verdict)
    return Removed(item.point_id)


def _question(item: ProductItem, event: ProductImage, is_written: bool) -> Question | None:
    """Return the question of an image; None for a repeat whose picture is gone."""
    if item.picture is None or IMAGE not in item.embedded:
        return None
    return Question(
        tenant_id=event.tenant_id,
        image_id=event.image_id,
        product_id=item.product_id,
        point_id=item.point_id,
        vector=item.embedded[IMAGE].vector,
        hashes=item.picture.hashes,
        asks=item.publishes,
        is_written=is_written,
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


def place_among_texts(batch: Sequence[ProductItem], words: PictureWords) -> None:
    """Set the places of pictures among texts; one call for a batch takes a tenth of one call for each picture."""
    pictured = [item for item in batch if IMAGE in item.embedded]
    if not pictured:
        return
    places = words.places(np.stack([item.embedded[IMAGE].vector for item in pictured]))
    for item, place in zip(pictured, places, strict=True):
        item.place = place
