"""How fast calls are recognised: `python -m benchmarks.audio [--quick] [--model whisper-base]`.

The alternatives of each question run in turn, so that they meet the same noise:
- the whole way from a file to a transcript, beside the bare recogniser on the same pieces and beside faster-whisper's own
  batched pipeline with its own voice activity detection;
- recordings that are half silent, with the silence cut out and as they are;
- the packaged model by CTranslate2, and the same weights by openai-whisper: as a row, and through its own `transcribe`.

The speech is that of the demo's samples, put together at 16 kHz.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
import whisper
from faster_whisper import BatchedInferencePipeline

from millrace.transcribing import DEFAULT_MODEL, FileTranscriber, SpeechOptions, file_transcriber
from shared.embedding.audio.port import RATE_HZ, Piece, Samples
from shared.embedding.audio.whisper import WhisperRecogniser
from shared.settings import Settings
from shared.speech.activity import Span
from shared.speech.analysis import Voice
from shared.speech.levels import as_floats
from shared.speech.pieces import PIECE, CutPiece, Cutter
from shared.speech.sound import SoundModel
from tests.support.converted_whisper import converted_base
from tests.support.hostile_sounds import form, wav

SECTION_S = 20
BATCH = 8


def spoken(seconds: int) -> Samples:
    """Return speech of the samples of this length, mixed down, without longer pauses."""
    found = []
    for sample in sorted(files("millrace.demo").joinpath("samples", "calls").iterdir(), key=lambda each: each.name):
        resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
        with sample.open("rb") as opened, av.open(opened, "r") as container:
            frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        found += [frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]]
    joined = np.concatenate(found)
    loud = np.abs(joined[: len(joined) // RATE_HZ * RATE_HZ].reshape(-1, RATE_HZ)).max(axis=1) > 0.02
    speech = joined[: len(loud) * RATE_HZ].reshape(-1, RATE_HZ)[loud].reshape(-1)
    return np.resize(speech, seconds * RATE_HZ).astype(np.float32)


def half_silent(seconds: int) -> Samples:
    """Return sections of speech and of silence in turn."""
    sections = spoken(seconds // 2).reshape(-1, SECTION_S * RATE_HZ)
    return np.concatenate([np.concatenate([section, np.zeros_like(section)]) for section in sections])


def as_wav(samples: Samples) -> bytes:
    """Return samples as a WAV file."""
    return wav((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes(), form(rate=RATE_HZ))


def whole_way(transcriber: FileTranscriber, content: bytes) -> None:
    """Decode, find the speech, cut and recognise."""
    transcriber.transcribe(transcriber.reader.analyse(content, "benchmark"))


def with_sound(transcriber: FileTranscriber, content: bytes) -> None:
    """Do the whole way, and make the vector of how the recording sounds."""
    recording = transcriber.reader.analyse(content, "benchmark")
    transcriber.transcribe(recording)
    SoundModel(transcriber.reader, transcriber.recogniser, BATCH).embed([recording])


def without_activity(transcriber: FileTranscriber, content: bytes) -> None:
    """Do the same as the whole way, but take all of the recording for speech."""
    recording = transcriber.reader.analyse(content, "benchmark")
    everything = Voice(0, (Span(0, recording.analysed.samples),))
    transcriber.transcribe(replace(recording, analysed=replace(recording.analysed, voices=(everything,))))


def pieces_of(transcriber: FileTranscriber, content: bytes) -> list[Piece]:
    """Return the pieces that the whole way recognises."""
    pieces: list[CutPiece] = []
    recording = transcriber.reader.analyse(content, "benchmark")
    [voice] = recording.analysed.voices
    cutter = Cutter(voice.spans, pieces.append)
    samples = np.frombuffer(content[44:], "<i2").reshape(-1, 1)
    cutter.add(as_floats(samples)[:, 0])
    cutter.finish()
    return [Piece(piece.samples, "en") for piece in pieces]


def windows_of(samples: Samples) -> list[Piece]:
    """Return a recording in windows of 30 seconds, silence included."""
    return [Piece(samples[begin : begin + PIECE], "en") for begin in range(0, len(samples), PIECE)]


def bare(transcriber: FileTranscriber, pieces: Sequence[Piece]) -> None:
    """Recognise pieces in batches, and nothing else."""
    for begin in range(0, len(pieces), BATCH):
        transcriber.recogniser.recognise(pieces[begin : begin + BATCH])


def pipeline_of(transcriber: FileTranscriber, samples: Samples) -> Callable[[], None]:
    """Return faster-whisper's own way for the same loaded model."""
    assert isinstance(transcriber.recogniser, WhisperRecogniser)
    pipeline = BatchedInferencePipeline(transcriber.recogniser.model)

    def run() -> None:
        found, _ = pipeline.transcribe(samples, language="en", batch_size=BATCH, beam_size=1, without_timestamps=False)
        list(found)

    return run


