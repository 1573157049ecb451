"""Calls without sound: the content of a recording says what its voices say, so that no model is needed."""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from schemas.failures import FailureReason
from shared.errors import Rejected
from shared.media.decoding.kinds import Kind
from shared.media.decoding.replies import Sound
from shared.media.port import MediaContent
from shared.speech.activity import Span
from shared.speech.analysis import Analysed, Voice
from shared.speech.port import RATE_HZ
from shared.speech.recordings import Recording, RecordingReader
from shared.speech.transcription import Transcriber, VoiceTranscript
from tests.support.speech import piece_of


class FakeReader(RecordingReader):
    """Reads recordings of the form `[[mark, seconds], ...]`: one voice each, whose piece has this mark.

    A content of another form cannot be decoded.
    """

    def __init__(self) -> None:
        self.analysed = 0

    def analyse(self, content: MediaContent, field: str, progress: Callable[[], None] = lambda: None) -> Recording:
        """Read what the voices say."""
        self.analysed += 1
        try:
            voices = json.loads(bytes(content))
        except ValueError:
            raise Rejected(FailureReason.MEDIA_UNREADABLE, field, "it is no recording") from None
        spans = [(Span(0, round(seconds * RATE_HZ)),) if seconds else () for _, seconds in voices]
        longest_s = max(seconds for _, seconds in voices)
        sound = Sound(Kind.WAV, "pcm_s16le", RATE_HZ, len(voices), longest_s, 0, False)
        analysed = Analysed(
            tuple(Voice(number, each) for number, each in enumerate(spans)), round(longest_s * RATE_HZ), False
        )
        return Recording(content, field, sound, analysed)

    def submit(
        self,
        recording: Recording,
        transcriber: Transcriber,
        hint: str | None = None,
        known: list[VoiceTranscript] | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> list[VoiceTranscript]:
        """Let each voice's piece be recognised."""
        found = []
        for mark, seconds in json.loads(bytes(recording.content)):
            voice = VoiceTranscript(hint)
            if seconds:
                transcriber.add(voice, piece_of(mark, seconds))
            found.append(voice)
        return found


def audio(*voices: tuple[int, float]) -> dict[str, Any]:
    """Return the medium of a recording with these voices: their marks and their seconds."""
    return {"inline": b64encode(json.dumps([list(voice) for voice in voices]).encode()).decode()}
