"""The calls stream: the input event, the stored payload, and the result that is published for a routed call.

A call event is a snapshot of the whole call as of its `event_version`; `reason` states why it was sent. While a call is
in progress, each snapshot refers to a longer recording.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.attributes import ATTRIBUTES_LIMIT, AttributeName, AttributeValue, Rating, StoredValue
from schemas.base import Deletion, Event, EventVersion, Frozen, Origin, SourceId, TenantId, UtcDatetime
from schemas.decisions import Decision, Label, Priority
from schemas.media import Media
from schemas.points import StoredItem, Tombstone
from schemas.search import SIMILAR_LIMIT, SimilarCall, SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.speech import Seconds, Transcript

Side = Literal["left", "right"]
"""The channel of a stereo recording."""


class CallRecorded(Event):
    """The whole call as of `event_version`."""

    reason: Literal["recorded", "progress", "updated", "rated"] = Field(
        description="Why the source sent this snapshot; `progress` while the call goes on."
    )
    call_id: SourceId = Field(description="The call's id in the source system.")
    audio: Media = Field(description="The recording, inline or by reference; its bytes decide its kind.")
    codec: str | None = Field(
        default=None, max_length=64, description="The codec as the source states it; only a note, which is not used."
    )
    agent_channel: Side | None = Field(
        default=None,
        description="The channel of a stereo recording on which the agent is; the customer is on the other one.",
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        description="The language as a BCP 47 tag; only a hint, for a voice whose language is uncertain.",
    )
    customer_id: SourceId | None = None
    ticket_id: SourceId | None = Field(default=None, description="The ticket that the call belongs to, if any.")
    priority: Priority = "normal"
    attributes: dict[AttributeName, AttributeValue] = Field(
        default_factory=dict,
        max_length=ATTRIBUTES_LIMIT,
        description="Any additional fields of the source system, without nesting.",
    )
    satisfaction: Rating | None = Field(default=None, description="The customer's rating; 5 is best.")
    agent_label: Label | None = Field(default=None, description="The label that a person gave this call, if any.")


class CallDeleted(Deletion):
    """The call was deleted at its source; only ids and the version remain."""

    call_id: SourceId


CallEvent = Annotated[CallRecorded | CallDeleted, Field(discriminator="reason")]
CALL_EVENT: TypeAdapter[CallRecorded | CallDeleted] = TypeAdapter(CallEvent)

CallFlag = Literal["labelled", "finished"]
"""`labelled`: the call may vote. `finished`: the call is over and was understood, so that it is offered as similar."""


class RecognisedPart(Frozen):
    """The beginning of a recording: if a longer recording begins alike, only the rest of it is recognised."""

    samples: int = Field(ge=0, description="Its length in decoded samples.")
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of these samples.")


class CallContent(Frozen):
    """The fields that the calls stream stores for a snapshot, for the filters of searches and to show in hits."""

    occurred_at: UtcDatetime
    transcript: Transcript = Field(description="All that was said, with personal data masked.")
    recognised: RecognisedPart | None = Field(
        default=None, description="The part of the recording that a longer one may continue; null if it is too short."
    )
    excerpt: str = Field(
        description="The beginning of what the customer says; if the customer is unknown, of the call."
    )
    detected_language: str | None = Field(
        description="Primary BCP 47 subtag of the customer's language, else of the first speaker's; null if nobody speaks."
    )
    customer_id: SourceId | None
    linked_ticket_id: SourceId | None
    priority: Priority
    attributes: dict[str, StoredValue]
    satisfaction: Rating | None
    label: str | None = Field(description="The agent's label, which the vote of neighbours counts.")
    flags: tuple[CallFlag, ...] = Field(description="Flags that searches filter on; see `CallFlag`.")


class CallPayload(CallContent, StoredItem):
    """Payload of a call's point: the call's fields, and those that the engine compares with the next version."""

    call_id: SourceId
    text_digest: str = Field(description="SHA-256 of the recording and of all that the transcript depends on.")
    sound_digest: str | None = Field(
        default=None,
        description="Digest of the recording whose sound has a vector; null if it has no such vector.",
    )
    text_windows: int = Field(ge=1, description="Number of windows that the transcript was cut into.")
    decision: Decision | None = Field(
        description="The decision that was last published; if its version arrives again, it is published again."
    )


class CallTombstone(Tombstone):
    """Payload of a deleted call: ids and version, without text and without a vector. No older event can undo it."""

    call_id: SourceId


class CallRouted(Frozen):
    """The result for one call version. Readers keep the highest `event_version` per (tenant_id, call_id)."""

    schema_version: Literal[1] = 1
    tenant_id: TenantId
    call_id: SourceId
    ticket_id: SourceId | None
    event_version: EventVersion
    occurred_at: UtcDatetime
    language: str | None = Field(
        description="Primary BCP 47 subtag of the customer's language, else of the first speaker's; null if nobody speaks."
    )
    transcript: Transcript
    left_out_s: Seconds = Field(
        description="Seconds of the call that its transcript here leaves out, because the result would not fit into a "
        "message; the stored call has all of it."
    )
    decision: Decision
    similar: tuple[SimilarTicket, ...] = Field(
        default=(), max_length=SIMILAR_LIMIT, description="Similar solved tickets of the same tenant, best first."
    )
    similar_left_out: SimilarLeftOut | None = Field(
        default=None,
        description="Why `similar` is empty: how many solved tickets were left out, by reason; null if `similar` is not "
        "empty, or if the reasons were not counted.",
    )
    similar_calls: tuple[SimilarCall, ...] = Field(
        default=(),
        max_length=SIMILAR_LIMIT,
        description="Other finished calls of the same tenant in which something similar was said, best first; by the same "
        "rules as for tickets, only those with a rating that is good enough.",
    )
    similar_calls_left_out: SimilarLeftOut | None = Field(
        default=None,
        description="Why `similar_calls` is empty: how many finished calls were left out, by reason; null if it is not "
        "empty, or if the reasons were not counted.",
    )
    suggested_reply: SuggestedReply | None = Field(
        default=None,
        description="A reply quoted from the resolutions of similar tickets; null if no sentence is similar enough.",
    )
    text_windows: int = Field(ge=1, description="Number of windows that the transcript was cut into.")
    model: str = Field(description="Fingerprint of the embedding model, 8 hex digits.")
    source: Origin
