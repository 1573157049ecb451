"""Prepares a validated call: masks the fields that are stored, and later sets its transcript and its text.

The transcript needs the device and what is stored, so that `complete` runs after the lookup.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from schemas.calls import CallDeleted, CallRecorded, RecognisedPart
from schemas.failures import FailureReason
from schemas.media import Media
from schemas.search import SimilarCall, SimilarLeftOut, SimilarTicket, SuggestedReply
from schemas.speech import Transcript
from shared.embedding.audio.port import Recogniser
from shared.engine.snapshots import Item, digest_field
from shared.errors import Deferred, Rejected
from shared.records import Record, Vector
from shared.speech.analysis import Mark
from shared.speech.continuing import continued
from shared.speech.recordings import Recording, transcript_of
from shared.speech.resources import Speech
from shared.speech.transcription import Transcriber, VoiceTranscript
from shared.speech.transcripts import masked, text_of
from shared.text.customers import CustomerIds
from shared.text.language import known_language
from shared.text.preparation import Preparer

TEXT, SOUND, AUDIO = "text", "sound", "audio"
"""The inputs of a call: its transcript, and how it sounds; and the field of its recording."""

STAGE = "recognise"

INLINE = b'"inline"'
BYTES_PER_SECOND = 2_000
"""A rough figure for compressed speech; it is used only to limit a poll batch before anything is decoded."""


@dataclass(slots=True, kw_only=True)
class CallItem(Item[CallRecorded | CallDeleted]):
    """A call event on its way through the pipeline.

    Attributes:
        recording: The recording with its speech; None if its media could not be loaded.
        recogniser: Fingerprint of the model of speech.
        transcript: What was said, with personal data masked.
    """

    recording: Recording | None = None
    recogniser: str = ""
    transcript: Transcript | None = None
    similar: tuple[SimilarTicket, ...] = ()
    similar_left_out: SimilarLeftOut | None = None
    similar_calls: tuple[SimilarCall, ...] = ()
    similar_calls_left_out: SimilarLeftOut | None = None
    suggested_reply: SuggestedReply | None = None

    @property
    def recognised(self) -> RecognisedPart | None:
        """The part of the recording that a longer one may continue; what is stored of it if there is no recording."""
        if self.recording is None:
            found: Any = None if self.stored is None else self.stored.payload.get("recognised")
            try:
                return None if found is None else RecognisedPart.model_validate(found, strict=False)
            except ValidationError:
                return None
        marks = self.recording.analysed.marks
        return RecognisedPart(samples=marks[-1].samples, digest=marks[-1].digest) if marks else None

    @property
    def text(self) -> str:
        """The transcript as one text: it is embedded and searched by terms, and the call is decided by it."""
        return str(self.inputs.get(TEXT, ""))

    @property
    def text_vector(self) -> Vector:
        """The vector of the transcript; every item that is decided has it."""
        return self.embedded[TEXT].vector

    @property
    def language(self) -> str | None:
        """The customer's language, else that of the first speaker who says something."""
        if self.transcript is None:
            return None
        spoken = sorted(self.transcript.speakers, key=lambda each: each.speaker != "customer")
        return next((each.language for each in spoken if each.language is not None), None)


def prepare(item: CallItem, preparer: Preparer, customers: CustomerIds, recogniser: str) -> None:
    """Replace the item's event by the prepared one, and set the digest of all that its transcript depends on.

    Args:
        item: The item.
        preparer: Masks attributes.
        customers: Replaces customer ids that are personal data.
        recogniser: Fingerprint of the model of speech.
    """
    event = item.event
    if isinstance(event, CallDeleted):
        return
    prepared = {
        "customer_id": None if event.customer_id is None else customers.stored(event.tenant_id, event.customer_id),
        "attributes": preparer.attributes(event.attributes),
    }
    item.event = event.model_copy(update=prepared)
    item.recogniser = recogniser
    if item.recording is not None:
        parts = (sha256(item.recording.content).hexdigest(), recogniser, hint_of(event) or "", str(event.agent_channel))
        item.digests = {TEXT: sha256("\n".join(parts).encode()).hexdigest()}
        if event.reason != "progress" and item.recording.analysed.speech_s:
            item.inputs = {SOUND: item.recording}


def hint_of(event: CallRecorded) -> str | None:
    """Return the language that the source names, as a primary subtag."""
    return known_language(None, event.language)


