"""What is done with a transcript, whatever the stream: masking, the text to embed, and what fits into a message."""

from schemas.speech import Transcript, TranscriptSegment
from shared.text.normalise import normalise
from shared.text.spoken import SpokenSegment, mask_segments

RESULT_CHARS = 400_000
"""Most characters of a transcript in a result: with the rest of each segment, they fit into a message of 1 MiB."""

EXCERPT_CHARS = 500
"""Most characters of an excerpt, by which people recognise a call."""

QUESTION_CHARS = 2_000
"""Most characters of a transcript whose words are searched for: with those of a call of hours, a query takes seconds. The
vector is that of the whole transcript."""

CUSTOMER = "customer"
"""The name of the speaker who is the customer."""

SEGMENT_CHARS = 110
"""What a segment takes in JSON in addition to its text."""


def masked(transcript: Transcript, region: str) -> Transcript:
    """Return a transcript with personal data masked, whether spoken or written; segments that become empty are dropped.

    Args:
        transcript: The transcript as it was recognised.
        region: Region of phone numbers without a country code, ISO 3166-1 alpha-2.
    """
    languages = {each.speaker: each.language for each in transcript.speakers}
    spoken = [
        SpokenSegment(normalise(each.text), each.speaker, languages.get(each.speaker)) for each in transcript.segments
    ]
    pairs = zip(transcript.segments, mask_segments(spoken, region), strict=True)
    segments = tuple(segment.model_copy(update={"text": text}) for segment, text in pairs if text)
    return transcript.model_copy(update={"segments": segments})


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


def opening_of(transcript: Transcript, limit_chars: int) -> str:
    """Return the beginning of what the customer says; if the transcript names no customer, of all that is said."""
    said = [segment for segment in transcript.segments if not segment.is_repetition]
    customer = [segment for segment in said if segment.speaker == CUSTOMER]
    text = " ".join(segment.text for segment in customer or said)
    return text if len(text) <= limit_chars else text[: limit_chars - 1].rsplit(" ", 1)[0] + "…"


def speech_share(transcript: Transcript) -> float:
    """Return the share of a recording's time in which somebody speaks; where two speak at once, it counts twice."""
    speech_s = sum(each.speech_s for each in transcript.speakers)
    return min(1.0, speech_s / transcript.duration_s) if transcript.duration_s > 0 else 0.0


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
