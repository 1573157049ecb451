"""The calls stream: its stages and its descriptor, `CALLS`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from typing_extensions import override

from schemas.base import Frozen, Origin
from schemas.calls import (
    CALL_EVENT,
    CallContent,
    CallDeleted,
    CallFlag,
    CallPayload,
    CallRecorded,
    CallRouted,
    CallTombstone,
)
from schemas.decisions import Priority
from schemas.search import SimilarCall, SimilarTicket
from schemas.speech import Transcript
from schemas.tickets import TICKET_POINTS
from shared.embedding import port as modality
from shared.engine.resources import Resources
from shared.engine.snapshots import Asks
from shared.engine.stages import Content, Stages
from shared.engine.stream import Imported, Input, Stream
from shared.errors import Fatal
from shared.facts import Measures, Traits
from shared.media.decoding.kinds import SOUNDS
from shared.media.port import MediaContent
from shared.routing.decider import Decider
from shared.search.elsewhere import SearchElsewhere
from shared.search.federated.findable import FINDABLE_CALLS
from shared.search.filterable import Filterable
from shared.search.shown import FINISHED_CALLS, SOLVED_TICKETS
from shared.search.similar import TERMS_VECTOR, SimilarSearch
from shared.speech import sound
from shared.speech.resources import Speech
from shared.speech.transcripts import EXCERPT_CHARS, cut_to_size, opening_of, speech_share, text_of
from shared.text.customers import CustomerIds
from shared.text.preparation import Preparer
from shared.vectorstore.terms import CALL_TERMS, terms_digest
from workers.calls.decide import find_similar, reason_to_abstain, undecided
from workers.calls.prepare import AUDIO, SOUND, TEXT, CallItem, complete, estimated_seconds, media_of, prepare

RESULT_TOPIC = "calls.routed"


@dataclass(frozen=True, slots=True)
class CallStages(Stages[CallItem]):
    """What the calls stream supplies to the pipeline."""

    preparer: Preparer
    region: str
    customers: CustomerIds
    decider: Decider
    speech: Speech
    tickets: SearchElsewhere[SimilarTicket]
    calls: SimilarSearch[SimilarCall]
    model: str

    @classmethod
    def of(cls, resources: Resources) -> "CallStages":
        """Create the stages of a worker.

        Raises:
            Fatal: no model of speech was passed.
        """
        if resources.speech is None:
            raise Fatal("the calls stream needs a model of speech")
        return cls(
            preparer=Preparer(resources.preparation),
            region=resources.preparation.phone_region,
            customers=CustomerIds(resources.customer_key, resources.preparation.phone_region),
            decider=resources.decider,
            speech=resources.speech,
            tickets=SearchElsewhere(
                lambda: resources.others(TICKET_POINTS.stream),
                SOLVED_TICKETS,
                resources.search_of(TICKET_POINTS.stream),
                TICKET_POINTS.is_ours,
            ),
            calls=SimilarSearch(resources.collection, FINISHED_CALLS, resources.search, CALLS.points.is_ours),
            model=resources.models[modality.TEXT.name],
        )

    def read_media(self, item: CallItem, name: str, content: MediaContent) -> None:
        """Find the speech in the recording."""
        item.recording = self.speech.reader.analyse(content, name, lambda: self.speech.beat("prepare"))

    @override
    def prepare(self, items: Sequence[CallItem]) -> None:
        """Mask the fields of every call, and set the digest of its recording."""
        for item in items:
            prepare(item, self.preparer, self.customers, self.speech.recogniser.fingerprint)

    def complete(self, items: Sequence[CallItem]) -> None:
        """Recognise every call whose recording is new."""
        complete(items, self.speech, self.region)

    @override
    def decide(self, items: Sequence[CallItem]) -> None:
        """Decide by the transcript, and search for similar tickets and calls."""
        self.decider.decide_items(items, undecided)
        find_similar(items, self.tickets, self.calls)

    @override
    def content(self, item: CallItem) -> Content:
        event, transcript = _snapshot(item)
        content = CallContent(
            **event.model_dump(include={"occurred_at", "customer_id", "priority", "attributes", "satisfaction"}),
            transcript=transcript,
            recognised=item.recognised,
            excerpt=opening_of(transcript, EXCERPT_CHARS),
            detected_language=item.language,
            linked_ticket_id=event.ticket_id,
            label=event.agent_label,
            flags=flags(event, transcript),
        )
        return Content(content.model_dump(mode="json"), {TERMS_VECTOR: self.calls.stored_terms(item.text)})

    def measures(self, item: CallItem) -> Measures:
        """Return what the metrics show of a call."""
        event, transcript = item.event, item.transcript
        if isinstance(event, CallDeleted) or transcript is None:
            return Measures()
        return Measures(
            person_label=event.agent_label,
            is_empty=transcript.no_speech,
            offered=tuple(each.parts.dense for each in (*item.similar, *item.similar_calls)),
            sizes={
                "millrace_input_characters": len(item.text),
                "millrace_call_sound_seconds": transcript.duration_s,
                "millrace_call_speech_share": speech_share(transcript),
                "millrace_call_coverage": transcript.coverage,
            },
            traits=Traits(
                language=item.language,
                length_chars=len(item.text),
                customer_id=event.customer_id,
                text=item.text,
            ),
        )

    @override
    def results(self, item: CallItem, origin: Origin) -> list[tuple[str, Frozen]]:
        """Return the result of a call that is routed."""
        if item.decision is None:
            raise ValueError("a routed item has no decision")
        event, transcript = _snapshot(item)
        shown, left_out_s = cut_to_size(transcript)
        result = CallRouted(
            tenant_id=event.tenant_id,
            call_id=event.call_id,
            ticket_id=event.ticket_id,
            event_version=event.event_version,
            occurred_at=item.occurred_at,
            language=item.language,
            transcript=shown,
            left_out_s=left_out_s,
            decision=item.decision,
            similar=item.similar,
            similar_left_out=item.similar_left_out,
            similar_calls=item.similar_calls,
            similar_calls_left_out=item.similar_calls_left_out,
            suggested_reply=item.suggested_reply,
            text_windows=item.embedded[TEXT].windows,
            model=self.model,
            source=origin,
        )
        return [(RESULT_TOPIC, result)]


def asks(event: CallRecorded | CallDeleted) -> Asks:
    """Return whether an event asks for a result: a finished call always, one in progress if its recording has changed."""
    if event.reason == "recorded":
        return Asks.ALWAYS
    return Asks.IF_CHANGED if event.reason in ("progress", "updated") else Asks.NEVER


def flags(event: CallRecorded, transcript: Transcript) -> tuple[CallFlag, ...]:
    """Return the flags by which searches filter."""
    is_finished = event.reason != "progress" and reason_to_abstain(transcript) is None
    found: list[tuple[CallFlag, bool]] = [("finished", is_finished), ("labelled", event.agent_label is not None)]
    return tuple(flag for flag, holds in found if holds)


def stored_traits(payload: Mapping[str, Any]) -> Traits:
    """Return the traits of a stored call, as `CallStages.measures` returned them."""
    text = text_of(Transcript.model_validate(payload["transcript"], strict=False))
    return Traits(payload["detected_language"], None, len(text), payload["customer_id"], text)


def _snapshot(item: CallItem) -> tuple[CallRecorded, Transcript]:
    if isinstance(item.event, CallDeleted) or item.transcript is None:
        raise ValueError("a deletion was passed where a call with its transcript is needed")
    return item.event, item.transcript


CALLS: Stream[CallRecorded | CallDeleted, CallItem] = Stream(
    name="calls",
    id_field="call_id",
    events=CALL_EVENT,
    snapshot=CallRecorded,
    payload=CallPayload,
    tombstone=CallTombstone,
    result=CallRouted,
    result_topics=(RESULT_TOPIC,),
    item=CallItem,
    inputs=(Input(TEXT, modality.TEXT, affects_result=True),),
    asks=asks,
    cost=estimated_seconds,
    cost_unit="seconds",
    stages=CallStages.of,
    indexes={"tenant_id": "keyword", "flags": "keyword", "satisfaction": "integer"},
    filters={
        "occurred_at": Filterable(("occurred_at",), "datetime"),
        "priority": Filterable(("priority",), "keyword", choices=get_args(Priority)),
        "label": Filterable(("label",), "keyword"),
        "predicted": Filterable(("decision", "label"), "keyword"),
        "queue": Filterable(("decision", "queue"), "keyword"),
        "language": Filterable(("detected_language",), "keyword"),
        "satisfaction": Filterable(("satisfaction",), "integer"),
        "duration_s": Filterable(("transcript", "duration_s"), "float"),
        "ticket_id": Filterable(("linked_ticket_id",), "keyword"),
    },
    sparse=(TERMS_VECTOR,),
    searchable=FINISHED_CALLS,
    findable=FINDABLE_CALLS,
    stored_traits=stored_traits,
    imported=Imported(AUDIO, "recorded", SOUNDS),
    recognises_speech=True,
    sound=Input(SOUND, sound.SOUND),
    media=media_of,
    conditions=4,  # of a similar search: tenant, finished, rated high enough or not rated
    variants=(terms_digest(CALL_TERMS),),  # another tokenizer of terms needs another collection
)
