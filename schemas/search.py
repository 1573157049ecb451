"""What a result, and the search for them, say of similar solved tickets, and the reply that is quoted from those."""

from pydantic import Field

from schemas.base import Frozen, SourceId, UtcDatetime


class ScoreParts(Frozen):
    """What a score is made of: score = (dense + lexical) * decay."""

    dense: float = Field(description="Cosine similarity of the two text vectors, at most 1.")
    bm25: float = Field(ge=0, description="BM25 of the terms that both texts share; 0: none.")
    lexical: float = Field(
        ge=0, description="What the shared terms add: weight * bm25 / sqrt(terms asked about, 8 at least)."
    )
    decay: float = Field(ge=0, le=1, description="What the age of the hit, as of the ticket asked about, leaves.")


class SimilarTicket(Frozen):
    """A solved ticket of the same tenant that resembles the routed one."""

    ticket_id: SourceId
    score: float = Field(description="What hits are ordered by; see `parts`. It may exceed 1.")
    parts: ScoreParts
    shared_terms: tuple[str, ...] = Field(
        default=(), description="Words of the ticket asked about that this one has too, up to their endings."
    )
    label: str | None = None
    subject: str
    resolution: str | None = None
    satisfaction: int | None = Field(
        default=None, description="Null: not rated; offered only where that is configured."
    )
    occurred_at: UtcDatetime


class SimilarLeftOut(Frozen):
    """How many solved tickets of the tenant are never offered, each counted under the rule that leaves it out."""

    unrated: int = Field(
        ge=0, description="Without a rating; the stream's setting SEARCH__INCLUDE_UNRATED lets them in."
    )
    rated_too_low: int = Field(ge=0, description="Rated below the stream's setting SEARCH__MIN_SATISFACTION.")


class QuotedSentence(Frozen):
    """A sentence of a solved ticket's resolution, word for word."""

    ticket_id: SourceId
    text: str


class SuggestedReply(Frozen):
    """Sentences of the best resolutions, for an agent to start from; nothing in it is invented, and nothing is checked."""

    text: str = Field(description="The sentences, one after the other.")
    sentences: tuple[QuotedSentence, ...] = Field(min_length=1, max_length=3)
