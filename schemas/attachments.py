"""Images that are attached to an item of a stream, and what the item's stored point says of them.

The item is processed without its images. Each image follows as an event of its own (`docs/decisions/0030`), whose source id
is made of the id of its item and its own.
"""

from pydantic import Field

from schemas.base import EventVersion, Frozen, SourceId, UtcDatetime
from schemas.media import Media

IMAGES_LIMIT = 10
"""The most images of an item."""

REMOVED_LIMIT = 100
"""The most removed images that a point lists; beyond it, the ones that were removed first are left out."""

READ_TEXT_LIMIT_CHARS = 20_000
"""The longest text that is kept of a picture, in characters."""

SEPARATOR = "\x1f"
"""It stands between the id of an item and that of its image; no id contains it."""

ATTACHED_ID_PATTERN = r"^[^\x00-\x1f\x7f]{1,128}(\x1f[^\x00-\x1f\x7f]{1,128})?$"
"""The source id of an item, or of an image that is attached to it."""


class AttachedImage(Frozen):
    """An image that is attached to an item."""

    image_id: SourceId = Field(description="The image's id; it is unique within its item.")
    image: Media = Field(description="The picture, inline or by reference; its bytes decide its kind.")


class ListedImage(Frozen):
    """What a point says of an image that is attached to its item."""

    image_id: SourceId
    reference: str = Field(
        description="SHA-256 of the medium as the event had it; the picture is fetched again if it changes."
    )
    event_version: EventVersion = Field(description="The version of the item that brought the image or changed it.")
    occurred_at: UtcDatetime = Field(description="When that version happened.")


class RemovedImage(Frozen):
    """What a point says of an image that its item no longer has."""

    image_id: SourceId
    event_version: EventVersion = Field(description="The version of the item that no longer has the image.")
    occurred_at: UtcDatetime = Field(description="When that version happened.")


def attached_id(source_id: str, image_id: str) -> str:
    """Return the source id of an image that is attached to an item."""
    return f"{source_id}{SEPARATOR}{image_id}"
