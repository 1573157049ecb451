"""What a worker recognises speech with."""

from collections.abc import Callable
from dataclasses import dataclass

from shared.embedding.audio.port import Recogniser
from shared.speech.recordings import RecordingReader
from shared.speech.sound import SoundModel


@dataclass(frozen=True, slots=True)
class Speech:
    """What recognises recordings.

    Attributes:
        reader: Decodes recordings and cuts them.
        recogniser: The model.
        batch_pieces: How many pieces of speech are recognised at once.
        beat: Records a heartbeat of a thread of the worker, because a long recording takes longer than a heartbeat may be
            old; it raises `Stopped` if the work is to be abandoned.
    """

    reader: RecordingReader
    recogniser: Recogniser
    batch_pieces: int
    beat: Callable[[str], None] = lambda thread: None

    def sound_model(self) -> SoundModel:
        """Return the model of how recordings sound."""
        return SoundModel(self.reader, self.recogniser, self.batch_pieces, lambda _: self.beat("process"))
