"""Similar solved tickets and calls as results and searches show them, and the suggested reply that quotes tickets."""

from pydantic import Field
from typing_extensions import override

from schemas.base import Frozen, SourceId, UtcDatetime

TITLE_CHARS = 100
SIMILAR_LIMIT = 10
"""The largest number of similar items of one kind in one answer."""


class ScoreParts(Frozen):
    """The parts of a score: score = (dense + lexical + resolution) * decay * language."""

    dense: float = Field(description="Cosine similarity of the two text vectors, at most 1.")
    bm25: float = Field(ge=0, description="BM25 of the terms that both texts share; 0 if they share none.")
    lexical: float = Field(
        ge=0, description="Contribution of the shared terms: weight * bm25 / sqrt(max(number of query terms, 8))."
    )
    resolution_cosine: float | None = Field(
        default=None,
        description="Cosine similarity of the query's text and the hit's resolution, at most 1; null if the hit has no "
        "resolution or resolutions are not compared.",
    )
    resolution: float = Field(
        default=0.0,
        ge=0,
        description="Contribution of the resolution: weight * (resolution_cosine - 0.6 * dense), if that is more than 0.",
    )
    decay: float = Field(ge=0, le=1, description="Factor for the age of the hit at the time of the question.")
    language: float = Field(
        default=1.0, ge=0, le=1, description="Factor for a hit in another language than the question; else 1."
    )


class SimilarItem(Frozen):
    """What is shown of every similar item, whatever its stream."""

    score: float = Field(description="Hits are ordered by this score; see `parts`. It may exceed 1.")
    parts: ScoreParts
    shared_terms: tuple[str, ...] = Field(
        default=(), description="Words of the question that the shown item contains too, ignoring word endings."
    )
    label: str | None = None
    satisfaction: int | None = Field(
        default=None,
        description="The customer's rating; null if there was no rating. Unrated items are offered only "
        "if the settings allow it.",
    )
    language: str | None = Field(
        default=None, description="Primary BCP 47 subtag of the hit's language; null if it is not known."
    )
    other_language: bool = Field(
        default=False,
        description="Whether the hit is in another language than the question; false if either is not known.",
    )
    same_customer: bool = Field(
        default=False,
        description="Whether the hit is of the customer who asks; false if either customer is unknown.",
    )
    occurred_at: UtcDatetime

    @property
    def shown_id(self) -> str:
        """The id in its source system."""
        raise NotImplementedError

    @property
    def shown_title(self) -> str:
        """The words by which people recognise it."""
        raise NotImplementedError


class SimilarTicket(SimilarItem):
    """A solved ticket of the same tenant that is similar to what is asked about."""

    ticket_id: SourceId
    subject: str
    resolution: str | None = None

    @property
    @override
    def shown_id(self) -> str:
        """The ticket's id."""
        return self.ticket_id

    @property
    @override
    def shown_title(self) -> str:
        """The ticket's subject."""
        return self.subject


class SimilarCall(SimilarItem):
    """Another finished call of the same tenant in which something similar was said."""

    call_id: SourceId
    excerpt: str = Field(
        description="The beginning of what the customer says; if the customer is unknown, of the call."
    )
    linked_ticket_id: SourceId | None = Field(default=None, description="The ticket that the call belongs to, if any.")

    @property
    @override
    def shown_id(self) -> str:
        """The call's id."""
        return self.call_id

    @property
    @override
    def shown_title(self) -> str:
        """What is said first, in one short line."""
        line = " ".join(self.excerpt.split())
        return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


class SimilarLeftOut(Frozen):
    """The number of the tenant's items that are never offered, by the rule that leaves them out."""

    unrated: int = Field(
        ge=0,
        description="Number of items without a rating; the stream's setting SEARCH__INCLUDE_UNRATED includes them.",
    )
    rated_too_low: int = Field(
        ge=0, description="Number of items with a rating below the stream's setting SEARCH__MIN_SATISFACTION."
    )


class QuotedSentence(Frozen):
    """A sentence of a solved ticket's resolution, word for word."""

    ticket_id: SourceId
    text: str


class SuggestedReply(Frozen):
    """Sentences of the best resolutions, as a draft for an agent; they are quoted, never invented, and not checked."""

    text: str = Field(description="The sentences, one after the other.")
    sentences: tuple[QuotedSentence, ...] = Field(min_length=1, max_length=3)
