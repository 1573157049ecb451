"""A transcript: what was said in a recording, by whom, when, in which language, and what remains unaccounted for."""

from typing import Annotated

from pydantic import AfterValidator, Field

from schemas.base import Frozen
from schemas.decisions import Share

TIME_DIGITS = 3


def milliseconds(value: float) -> float:
    """Return a time in seconds, rounded to milliseconds."""
    return round(value, TIME_DIGITS)


Seconds = Annotated[float, Field(ge=0), AfterValidator(milliseconds)]


class TranscriptSegment(Frozen):
    """Something that was said without a longer pause."""

    start_s: Seconds = Field(description="Where it begins, in seconds from the start of the recording.")
    end_s: Seconds
    speaker: str | None = Field(description="Who speaks; null if the recording has one channel.")
    text: str
    is_repetition: bool = Field(
        default=False,
        description="Whether the recogniser seems to have repeated itself instead of listening; do not rely on the text.",
    )


class SpeakerSummary(Frozen):
    """What is known of one speaker's part of a recording."""

    speaker: str | None
    language: str | None = Field(description="Primary BCP 47 subtag; null if the speaker says nothing.")
    language_share: Share = Field(description="Probability of the language; 1 if it was not detected but given.")
    speech_s: Seconds = Field(description="Seconds of speech.")
    no_speech_s: Seconds = Field(description="Seconds of them that sounded like speech but were found to be none.")
    covered_s: Seconds = Field(description="Seconds of them that text accounts for.")


class Transcript(Frozen):
    """What was said in a recording."""

    duration_s: Seconds
    segments: tuple[TranscriptSegment, ...] = Field(description="In the order of their beginning.")
    speakers: tuple[SpeakerSummary, ...]
    coverage: Share = Field(description="Share of the speech that text accounts for; 1 if there is no speech.")
    no_speech: bool = Field(description="Whether nobody speaks; then there are no segments.")
    is_dual_mono: bool = Field(description="Whether both channels hold the same sound, which was recognised once.")
    is_truncated: bool = Field(description="Whether the file states more sound than it holds.")
    model: str = Field(description="Fingerprint of the recogniser, 8 hex digits.")

    @property
    def text(self) -> str:
        """All that was said, in order."""
        return " ".join(segment.text for segment in self.segments)
