"""A call of six hours through a whole worker: `python -m benchmarks.long_calls [--quick] [--model whisper-tiny-en]`.

A call of one hour and one of six are put together of the same clips of speech, with minutes of silence, noise, ringing and
music between them. A worker in a process of its own takes each from a folder; its memory and that of its decoding children
is read every half second. `--stand-in` makes calls in which somebody speaks all the time, and "hears" three words a second
in them without a model: the transcript of six hours is longer than a result may be.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import jiwer
import numpy as np

from benchmarks.call_worker import call_worker
from benchmarks.clips import Clip, english_clips
from benchmarks.memory import children_mib, own_mib
from millrace.learning.speech_rates import normalised
from millrace.resources import load_recogniser, load_text_model
from millrace.streams import RECORDED
from schemas.outcomes import Outcome
from schemas.speech import Transcript
from shared.clock import SystemClock
from shared.embedding.audio.port import RATE_HZ as PIECE_RATE_HZ
from shared.embedding.audio.port import Phrase, Piece, Recognised, Recogniser, Samples, States, states_of
from shared.logs import configure
from shared.stream_settings import StreamSettings
from tests.support.in_process import Seen
from tests.support.no_speech import MAKERS

RATE_HZ = 8_000
CODECS = {"mulaw": ("wav", "pcm_mulaw", None), "mp3": ("mp3", "libmp3lame", 16_000)}
"""By format, the container, the codec, and its bits per second."""

PAUSES = ("silence", "street noise", "ringing, US", "music", "white noise")
BLOCK_S = 30
GAP_S = (0.3, 1.2)
SAMPLE_S, LIMIT_S = 0.5, 3_600.0
WORDS_PER_S, PHRASE_S = 3, 4.0
STAND_IN = "stand-in"
MEMORY = "RssAnon"
"""Memory that a process fills itself; pages of files, such as a recording in its spool, can be dropped at any time."""

RESULT_LIMIT_BYTES = 1 << 20
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Shape:
    """How a call is put together.

    Attributes:
        minutes: Its length.
        talk_minutes: How long people speak, in turn with a pause.
        pause_minutes: How long a pause is.
        kind: A format of `CODECS`.
    """

    minutes: int
    talk_minutes: float
    pause_minutes: float
    kind: str


@dataclass(slots=True)
class Watched(Seen):
    """What a worker reports and what is seen of its process.

    Attributes:
        abandoned: Records of partitions that it lost.
        stage_s: Seconds of each stage.
        peak_mib: The most memory of the worker that was seen.
        children_mib: The most memory of its children together.
        stuck: Threads that had no recent heartbeat.
    """

    abandoned: int = 0
    stage_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_mib: float = 0.0
    children_mib: float = 0.0
    stuck: set[str] = field(default_factory=set)

    def records_abandoned(self, records: int) -> None:
        """Count the records."""
        self.abandoned += records

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """Add the time of a stage."""
        self.stage_s[stage] += wall_s

    def look(self, stuck: Sequence[str]) -> None:
        """Read the memory once."""
        self.peak_mib = max(self.peak_mib, own_mib(MEMORY))
        self.children_mib = max(self.children_mib, children_mib(MEMORY))
        self.stuck |= set(stuck)


class StandIn(Recogniser):
    """Hears words of the clips at random, as fast as people speak."""

    fingerprint = "57a4d191"
    languages = frozenset({"en"})
    dim = 4

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._words = [word for clip in clips for word in clip.text.split()]
        self._rng = random.Random(11)  # noqa: S311
        self.heard = 0

    def recognise(self, pieces: Sequence[Piece]) -> list[Recognised]:
        """Hear a phrase every four seconds."""
        return [Recognised(tuple(self._phrases(piece)), "en", 1.0, 0.0, -0.1) for piece in pieces]

    def encode(self, pieces: Sequence[Piece]) -> list[States]:
        """Return the same states for all."""
        return [np.ones((states_of(piece), self.dim), np.float32) for piece in pieces]

    def _phrases(self, piece: Piece) -> Iterator[Phrase]:
        length_s = len(piece.samples) / PIECE_RATE_HZ
        for start_s in np.arange(0, length_s, PHRASE_S):
            end_s = min(length_s, start_s + PHRASE_S)
            words = self._rng.choices(self._words, k=max(1, round((end_s - start_s) * WORDS_PER_S)))
            self.heard += len(words)
            yield Phrase(float(start_s), float(end_s), " ".join(words))

    def probe(self) -> None:
        """Do nothing: it cannot fail."""


def parts_of(shape: Shape, clips: Sequence[Clip]) -> Iterator[Clip]:
    """Yield the parts of a call, one after the other: speech with its words, and pauses without words."""
    rng, turns, pauses, left_s = random.Random(7), cycle(clips), cycle(PAUSES), shape.minutes * 60.0  # noqa: S311
    while left_s > 0:
        talk_s = min(left_s, shape.talk_minutes * 60)
        while talk_s > 0:
            clip, gap_s = next(turns), rng.uniform(*GAP_S)
            yield clip
            yield Clip(np.zeros(round(gap_s * RATE_HZ), np.float32), "")
            took_s = len(clip.samples) / RATE_HZ + gap_s
            talk_s, left_s = talk_s - took_s, left_s - took_s
        kind, pause_s = next(pauses), min(left_s, shape.pause_minutes * 60)
        while pause_s > 0:
            took_s = min(pause_s, BLOCK_S)
            yield Clip(MAKERS[kind](took_s, rng.randrange(1 << 30)).astype(np.float32), "")
            pause_s, left_s = pause_s - took_s, left_s - took_s


def write_call(file: Path, shape: Shape, clips: Sequence[Clip]) -> str:
    """Write a call to a file, part by part, and return its words."""
    form, codec, bits_per_s = CODECS[shape.kind]
    words = []
    with av.open(str(file), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=RATE_HZ)
        stream.codec_context.layout, stream.codec_context.format = "mono", "s16" if form == "wav" else "s16p"
        if bits_per_s is not None:
            stream.codec_context.bit_rate = bits_per_s
        for part in parts_of(shape, clips):
            words.append(part.text)
            container.mux(stream.encode(frame_of(part.samples, stream.codec_context.format.name)))
        container.mux(stream.encode(None))
    return " ".join(words)


def frame_of(samples: Samples, form: str) -> av.AudioFrame:
    """Return samples as a frame of 16 bits."""
    pcm = (np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format=form, layout="mono")
    frame.sample_rate = RATE_HZ
    return frame


def serve(file: Path, model: str) -> None:
    """Run a worker on one call, and print what was seen of it."""
    watched, never = Watched(), threading.Event()
    text_model = load_text_model(StreamSettings())
    stand_in = StandIn(english_clips(RATE_HZ)[1]) if model == STAND_IN else None
    recogniser = stand_in or load_recogniser(model, None, "auto")
    with call_worker(file.parent, text_model, recogniser, watched) as worker:
        idle_mib, began_s = own_mib(MEMORY), CLOCK.monotonic_s()
        worker.send(file)
        while not (watched.outcomes or watched.stuck or worker.running.lifecycle.stopping.is_set()) and (
            CLOCK.monotonic_s() - began_s < LIMIT_S
        ):
            CLOCK.wait(never, SAMPLE_S)
            watched.look(worker.running.lifecycle.stuck())
        took_s = CLOCK.monotonic_s() - began_s
        if watched.stuck or watched.outcomes != [Outcome.ROUTED]:
            raise SystemExit(f"outcomes: {watched.outcomes}, threads without a heartbeat: {watched.stuck}")
        [record] = worker.results()
        result: Any = RECORDED.result.model_validate_json(record.value or b"")
        found = {
            "idle_mib": idle_mib,
            "peak_mib": watched.peak_mib,
            "children_mib": watched.children_mib,
            "took_s": took_s,
            "stage_s": watched.stage_s,
            "abandoned": watched.abandoned,
            "is_clean": worker.is_clean(1),
            "stored": worker.stored(file.name)["transcript"],
            "shown": len(result.transcript.segments),
            "left_out_s": result.left_out_s,
            "result_bytes": len(record.value or b""),
            "windows": result.text_windows,
            "heard": None if stand_in is None else stand_in.heard,
        }
    print(json.dumps(found))


def run(shape: Shape, clips: Sequence[Clip], model: str) -> dict[str, Any]:
    """Make a call, let a worker process it in a process of its own, and return what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"call.{CODECS[shape.kind][0]}"
        words = write_call(file, shape, clips)
        command = [sys.executable, "-m", "benchmarks.long_calls", "--serve", str(file), "--model", model]
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603  (ourselves)
        found: dict[str, Any] = json.loads(ended.stdout)
        found["file_mib"] = file.stat().st_size / (1 << 20)
    transcript = Transcript.model_validate(found["stored"], strict=False)
    found["transcript"], found["faults"] = transcript, faults_of(found, transcript, shape)
    found["word_errors"] = (
        jiwer.wer(normalised(words, "en"), normalised(transcript.text, "en")) if model != STAND_IN else float("nan")
    )
    return found