def compare(title: str, ways: dict[str, Callable[[], None]], rounds: int, audio_s: float) -> None:
    """Run the ways in turn and print their times, and how much faster the first one is than each other."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began_s = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - began_s)
    print(f"\n{title}\n{'':<40}{'s per s of sound':>18}{'speed of the first':>21}{'(min-max)':>14}")
    first, *_ = took.values()
    for name, times in took.items():
        ratios = sorted(other / one for one, other in zip(first, times, strict=True))
        spread = f"{ratios[0]:.2f}-{ratios[-1]:.2f}"
        factor = statistics.median(times) / audio_s
        print(f"{name:<40}{factor:>18.4f}{statistics.median(ratios):>21.2f}{spread:>14}")


def report_backends(seconds: int, rounds: int) -> None:
    """Compare the same weights in both libraries, and print."""
    content, speech = as_wav(spoken(seconds)), spoken(seconds)
    with TemporaryDirectory() as folder, ExitStack() as held:
        models = converted_base(Path(folder))
        transcribers = {
            name: held.enter_context(file_transcriber(SpeechOptions(key, file, batch_pieces=BATCH), Settings()))
            for name, key, file in (
                ("CTranslate2, int8, the packaged row", DEFAULT_MODEL, None),
                ("CTranslate2, float32", "ctranslate2", models),
                ("openai-whisper, float32, its row", "openai", models),
            )
        }
        ways: dict[str, Callable[[], None]] = {
            name: partial(whole_way, transcriber, content) for name, transcriber in transcribers.items()
        }
        checkpoint = whisper.load_model(str(next(Path(folder).rglob("*.pt"))))
        ways["openai-whisper's own transcribe"] = lambda: checkpoint.transcribe(
            speech, language="en", beam_size=1, condition_on_previous_text=False, fp16=False
        )
        compare(f"file to transcript, {seconds} s of speech, the weights of {DEFAULT_MODEL}", ways, rounds, seconds)


def report(is_quick: bool, model: str) -> None:
    """Measure and print."""
    rounds, seconds = (1, 60) if is_quick else (3, 240)
    with file_transcriber(SpeechOptions(model, batch_pieces=BATCH), Settings()) as transcriber:
        speech, quiet = spoken(seconds), half_silent(240)
        content, pieces = as_wav(speech), pieces_of(transcriber, as_wav(speech))
        bare(transcriber, pieces[:1])
        compare(
            f"{model}: {seconds} s of speech",
            {
                "file to transcript": lambda: whole_way(transcriber, content),
                "bare recogniser, the same pieces": lambda: bare(transcriber, pieces),
                "faster-whisper's batched pipeline": pipeline_of(transcriber, speech),
                "the whole way, and the vector of sound": lambda: with_sound(transcriber, content),
            },
            rounds,
            seconds,
        )
        compare(
            f"{model}: 240 s, half of it silent",
            {
                "silence cut out, file to transcript": lambda: whole_way(transcriber, as_wav(quiet)),
                "silence taken for speech, the same way": lambda: without_activity(transcriber, as_wav(quiet)),
                "bare recogniser, silence included": lambda: bare(transcriber, windows_of(quiet)),
            },
            rounds,
            240,
        )


def report_all(is_quick: bool, model: str = DEFAULT_MODEL) -> None:
    """Measure and print everything."""
    report(is_quick, model)
    report_backends(*((30, 1) if is_quick else (120, 3)))


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less speech, and one round")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="name of the model in models.toml")
    arguments = parser.parse_args()
    report_all(arguments.quick, arguments.model)


if __name__ == "__main__":
    main()
