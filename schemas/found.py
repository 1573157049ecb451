"""What one search over tickets, calls and products answers."""

from pydantic import Field

from schemas.attributes import StoredValue
from schemas.base import Frozen, SourceId, UtcDatetime

FOUND_LIMIT = 100
"""The largest number of hits in one answer."""


class FoundPart(Frozen):
    """One comparison behind a score."""

    method: str = Field(
        description="`text`: the text model on both texts. `conse`: the question's words and the picture's likeliest "
        "classes, by the text model. `clip`: the question's words and the picture, by CLIP. `image`: both pictures, by "
        "the model of pictures."
    )
    cosine: float = Field(description="Cosine similarity, at most 1.")
    weight: float = Field(ge=0, le=1, description="What the cosine is multiplied by in the score.")


class FoundItem(Frozen):
    """A stored item that a search found."""

    stream: str
    source_id: SourceId = Field(description="The item's id in its source system.")
    title: str
    score: float = Field(
        description="The sum of the weighted cosines and of `lexical`; comparable within one method only."
    )
    method: str = Field(description="The methods of its parts, joined by `+`, and `terms` if words are compared.")
    parts: tuple[FoundPart, ...]
    lexical: float = Field(default=0.0, ge=0, description="Contribution of shared words (BM25).")
    chance: float | None = Field(
        ge=0,
        le=1,
        description="For words: how often a question that fits nothing finds an item with such a score in any of the "
        "searched collections. For a picture: the share of pairs of random stored pictures that are as alike. Hits are "
        "ordered by it. Null if there are too few items to estimate it.",
    )
    matches: bool = Field(description="Whether `chance` is at most the wanted rate of false matches.")
    shared_terms: tuple[str, ...] = Field(default=(), description="Words of the question that the item contains too.")
    reasons: tuple[str, ...] = Field(description="Why it was found, as sentences.")
    label: str | None = None
    language: str | None = Field(default=None, description="Primary BCP 47 subtag of its language; null if unknown.")
    occurred_at: UtcDatetime
    image_id: SourceId | None = Field(default=None, description="The attached image that was found, if it was one.")
    details: dict[str, StoredValue] = Field(default_factory=dict, description="Further fields of its stream.")