def faults_of(found: dict[str, Any], transcript: Transcript, shape: Shape) -> list[str]:
    """Return what is not as it must be."""
    segments, shown = transcript.segments, found["shown"]
    left_out_s = 0.0 if shown == len(segments) else transcript.duration_s - segments[shown].start_s
    checked = {
        "partitions were lost": not found["abandoned"],
        "the audit is not clean": found["is_clean"],
        "the stored transcript has another length": abs(transcript.duration_s - shape.minutes * 60) < 15,
        "the stored transcript ends before the speech does": bool(segments)
        and segments[-1].end_s > (shape.minutes - 2 - shape.pause_minutes) * 60,
        "the stored transcript lacks words": found["heard"] in (None, len(transcript.text.split())),
        "the result is too large": found["result_bytes"] < RESULT_LIMIT_BYTES,
        "the result does not say what it leaves out": abs(found["left_out_s"] - left_out_s) < 0.01,
    }  # fmt: skip
    return [fault for fault, is_right in checked.items() if not is_right]


def report(shapes: Sequence[Shape], model: str) -> bool:
    """Measure and print; return whether all was as it must be."""
    where, clips = english_clips(RATE_HZ)
    print(f"\nLong calls through a worker, {model}, speech from {where}")
    print(f"{'call':<10}{'MiB':>5}{'worker idle':>13}{'peak':>7}{'children':>10}{'took':>8}{'speech':>9}{'coverage':>10}"
          f"{'words':>8}{'errors':>8}{'windows':>9}{'result':>10}{'left out':>10}")  # fmt: skip
    faults: list[str] = []
    above_file_mib: list[float] = []
    for shape in shapes:
        found = run(shape, clips, model)
        transcript = found["transcript"]
        speech_s = sum(each.speech_s for each in transcript.speakers)
        print(f"{shape.minutes:>4} min  {found['file_mib']:>5.0f}{found['idle_mib']:>9.0f} MiB{found['peak_mib']:>7.0f}"
              f"{found['children_mib']:>10.0f}{found['took_s']:>6.0f} s{speech_s:>7.0f} s{transcript.coverage:>10.3f}"
              f"{len(transcript.text.split()):>8}{found['word_errors']:>8.3f}{found['windows']:>9}"
              f"{found['result_bytes'] >> 10:>6} KiB{found['left_out_s']:>8.0f} s")  # fmt: skip
        stages = sorted(found["stage_s"].items(), key=lambda each: -each[1])[:5]
        print(f"{'':>10}{', '.join(f'{name} {took_s:.1f} s' for name, took_s in stages)}")
        above_file_mib.append(found["peak_mib"] + found["children_mib"] - found["file_mib"])
        faults += [f"{shape.minutes} min: {fault}" for fault in found["faults"]]
    more_mib = above_file_mib[-1] - above_file_mib[0]
    print(f"the longest takes {more_mib:.0f} MiB more than the shortest, apart from the file, which a child holds")
    print("".join(f"WRONG: {fault}\n" for fault in faults) or "no thread stuck, no partition lost, audits clean")
    return not faults


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="calls of 8 and 16 minutes instead of 60 and 360")
    parser.add_argument("--model", default="whisper-tiny-en", help="name of the model in models.toml")
    parser.add_argument("--format", choices=sorted(CODECS), default="mulaw", help="how the calls are encoded")
    parser.add_argument("--stand-in", action="store_true", help="speech all the time, heard without a model")
    parser.add_argument("--serve", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    configure("error", json_lines=False)
    if given.serve:
        serve(given.serve, given.model)
        return
    minutes = (8, 16) if given.quick else (60, 360)
    pause_minutes = 0.0 if given.stand_in else 1.0 if given.quick else 10.0
    shapes = [Shape(each, 2.0, pause_minutes, given.format) for each in minutes]
    sys.exit(0 if report(shapes, STAND_IN if given.stand_in else given.model) else 1)


if __name__ == "__main__":
    main()
