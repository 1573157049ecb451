"""A recording that goes on: what is known of its beginning is kept, and only the rest is recognised.

A longer recording continues an earlier one if its decoded samples begin alike, up to the last whole window of the earlier
one. Speech that ends well before that place is known; what comes after it is recognised again.
"""

from collections.abc import Sequence
from dataclasses import replace

from schemas.speech import SpeakerSummary, Transcript
from shared.speech.analysis import Mark, Voice
from shared.speech.port import RATE_HZ
from shared.speech.recordings import Recording
from shared.speech.transcription import Segment, VoiceTranscript

MARGIN_S = 2.0
"""Speech that ends less than this before the end of the common beginning is recognised again: its end may have been cut."""

INEXACT_S = 0.3
"""How far the time of a segment may lie beyond the speech that it belongs to."""


def continued(
    recording: Recording, known: Transcript, mark: Mark, speakers: Sequence[str], hint: str | None
) -> tuple[Recording, list[VoiceTranscript]] | None:
    """Return the recording with the speech that is new, and what its voices are known to say before it.

    Args:
        recording: The longer recording, as it was analysed.
        known: The transcript of the earlier one.
        mark: The end of the earlier one's last whole window, with the digest of all samples before it.
        speakers: The names of the speakers, by channel.
        hint: The language that the source names.

    Returns:
        None if the recording does not continue the earlier one, or has other speakers.
    """
    voices = recording.analysed.voices
    names = [speakers[voice.channel] if len(voices) > 1 else None for voice in voices]
    if mark not in recording.analysed.marks or [each.speaker for each in known.speakers] != names:
        return None
    border = mark.samples - round(MARGIN_S * RATE_HZ)
    said, rest = [], []
    for voice, summary in zip(voices, known.speakers, strict=True):
        old = [span for span in voice.spans if span.end <= border]
        new = voice.spans[len(old) :]
        begin_s = new[0].start / RATE_HZ if new else border / RATE_HZ
        said.append(_known(summary, known, min(begin_s, border / RATE_HZ), hint, Voice(voice.channel, tuple(old))))
        rest.append(Voice(voice.channel, new))
    return replace(recording, analysed=replace(recording.analysed, voices=tuple(rest))), said


def _known(summary: SpeakerSummary, known: Transcript, until_s: float, hint: str | None, old: Voice) -> VoiceTranscript:
    """Return what a voice is known to say until a time; its seconds are those of the share of its speech until then."""
    segments = [
        Segment(each.start_s, each.end_s, each.text, each.is_repetition)
        for each in known.segments
        if each.speaker == summary.speaker and each.end_s <= until_s + INEXACT_S
    ]
    share = min(1.0, old.speech_s / summary.speech_s) if summary.speech_s else 0.0
    return VoiceTranscript(
        hint=hint,
        language=summary.language,
        language_share=summary.language_share,
        speech_s=old.speech_s,
        covered_s=summary.covered_s * share,
        no_speech_s=summary.no_speech_s * share,
        segments=segments,
    )
