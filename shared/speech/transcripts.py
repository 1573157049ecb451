"""What is done with a transcript, whatever the stream: masking, the text to embed, and what fits into a message."""

from schemas.speech import Transcript, TranscriptSegment
from shared.text.preparation import Preparer

RESULT_CHARS = 400_000
"""Most characters of a transcript in a result: with the rest of each segment, they fit into a message of 1 MiB."""

SEGMENT_CHARS = 110
"""What a segment takes in JSON in addition to its text."""


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
