"""The tickets stream: the input event, and the result that is published for a routed ticket.

A ticket event is a snapshot of the whole ticket as of its `event_version`; `reason` says why it was sent.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from schemas.base import Event, EventVersion, Frozen, SourceId, TenantId, UtcDatetime

SUBJECT_LIMIT_CHARS = 1_000
BODY_LIMIT_CHARS = 100_000
RESOLUTION_LIMIT_CHARS = 20_000
ATTRIBUTES_LIMIT = 64
SCORE_DIGITS = 9
"""A store may give a number of 17 digits back with its last bit changed; a decision told again has to be the same."""


def no_integer(value: object) -> object:
    """Keep integers beyond 64 bits from becoming rounded floats."""
    if type(value) is int:
        raise ValueError("an integer is no float")
    return value


def rounded(value: float) -> float:
    """Return a score as it is published and stored."""
    return round(value, SCORE_DIGITS)


Score = Annotated[float, AfterValidator(rounded)]
Share = Annotated[float, Field(ge=0, le=1), AfterValidator(rounded)]
Priority = Literal["low", "normal", "high", "urgent"]
Channel = Literal["email", "chat", "web", "phone", "social", "api"]
SnapshotReason = Literal["created", "updated", "solved", "rated", "reopened"]
Label = Annotated[str, Field(min_length=1, max_length=128)]
AttributeName = Annotated[str, Field(min_length=1, max_length=64)]
AttributeText = Annotated[str, Field(max_length=1_000)]
AttributeInteger = Annotated[int, Field(ge=-(2**63), lt=2**63)]
AttributeFloat = Annotated[float, BeforeValidator(no_integer)]
AttributeValue = AttributeText | AttributeInteger | AttributeFloat | bool | None


class TicketSnapshot(Event):
    """The whole ticket as of `event_version`."""

    reason: SnapshotReason = Field(description="Why the source sent this snapshot.")
    ticket_id: SourceId = Field(description="The ticket's id in the source system.")
    subject: str = Field(default="", max_length=SUBJECT_LIMIT_CHARS)
    body: str = Field(default="", max_length=BODY_LIMIT_CHARS)
    language: str | None = Field(
        default=None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", description="A hint, BCP 47."
    )
    channel: Channel | None = None
    customer_id: SourceId | None = None
    priority: Priority = "normal"
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict, max_length=ATTRIBUTES_LIMIT, description="Free, flat fields of the source system."
    )
    resolution: str | None = Field(default=None, max_length=RESOLUTION_LIMIT_CHARS, description="What solved it.")
    satisfaction: int | None = Field(default=None, ge=1, le=5, description="The customer's rating, 5 is best.")
    agent_label: Label | None = Field(default=None, description="The label a person gave this ticket, if one did.")

    @property
    def solved(self) -> bool:
        """Whether this snapshot shows a solved ticket: it says so, or was updated while it holds a resolution."""
        return self.reason in ("solved", "rated") or (self.reason == "updated" and self.resolution is not None)


class TicketDeleted(Event):
    """The ticket is gone at its source; only ids and the version remain."""

    reason: Literal["deleted"]
    ticket_id: SourceId


TicketEvent = Annotated[TicketSnapshot | TicketDeleted, Field(discriminator="reason")]
TICKET_EVENT: TypeAdapter[TicketSnapshot | TicketDeleted] = TypeAdapter(TicketEvent)

Action = Literal["auto", "review", "abstain"]


class LabelScore(Frozen):
    """A label with its share of the vote, or the head's probability."""

    label: str
    share: Share


class Decision(Frozen):
    """Where a ticket should go, and how sure that is."""

    action: Action
    action_reason: str = Field(description="Why this action, as a fixed word such as `no_labelled_neighbours`.")
    label: str | None = None
    queue: str | None = None
    priority: Priority = Field(description="The ticket's own, or the higher one that the policy gives this label.")
    confidence: Share | None = Field(
        default=None, description="Share of the vote for the first label, or the head's probability."
    )
    top: tuple[LabelScore, ...] = ()
    previous_queue: str | None = Field(
        default=None, description="The queue of the ticket's earlier result, if it had one."
    )
    policy: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the routing.toml that was followed.")
    head: str | None = Field(default=None, description="Fingerprint of the trained head; null: labelled tickets voted.")
    scope: Score | None = Field(
        default=None, description="How like the head's training texts this one is; below the head's limit: abstain."
    )

    @model_validator(mode="after")
    def _abstention_names_no_queue(self) -> "Decision":
        if (self.action == "abstain") != (self.queue is None):
            raise ValueError("a decision has a queue unless it abstains")
        return self


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

    unrated: int = Field(ge=0, description="Without a rating; MILLRACE_SIMILAR__INCLUDE_UNRATED lets them in.")
    rated_too_low: int = Field(ge=0, description="Rated below MILLRACE_SIMILAR__MIN_SATISFACTION.")


class QuotedSentence(Frozen):
    """A sentence of a solved ticket's resolution, word for word."""

    ticket_id: SourceId
    text: str


class SuggestedReply(Frozen):
    """Sentences of the best resolutions, for an agent to start from; nothing in it is invented, and nothing is checked."""

    text: str = Field(description="The sentences, one after the other.")
    sentences: tuple[QuotedSentence, ...] = Field(min_length=1, max_length=3)


class Origin(Frozen):
    """The input record that a result or a dead letter came from."""

    topic: str
    topic_id: str | None = Field(
        default=None, description="The broker's id of the topic: one made later under the same name has another."
    )
    partition: int = Field(ge=0)
    offset: int = Field(ge=0)


class TicketRouted(Frozen):
    """The result for one ticket version. Readers keep the highest `event_version` per (tenant_id, ticket_id)."""

    schema_version: Literal[1] = 1
    tenant_id: TenantId
    ticket_id: SourceId
    event_version: EventVersion
    occurred_at: UtcDatetime
    decision: Decision
    similar: tuple[SimilarTicket, ...] = Field(default=(), max_length=5)
    similar_left_out: SimilarLeftOut | None = Field(
        default=None, description="Why `similar` is empty; null: it is not, or that was not counted."
    )
    suggested_reply: SuggestedReply | None = Field(
        default=None, description="Null: no hit is like enough, or none has a resolution."
    )
    text_windows: int = Field(ge=1, description="How many model windows the text filled; more than 1: it was split.")
    model: str = Field(description="Fingerprint of the embedding model, 8 hex digits.")
    source: Origin
