"""Prepares a validated product image: the pixels and the text to embed, and the fields to store.

From `prepare` on, an item holds no personal data of the kinds that are masked (docs/privacy.md); only its record has
the original bytes. A change to the preparation changes vectors: raise the version in `shared/text/preparation.py` too.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from schemas.base import SourceId
from schemas.duplicates import DUPLICATES_LIMIT, NearDuplicate
from schemas.media import Media
from schemas.products import DuplicateJudged, ProductImage, ProductImageDeleted
from shared.engine.snapshots import Item
from shared.pictures import ReadPicture
from shared.records import Record, Vector
from shared.text.preparation import PreparedProduct, Preparer

IMAGE, TEXT = "image", "text"
"""The inputs of a product image: its picture, and title and description. The first is also the field of the picture."""

INLINE = b'"inline"'
TEXT_BYTES_PER_PICTURE = 512
"""MiniLM takes about as long for this much English text as EfficientNet-Lite0 takes for a picture. It is used only to limit
a poll batch before anything is decoded."""

STORED_DUPLICATES: TypeAdapter[tuple[NearDuplicate, ...]] = TypeAdapter(
    Annotated[tuple[NearDuplicate, ...], Field(max_length=DUPLICATES_LIMIT)]
)

PRODUCT_ID: TypeAdapter[str] = TypeAdapter(SourceId)


@dataclass(slots=True, kw_only=True)
class ProductItem(Item[ProductImage | DuplicateJudged | ProductImageDeleted]):
    """A product event on its way through the pipeline.

    Attributes:
        picture: The picture as it was read; None if its media could not be loaded, and for events without a picture.
        near_duplicates: The nearly same images of other products.
        place: The place of the picture among texts, shape (dim,), unit length; None if the model knows no classes.
    """

    picture: ReadPicture | None = None
    near_duplicates: tuple[NearDuplicate, ...] = ()
    place: Vector | None = None

    @property
    def text(self) -> str:
        """Title and description as one text; empty if the product has neither."""
        return str(self.inputs.get(TEXT, ""))

    @property
    def vectors(self) -> dict[str, Vector]:
        """The vectors by which the image is classified; that of the text is absent if there is no text."""
        return {name: embedded.vector for name, embedded in self.embedded.items()}

    @property
    def product_id(self) -> str:
        """The product of the image; for a conflicting version, the one that is stored, because that event has won."""
        if not isinstance(self.event, ProductImage):
            raise ValueError("an event without a picture has no product")
        found = self.stored.payload.get("product_id") if self.is_conflict and self.stored is not None else None
        try:
            return PRODUCT_ID.validate_python(found)
        except ValidationError:
            return self.event.product_id

    @property
    def stored_duplicates(self) -> tuple[NearDuplicate, ...] | None:
        """The near-duplicates that were published last; None if absent, or if another program has overwritten them."""
        found: Any = None if self.stored is None else self.stored.payload.get("near_duplicates")
        try:
            return None if found is None else STORED_DUPLICATES.validate_python(found, strict=False)
        except ValidationError:
            return None


def prepare(item: ProductItem, preparer: Preparer) -> None:
    """Set the inputs of an image, and replace the item's event by the prepared one."""
    event = item.event
    if not isinstance(event, ProductImage):
        return
    texts = preparer.product(event.title, event.description)
    item.event = _prepared_event(event, texts, preparer)
    item.inputs = {TEXT: texts.embedded} if texts.embedded else {}
    if item.picture is not None:
        item.inputs[IMAGE] = item.picture.pixels


def _prepared_event(event: ProductImage, texts: PreparedProduct, preparer: Preparer) -> ProductImage:
    prepared = {
        "title": texts.title,
        "description": texts.description,
        "category": None if event.category is None else preparer.field(event.category),
        "attributes": preparer.attributes(event.attributes),
    }
    return event.model_copy(update=prepared)


def media_of(event: ProductImage | DuplicateJudged | ProductImageDeleted) -> dict[str, Media]:
    """Return the media of an event."""
    return {IMAGE: event.image} if isinstance(event, ProductImage) else {}


def estimated_pictures(record: Record) -> int:
    """Estimate a record's cost, in pictures, from its size: a picture costs the model the same, whatever its size."""
    value = record.value or b""
    return 1 + (len(value) - _inline_bytes(value)) // TEXT_BYTES_PER_PICTURE


def _inline_bytes(value: bytes) -> int:
    """Return the size of the picture that a record holds in itself; 0 if it refers to one."""
    begin = value.find(INLINE)
    end = value.find(b'"', value.find(b'"', begin + len(INLINE)) + 1) if begin >= 0 else -1
    return end - begin if end > begin else 0
