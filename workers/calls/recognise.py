"""Completes calls: their transcripts, recognised or taken from the store, masked, and joined into the text to embed."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from schemas.calls import CallRecorded
from schemas.failures import FailureReason
from schemas.speech import Transcript, TranscriptSegment
from shared.engine.snapshots import digest_field
from shared.errors import Rejected
from shared.speech.port import Recogniser
from shared.speech.recordings import transcript_of
from shared.speech.resources import Speech
from shared.speech.transcription import Transcriber, VoiceTranscript
from shared.text.preparation import Preparer
from workers.calls.prepare import AUDIO, TEXT, CallItem, hint_of, speakers_of

STAGE = "recognise"
RESULT_CHARS = 400_000
"""Most characters of a transcript in a result: with the rest of each segment, they fit into a message of 1 MiB."""

SEGMENT_CHARS = 110
"""What a segment takes in JSON in addition to its text."""


def complete(items: Sequence[CallItem], speech: Speech, preparer: Preparer) -> None:
    """Set the transcript and the text of every call; a call on which the model fails is rejected.

    Calls whose recording is unchanged keep the stored transcript. Pieces of the others share batches.

    Raises:
        DeviceLost: the device is dead.
    """
    unknown = [item for item in items if isinstance(item.event, CallRecorded) and not _restore(item)]
    transcriber = Transcriber(speech.recogniser, speech.batch_pieces)
    said: list[tuple[CallItem, list[VoiceTranscript]]] = []
    for item in unknown:
        if item.recording is not None and isinstance(item.event, CallRecorded):
            try:
                said.append((item, speech.reader.submit(item.recording, transcriber, hint_of(item.event))))
            except Rejected as rejected:
                item.rejected = rejected
    transcriber.finish()
    for item, voices in said:
        _finish(item, voices, speech.recogniser, preparer)


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
    item.inputs = {TEXT: text_of(item.transcript)}
    return True


def _finish(item: CallItem, voices: Sequence[VoiceTranscript], recogniser: Recogniser, preparer: Preparer) -> None:
    failure = next((voice.failure for voice in voices if voice.failure is not None), None)
    if failure is not None:
        item.rejected = Rejected(FailureReason.MODEL_FAILED, AUDIO, type(failure).__name__, STAGE)
        return
    if item.recording is None or not isinstance(item.event, CallRecorded):
        raise ValueError("a call without a recording was recognised")
    transcript = transcript_of(item.recording, voices, recogniser, speakers_of(item.event))
    item.transcript = masked(transcript, preparer)
    item.inputs = {TEXT: text_of(item.transcript)}


def masked(transcript: Transcript, preparer: Preparer) -> Transcript:
    """Return a transcript with personal data masked."""
    segments = [each.model_copy(update={"text": preparer.field(each.text)}) for each in transcript.segments]
    return transcript.model_copy(update={"segments": tuple(segments)})


def text_of(transcript: Transcript) -> str:
    """Return the text of a transcript that is embedded: a line for each turn of a speaker, without repetitions."""
    turns: list[list[TranscriptSegment]] = []
    for segment in transcript.segments:
        if segment.is_repetition:
            continue
        if turns and turns[-1][0].speaker == segment.speaker:
            turns[-1].append(segment)
        else:
            turns.append([segment])
    return "\n".join(" ".join(segment.text for segment in turn) for turn in turns)


def cut_to_size(transcript: Transcript) -> tuple[Transcript, float]:
    """Return the transcript as a result shows it, and the seconds at its end that do not fit into a message."""
    left, kept = RESULT_CHARS, 0
    for segment in transcript.segments:
        left -= len(segment.text.encode()) + SEGMENT_CHARS
        if left < 0:
            break
        kept += 1
    if kept == len(transcript.segments):
        return transcript, 0.0
    left_out_s = max(0.0, transcript.duration_s - transcript.segments[kept].start_s)
    return transcript.model_copy(update={"segments": transcript.segments[:kept]}), left_out_s