def media_of(event: CallRecorded | CallDeleted) -> dict[str, Media]:
    """Return the media of an event."""
    return {AUDIO: event.audio} if isinstance(event, CallRecorded) else {}


def speakers_of(event: CallRecorded) -> tuple[str, str]:
    """Return the names of the speakers on the left and on the right channel."""
    if event.agent_channel is None:
        return ("left", "right")
    return ("agent", "customer") if event.agent_channel == "left" else ("customer", "agent")


def estimated_seconds(record: Record) -> int:
    """Estimate a record's seconds of sound from its size; a recording by reference counts as a minute."""
    value = record.value or b""
    return max(1, len(value) * 3 // 4 // BYTES_PER_SECOND) if INLINE in value else 60


def complete(items: Sequence[CallItem], speech: Speech, region: str) -> None:
    """Set the transcript and the text of every call; a call on which the model fails is rejected.

    Calls whose recording is unchanged keep the stored transcript. Pieces of the others share batches.

    Args:
        items: The calls.
        speech: What recognises them.
        region: Region of phone numbers without a country code, ISO 3166-1 alpha-2.

    Raises:
        DeviceLost: the device is dead.
    """
    unknown = [
        item
        for item in items
        if isinstance(item.event, CallRecorded) and not _restore(item) and item.transcript is None
    ]
    transcriber = Transcriber(speech.recogniser, speech.batch_pieces, lambda _: speech.beat("process"))
    said: list[tuple[CallItem, list[VoiceTranscript]]] = []
    for item in unknown:
        if item.recording is None or not isinstance(item.event, CallRecorded):
            _refuse(item)
            continue
        hint, known = hint_of(item.event), _known_part(item)
        recording, voices = (item.recording, None) if known is None else known
        try:
            found = speech.reader.submit(recording, transcriber, hint, voices, lambda: speech.beat("process"))
            said.append((item, found))
        except Rejected as rejected:
            item.rejected = rejected
    transcriber.finish()
    for item, voices in said:
        _finish(item, voices, speech.recogniser, region)


def _refuse(item: CallItem) -> None:
    """Defer or reject a call that has neither a recording nor a stored transcript that can be used."""
    if isinstance(item.media_failure, Deferred):
        item.deferred = item.media_failure
    else:
        why = "there is no recording, and what is stored of it cannot be used"
        item.rejected = item.media_failure or Rejected(FailureReason.MEDIA_UNREADABLE, AUDIO, why, STAGE)


def _known_part(item: CallItem) -> tuple[Recording, list[VoiceTranscript]] | None:
    """Return what is new of a recording that continues the stored one, and what was said before; None if it does not."""
    if item.stored is None or item.recording is None or not isinstance(item.event, CallRecorded):
        return None
    payload: Any = item.stored.payload
    try:
        transcript = Transcript.model_validate(payload.get("transcript"), strict=False)
        part = RecognisedPart.model_validate(payload.get("recognised"), strict=False)
    except ValidationError:  # it was too short, or another program has overwritten it
        return None
    if transcript.model != item.recogniser:
        return None
    mark = Mark(part.samples, part.digest)
    return continued(item.recording, transcript, mark, speakers_of(item.event), hint_of(item.event))


def _restore(item: CallItem) -> bool:
    """Take the stored transcript, if it is of the same recording or of this very version; return whether it is."""
    stored = item.stored
    if stored is None:
        return False
    is_same_recording = stored.payload.get(digest_field(TEXT)) == item.digests.get(TEXT, ...)
    if not is_same_recording and stored.version != item.version and item.recording is not None:
        return False
    found: Any = stored.payload.get("transcript")
    try:
        item.transcript = Transcript.model_validate(found, strict=False)
    except ValidationError:  # another program has overwritten it
        return False
    item.inputs[TEXT] = text_of(item.transcript)
    return True


def _finish(item: CallItem, voices: Sequence[VoiceTranscript], recogniser: Recogniser, region: str) -> None:
    failure = next((voice.failure for voice in voices if voice.failure is not None), None)
    if failure is not None:
        item.rejected = Rejected(FailureReason.MODEL_FAILED, AUDIO, type(failure).__name__, STAGE)
        return
    if item.recording is None or not isinstance(item.event, CallRecorded):
        raise ValueError("a call without a recording was recognised")
    transcript = transcript_of(item.recording, voices, recogniser, speakers_of(item.event))
    item.transcript = masked(transcript, region)
    item.inputs[TEXT] = text_of(item.transcript)
