"""Two pictures that are nearly the same, and a person's verdict on them."""

from typing import Literal

from pydantic import Field

from schemas.base import Frozen, SourceId
from schemas.decisions import Score

DUPLICATES_LIMIT = 10
"""The most near-duplicates in one result."""

PAIR_SEPARATOR = "\x1f"
"""It stands between the two image ids in the source id of a verdict; no image id contains it."""

HASH_PATTERN = "^[0-9a-f]{16}$"

Tier = Literal["same_picture", "same_product"]
"""`same_picture`: one picture in another size or format, mirrored or slightly edited. `same_product`: most crops of it, and
other pictures that are very alike."""

Verdict = Literal["same_picture", "same_product", "different"]
"""What a person says about two images."""


def pair_id(one: str, other: str) -> str:
    """Return the source id of the verdict on two images: their ids in the order of their code points."""
    return PAIR_SEPARATOR.join(sorted((one, other)))


class NearDuplicate(Frozen):
    """Another image of the same tenant that is nearly the same."""

    image_id: SourceId
    product_id: SourceId
    tier: Tier
    cosine: Score = Field(description="Cosine similarity of the two vectors of pictures.")
    distance_bits: int = Field(ge=0, le=64, description="Number of differing bits of the two perceptual hashes.")
    mirrored: bool = Field(description="Whether the pictures are alike if one of them is mirrored.")
    verdict: Literal["same_picture", "same_product"] | None = Field(
        default=None, description="What a person said about the two images; null if nobody was asked yet."
    )
