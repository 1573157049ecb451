"""Calls without sound: the content of a recording says what its voices say, so that no model is needed.

`SPOKEN_CALLS` is the stream of calls whose workers hear in this way, wherever they are built, also in other processes.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schemas.failures import FailureReason
from shared.embedding.audio.port import RATE_HZ, Piece, Recognised
from shared.engine.resources import Resources
from shared.errors import Rejected
from shared.media.decoding.kinds import Kind
from shared.media.decoding.replies import Sound
from shared.media.port import MediaContent
from shared.speech.activity import Span
from shared.speech.analysis import Analysed, Voice
from shared.speech.pieces import CutPiece
from shared.speech.recordings import Recording, RecordingReader
from shared.speech.resources import Speech
from tests.support.speech import FakeRecogniser, piece_of, said, spoken_piece, text_in
from workers.calls.stages import CALLS, CallStages

MUMBLE = "MUMBLE"
"""A word on which the recogniser of `SPOKEN_CALLS` fails."""

SPOKEN_S = 1.0
"""Length of a recording that holds a text: long enough for 16,000 bytes."""


class FakeReader(RecordingReader):
    """Reads recordings of the form `[[mark, seconds], ...]`: one voice each, whose piece has this mark.

    A text in place of a mark is what the voice says, for `heard`. A content of another form cannot be decoded.
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

    def cut(
        self, recording: Recording, emit: Callable[[int, CutPiece], None], progress: Callable[[], None] = lambda: None
    ) -> None:
        """Emit the piece of each voice that says something."""
        for number, (mark, seconds) in enumerate(json.loads(bytes(recording.content))):
            if seconds:
                emit(number, spoken_piece(mark, seconds) if isinstance(mark, str) else piece_of(mark, seconds))


def audio(*voices: tuple[int | str, float]) -> dict[str, Any]:
    """Return the medium of a recording with these voices: their marks or their texts, and their seconds."""
    return {"inline": b64encode(json.dumps([list(voice) for voice in voices]).encode()).decode()}


def content_of(text: str) -> bytes:
    """Return the content of a recording in which one voice says a text; nobody speaks if the text is empty."""
    return json.dumps([[text, SPOKEN_S if text else 0]]).encode()


def spoken(text: str) -> dict[str, Any]:
    """Return the medium of a recording in which one voice says a text."""
    return {"inline": b64encode(content_of(text)).decode()}


def heard(piece: Piece) -> Recognised:
    """Recognise the text that a piece holds; fail on one that contains `MUMBLE`, as a model does."""
    text = text_in(piece)
    if MUMBLE in text:
        raise RuntimeError("the recogniser failed")
    return said(text, len(piece.samples) / RATE_HZ, piece.language or "en")


def _stages(resources: Resources) -> CallStages:
    return CallStages.of(replace(resources, speech=Speech(FakeReader(), FakeRecogniser(heard), batch_pieces=4)))


SPOKEN_CALLS = replace(CALLS, stages=_stages)
