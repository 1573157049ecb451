"""A recording that goes on: what is known of its beginning is kept, and only the rest is recognised.

A longer recording continues an earlier one if its decoded samples begin alike, up to the last whole window of the earlier
one. Speech that ends well before that place is known; what comes after it is recognised again.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from schemas.speech import SpeakerSummary, Transcript
from shared.embedding.audio.port import RATE_HZ
from shared.speech.analysis import Mark, Voice
from shared.speech.recordings import Recording
from shared.speech.transcription import Segment, VoiceTranscript

MARGIN_S = 2.0
"""Speech that ends less than this before the end of the common beginning is recognised again: its end may have been cut."""

MASK_REACH_S = 30.0
"""A number that is said may go on for this long, with answers of the other speaker in between."""

MASK = re.compile(r"\[(?:mail|phone|iban|card)\]")
ENOUGH_S, SURE_SHARE = 20.0, 0.9
"""The language is kept if the known speech is at least this long, or its language has at least this probability."""


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
    border = _border(recording, known, mark)
    if border <= 0:
        return None
    said, rest = [], []
    for voice, summary in zip(voices, known.speakers, strict=True):
        old = Voice(voice.channel, tuple(span for span in voice.spans if span.end <= border))
        said.append(_known(summary, known, border / RATE_HZ, hint, old))
        rest.append(Voice(voice.channel, voice.spans[len(old.spans) :]))
    return replace(recording, analysed=replace(recording.analysed, voices=tuple(rest))), said


def _border(recording: Recording, known: Transcript, mark: Mark) -> int:
    """Return the sample from which on all voices are recognised again: no speech and no known segment lies across it.

    Personal data that is masked shortly before it may go on after it, so that its sound has to be recognised again.
    """
    border, is_moved = mark.samples - round(MARGIN_S * RATE_HZ), True
    spans = [span for voice in recording.analysed.voices for span in voice.spans]
    while is_moved and border > 0:
        until_s = border / RATE_HZ
        starts = [span.start for span in spans if span.start < border < span.end]
        for each in known.segments:
            is_across = each.start_s < until_s < each.end_s
            is_masked = until_s - MASK_REACH_S < each.end_s <= until_s and MASK.search(each.text) is not None
            if is_across or is_masked:
                starts.append(round(each.start_s * RATE_HZ))
        is_moved = any(start < border for start in starts)
        border = min([border, *starts])
    return border


def _known(summary: SpeakerSummary, known: Transcript, until_s: float, hint: str | None, old: Voice) -> VoiceTranscript:
    """Return what a voice is known to say until a time; its seconds are those of the share of its speech until then."""
    segments = [
        Segment(each.start_s, each.end_s, each.text, each.is_repetition)
        for each in known.segments
        if each.speaker == summary.speaker and each.end_s <= until_s
    ]
    share = min(1.0, old.speech_s / summary.speech_s) if summary.speech_s else 0.0
    return VoiceTranscript(
        hint=hint,
        language=summary.language if old.speech_s >= ENOUGH_S or summary.language_share >= SURE_SHARE else None,
        language_share=summary.language_share,
        speech_s=old.speech_s,
        covered_s=summary.covered_s * share,
        no_speech_s=summary.no_speech_s * share,
        segments=segments,
    )
