"""Determines the result of a call: the decision on its transcript, or why none can be made, and similar tickets."""

from collections.abc import Sequence

from schemas.calls import CallRecorded
from schemas.search import SimilarCall, SimilarTicket
from schemas.speech import Transcript
from shared.routing.decider import Undecided
from shared.search.elsewhere import SearchElsewhere
from shared.search.similar import Question, SimilarSearch
from shared.speech.transcripts import QUESTION_CHARS, opening_of
from workers.calls.prepare import TEXT, CallItem

COVERAGE_LEAST = 0.5
"""If text accounts for less of the speech, the transcript is too poor to decide by."""

LANGUAGE_SHARE_LEAST = 0.4
"""If the probability of the language is lower, the words may be those of another language."""


def find_similar(
    items: Sequence[CallItem], tickets: SearchElsewhere[SimilarTicket], calls: SimilarSearch[SimilarCall]
) -> None:
    """Set the similar solved tickets, the suggested reply and the similar calls of every call in which somebody speaks.

    Raises:
        Unavailable: the store cannot be read.
    """
    spoken = [item for item in items if item.text]
    questions = [_question(item) for item in spoken]
    for item, solved in zip(spoken, tickets.find(questions), strict=True):
        item.similar, item.suggested_reply = solved.similar, solved.reply
        item.similar_left_out = solved.left_out
    for item, others in zip(spoken, calls.find(questions), strict=True):
        item.similar_calls = others.similar
        item.similar_calls_left_out = others.left_out


def _question(item: CallItem) -> Question:
    customer_id = item.event.customer_id if isinstance(item.event, CallRecorded) else None
    if item.transcript is None:
        raise ValueError("a call without a transcript was passed to the search")
    return Question(
        item.event.tenant_id,
        opening_of(item.transcript, QUESTION_CHARS),
        item.text_vector,
        item.event.occurred_at,
        item.point_id,
        None if item.stored is None else item.stored.payload,
        language=item.language,
        customer_id=customer_id,
    )


def undecided(item: CallItem) -> Undecided:
    """Return the data by which a call is decided."""
    event = item.event
    if not isinstance(event, CallRecorded) or item.transcript is None:
        raise ValueError("a call without a transcript was passed to the decision")
    return Undecided(
        point_id=item.point_id,
        tenant_id=event.tenant_id,
        text=item.text,
        vectors={TEXT: item.text_vector},
        priority=event.priority,
        agent_decided=event.agent_label is not None,
        previous_queue=item.previous_queue,
        abstains=reason_to_abstain(item.transcript) or (None if item.text else "no_text"),
    )


def reason_to_abstain(transcript: Transcript) -> str | None:
    """Return why a call cannot be decided by its transcript: `no_speech`, `poor_transcript`, `uncertain_language`."""
    if transcript.no_speech:
        return "no_speech"
    if transcript.coverage < COVERAGE_LEAST or all(segment.is_repetition for segment in transcript.segments):
        return "poor_transcript"
    known = [each.language_share for each in transcript.speakers if each.language is not None]
    return "uncertain_language" if known and max(known) < LANGUAGE_SHARE_LEAST else None
