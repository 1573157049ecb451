"""The products stream: the input events, the stored payloads, and the result that is published for a classified image.

An image event is a snapshot of one image of a product as of its `event_version`; `reason` states why it was sent. A
person's verdict on two images is an item of its own: a later snapshot of either image does not undo it.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter, field_validator

from schemas.attributes import ATTRIBUTES_LIMIT, AttributeName, AttributeValue, StoredValue
from schemas.base import (
    TEXT_LIMIT_CHARS,
    Deletion,
    Event,
    EventVersion,
    Frozen,
    Origin,
    SourceId,
    TenantId,
    UtcDatetime,
)
from schemas.decisions import Decision, Label
from schemas.duplicates import DUPLICATES_LIMIT, HASH_PATTERN, NearDuplicate, Verdict, pair_id
from schemas.media import Media
from schemas.points import StoredItem, Tombstone


class ProductImage(Event):
    """The whole image with the data of its product, as of `event_version`."""

    reason: Literal["created", "updated", "catalogued"] = Field(
        description="Why the source sent this snapshot; `catalogued`: the image is only stored, for an existing catalogue."
    )
    image_id: SourceId = Field(description="The image's id in the source system.")
    product_id: SourceId = Field(description="The product that the image shows; a product may have several images.")
    image: Media = Field(description="The picture, inline or by reference; its bytes decide its kind.")
    title: str | None = Field(default=None, max_length=TEXT_LIMIT_CHARS, description="The title of the product.")
    description: str | None = Field(
        default=None, max_length=TEXT_LIMIT_CHARS, description="The description of the product, as text or HTML."
    )
    price: Annotated[float, Field(ge=0)] | None = Field(default=None, description="The price, in `currency`.")
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None = Field(
        default=None, description="The currency of the price, ISO 4217."
    )
    category: Annotated[str, Field(max_length=1_000)] | None = Field(
        default=None, description="The shop's own category; it is stored, but does not decide the class."
    )
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict,
        max_length=ATTRIBUTES_LIMIT,
        description="Any additional fields of the source system, without nesting.",
    )
    agent_label: Label | None = Field(default=None, description="The class that a person gave this image, if any.")


class DuplicateJudged(Event):
    """A person's verdict on two images, as of `event_version`, which counts the verdicts on these two."""

    reason: Literal["judged"]
    SOURCE_ID: ClassVar[str] = "both ids of images, in the order of their code points, with U+001F between them"

    images: tuple[SourceId, SourceId] = Field(strict=False, description="The ids of the two images, in any order.")
    verdict: Verdict | None = Field(description="What the two images are; null withdraws an earlier verdict.")

    @field_validator("images")
    @classmethod
    def _are_two(cls, images: tuple[str, str]) -> tuple[str, str]:
        one, other = sorted(images)
        if one == other:
            raise ValueError("names one image twice; a verdict is about two images")
        return one, other

    @property
    def image_id(self) -> str:
        """The source id of the verdict: both image ids."""
        return pair_id(*self.images)


class ProductImageDeleted(Deletion):
    """The image was deleted at its source; only ids and the version remain."""

    image_id: SourceId


ProductEvent = Annotated[ProductImage | DuplicateJudged | ProductImageDeleted, Field(discriminator="reason")]
PRODUCT_EVENT: TypeAdapter[ProductImage | DuplicateJudged | ProductImageDeleted] = TypeAdapter(ProductEvent)


ProductFlag = Literal["labelled"]
"""`labelled`: the image may vote."""


class ProductContent(Frozen):
    """The fields that the products stream stores for an image, for the filters of searches and to show in hits."""

    occurred_at: UtcDatetime
    product_id: SourceId
    title: str | None
    description: str | None
    price: float | None
    currency: str | None
    category: str | None
    attributes: dict[str, StoredValue]
    label: str | None = Field(description="The agent's class, which the vote of neighbours counts.")
    flags: tuple[ProductFlag, ...] = Field(description="Flags that searches filter on; see `ProductFlag`.")
    picture_hash: str = Field(pattern=HASH_PATTERN, description="Perceptual hash of the picture, 64 bits in hex.")
    width_px: int = Field(ge=1, description="The width that its file states, before it is turned upright.")
    height_px: int = Field(ge=1, description="The height that its file states, before it is turned upright.")
    near_duplicates: tuple[NearDuplicate, ...] = Field(
        description="The near-duplicates in the result that was last published."
    )


class ProductPayload(ProductContent, StoredItem):
    """Payload of an image's point: the image's fields, and those that the engine compares with the next version."""

    image_id: SourceId
    image_digest: str = Field(description="SHA-256 of the picture as the model sees it.")
    text_digest: str | None = Field(description="SHA-256 of title and description as embedded; null without any.")
    image_windows: int = Field(ge=1)
    text_windows: int = Field(ge=1, description="Number of windows that title and description were cut into.")
    decision: Decision | None = Field(
        description="The decision that was last published; if its version arrives again, it is published again."
    )


class VerdictContent(Frozen):
    """The fields that the products stream stores for a verdict."""

    occurred_at: UtcDatetime
    verdict: Verdict | None


class VerdictPayload(VerdictContent, StoredItem):
    """Payload of a verdict's point, which has no vector."""

    image_id: str = Field(description="The ids of the two images; see `pair_id`.")


class ProductTombstone(Tombstone):
    """Payload of a deleted image: ids and version, without text and without a vector. No older event can undo it."""

    image_id: SourceId


class ProductModels(Frozen):
    """The fingerprints of the models behind a result, 8 hex digits each."""

    image: str
    text: str


class ProductClassified(Frozen):
    """The result for one image version. Readers keep the highest `event_version` per (tenant_id, image_id)."""

    schema_version: Literal[1] = 1
    tenant_id: TenantId
    image_id: SourceId
    product_id: SourceId
    event_version: EventVersion
    occurred_at: UtcDatetime
    decision: Decision
    near_duplicates: tuple[NearDuplicate, ...] = Field(
        default=(),
        max_length=DUPLICATES_LIMIT,
        description="Nearly the same images of other products: first those that a person called the same, then the same "
        "pictures, then the others; within each, the nearest first.",
    )
    text_windows: int = Field(ge=1, description="Number of windows that title and description were cut into.")
    models: ProductModels
    source: Origin
