"""Transcribes the files of a command, one after the other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from millrace.resources import load_recogniser
from schemas.speech import Transcript
from shared.clock import SystemClock
from shared.embedding.audio.port import Recogniser
from shared.errors import Fatal, Rejected
from shared.media.decoding.decoder import Decoder
from shared.settings import Settings
from shared.speech.recordings import Recording, RecordingReader, transcript_of
from shared.speech.transcription import Transcriber

DEFAULT_MODEL = "whisper-base"


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """What a command says of the model.

    Attributes:
        model: The name of its row in models.toml.
        models_file: A models.toml to use instead of the packaged one.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        batch_pieces: How many pieces of speech are recognised at once.
    """

    model: str = DEFAULT_MODEL
    models_file: Path | None = None
    device: str = "auto"
    batch_pieces: int = 8


@dataclass(frozen=True, slots=True)
class FileTranscriber:
    """Transcribes files with one loaded model."""

    reader: RecordingReader
    recogniser: Recogniser
    batch_pieces: int
    limit_bytes: int

    def read(self, file: Path) -> Recording:
        """Read a file and find its speech.

        Raises:
            Fatal: it cannot be read, is too large, or cannot be decoded.
        """
        try:
            with file.open("rb") as opened:
                content = opened.read(self.limit_bytes + 1)
        except OSError as error:
            raise Fatal(f"{file} cannot be read: {error.strerror or type(error).__name__}") from error
        if len(content) > self.limit_bytes:
            raise Fatal(f"{file} is larger than {self.limit_bytes >> 20} MiB: raise MILLRACE_MEDIA__MAX_MIB")
        try:
            return self.reader.analyse(content, file.name)
        except Rejected as rejected:
            raise Fatal(f"{file}: {rejected.detail} ({rejected.reason})") from rejected

    def transcribe(
        self, recording: Recording, hint: str | None = None, progress: Callable[[float], None] = lambda seconds: None
    ) -> Transcript:
        """Transcribe a recording.

        Args:
            recording: The recording.
            hint: Its language, if it is known.
            progress: Receives the seconds of speech that were recognised.

        Raises:
            Fatal: the model fails on it.
        """
        transcriber = Transcriber(self.recogniser, self.batch_pieces, progress)
        try:
            said = self.reader.submit(recording, transcriber, hint)
        except Rejected as rejected:
            raise Fatal(f"{recording.field}: {rejected.detail} ({rejected.reason})") from rejected
        transcriber.finish()
        failure = next((each.failure for each in said if each.failure is not None), None)
        if failure is not None:
            raise Fatal(f"{recording.field}: the model fails on it: {failure}") from failure
        return transcript_of(recording, said, self.recogniser)


@contextmanager
def file_transcriber(options: SpeechOptions, settings: Settings) -> Iterator[FileTranscriber]:
    """Load the model, and yield what transcribes files with it.

    Raises:
        Fatal: something that it needs is not installed, or the model differs from its card.
    """
    recogniser = load_recogniser(options.model, options.models_file, options.device)
    from shared.speech.activity import load_network

    limit_bytes = settings.media.max_mib << 20
    decoder = Decoder(settings.decoding.model_copy(update={"processes": 1}), limit_bytes, SystemClock())
    try:
        yield FileTranscriber(RecordingReader(decoder, load_network()), recogniser, options.batch_pieces, limit_bytes)
    finally:
        decoder.close()
