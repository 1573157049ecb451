"""From the content of recordings to their transcripts.

A recording is decoded twice and its samples are never held as a whole: once to find the speech, once to cut it into the
pieces that are recognised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.speech import SpeakerSummary, Transcript, TranscriptSegment
from shared.embedding.audio.port import RATE_HZ, Recogniser
from shared.media.decoding.decoder import Decoder
from shared.media.decoding.replies import Sound, Window
from shared.media.port import MediaContent
from shared.speech.analysis import Analysed, Analysis
from shared.speech.levels import as_floats
from shared.speech.pieces import CutPiece, Cutter
from shared.speech.transcription import Transcriber, VoiceTranscript

CHANNELS = 2
DEFAULT_SPEAKERS = ("left", "right")


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording whose speech was found.

    Attributes:
        content: The bytes of its file; those of a large one are perhaps not in memory.
        field: The event's field that holds it, for errors.
        sound: What the decoder says of it.
        analysed: Its voices and their speech.
    """

    content: MediaContent
    field: str
    sound: Sound
    analysed: Analysed


class RecordingReader:
    """Finds the speech in recordings and transcribes it.

    Args:
        decoder: Decodes them.
        network: The network for voice activity; see `shared.speech.activity.load_network`.
    """

    def __init__(self, decoder: Decoder, network: Any) -> None:
        self._decoder, self._network = decoder, network

    def analyse(self, content: MediaContent, field: str, progress: Callable[[], None] = lambda: None) -> Recording:
        """Find the speech in a recording. Threads may call this at once.

        Args:
            content: The bytes of its file.
            field: The event's field that holds it, for errors.
            progress: Called again and again.

        Raises:
            Rejected: the recording cannot be decoded.
        """
        analysis = Analysis(self._network)

        def take(window: Window) -> None:
            analysis.add(window)
            progress()

        sound = self._decoder.sound(content, field, take, CHANNELS, progress)
        return Recording(content, field, sound, analysis.result())

    def submit(
        self,
        recording: Recording,
        transcriber: Transcriber,
        hint: str | None = None,
        known: list[VoiceTranscript] | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> list[VoiceTranscript]:
        """Cut the speech of a recording and let it be recognised; the transcripts are complete once all is finished.

        Args:
            recording: The recording.
            transcriber: Recognises the pieces, together with those of other recordings.
            hint: The language that the source names.
            known: What the voices say before the speech of the recording, to which the rest is added.
            progress: Called again and again.

        Raises:
            Rejected: the recording cannot be decoded.
        """
        transcripts = [VoiceTranscript(hint) for _ in recording.analysed.voices] if known is None else known
        self.cut(recording, lambda number, piece: transcriber.add(transcripts[number], piece), progress)
        return transcripts

    def cut(
        self, recording: Recording, emit: Callable[[int, CutPiece], None], progress: Callable[[], None] = lambda: None
    ) -> None:
        """Cut the speech of a recording into pieces.

        Args:
            recording: The recording.
            emit: Receives the number of a voice and its next piece.
            progress: Called again and again.

        Raises:
            Rejected: the recording cannot be decoded.
        """
        voices = recording.analysed.voices
        if not any(voice.spans for voice in voices):
            return
        cutters = [Cutter(voice.spans, partial(emit, number)) for number, voice in enumerate(voices)]

        def take(window: Window) -> None:
            progress()
            floats = as_floats(window)
            for voice, cutter in zip(voices, cutters, strict=True):
                cutter.add(floats[:, voice.channel])

        self._decoder.sound(recording.content, recording.field, take, CHANNELS, progress)
        for cutter in cutters:
            cutter.finish()


def transcript_of(
    recording: Recording,
    said: Sequence[VoiceTranscript],
    recogniser: Recogniser,
    speakers: Sequence[str] = DEFAULT_SPEAKERS,
) -> Transcript:
    """Return the transcript of a recording, its voices merged by time.

    Args:
        recording: The recording.
        said: What its voices say.
        recogniser: The model that recognised it.
        speakers: The names of the speakers, by channel.
    """
    voices = recording.analysed.voices
    names = [speakers[voice.channel] if len(voices) > 1 else None for voice in voices]
    segments = [
        TranscriptSegment(
            start_s=segment.start_s,
            end_s=segment.end_s,
            speaker=name,
            text=segment.text,
            is_repetition=segment.is_repetition,
        )
        for name, each in zip(names, said, strict=True)
        for segment in each.segments
    ]
    speech_s = sum(each.speech_s - each.no_speech_s for each in said)
    return Transcript(
        duration_s=recording.analysed.samples / RATE_HZ,
        segments=tuple(sorted(segments, key=lambda segment: (segment.start_s, segment.end_s))),
        speakers=tuple(_summary(name, each) for name, each in zip(names, said, strict=True)),
        coverage=max(0.0, min(1.0, sum(each.covered_s for each in said) / speech_s)) if speech_s > 0 else 1.0,
        no_speech=not segments and speech_s <= 0,
        is_dual_mono=recording.analysed.is_dual_mono,
        is_truncated=recording.sound.is_truncated,
        model=recogniser.fingerprint,
    )


def _summary(name: str | None, said: VoiceTranscript) -> SpeakerSummary:
    return SpeakerSummary(
        speaker=name,
        language=said.language if said.segments else None,
        language_share=said.language_share if said.segments else 0.0,
        speech_s=said.speech_s,
        no_speech_s=said.no_speech_s,
        covered_s=max(0.0, said.covered_s),
    )
