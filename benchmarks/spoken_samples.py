"""Makes the spoken samples of the demo: `python -m benchmarks.spoken_samples --out millrace/demo/samples [--check]`.

The calls and their voices are in `spoken_samples.toml`. espeak-ng (Debian package `espeak-ng`) speaks them; the same
version makes the same recordings. `--check` transcribes them and prints how many words are wrong.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from millrace.transcribing import SpeechOptions, file_transcriber
from shared.settings import Settings
from tests.support import no_speech
from tests.support.sound_files import encoded
from tests.support.spoken_samples import CUSTOMER, read_samples, word_error_rate

SCRIPT = Path(__file__).with_suffix(".toml")
ESPEAK = "espeak-ng"
ROW = (
    "call_id",
    "file",
    "occurred_at",
    "language",
    "agent_channel",
    "customer_id",
    "satisfaction",
    "label",
    "answered_by",
)
"""The columns of calls.jsonl; `spoken` follows."""

GAP_S, EDGE_S = 0.5, 0.4
LEVELS = {CUSTOMER: 0.1, "agent": 0.07}
"""The root mean square of each speaker's voice, where 1 is the full scale."""

PHONE_HZ = (120, 3700)
"""What a telephone line carries."""

WAVES = {"mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}
OPUS_BITS = {1: "16000", 2: "24000"}
"""Bits per second, by the number of channels."""

Sound = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Voice:
    """How a speaker sounds: a voice of espeak-ng, its words per minute and its pitch (0 to 99)."""

    voice: str
    speed: int
    pitch: int = 50


@dataclass(frozen=True, slots=True)
class Turn:
    """What a speaker says without a break; it begins `overlap_s` before the previous turn ends, if that is not 0."""

    speaker: str
    text: str
    overlap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """The recording of a call.

    Attributes:
        codec: `opus` at 16 kHz, or `mulaw` or `alaw` at 8 kHz.
        before: What is heard before the speech, of `tests.support.no_speech`; nothing if absent.
        before_s: How long.
        noise: What is heard all the time.
        noise_level: Its factor.
        after_s: How long the line stays open at the end.
    """

    codec: str
    before: str | None = None
    before_s: float = 0.0
    noise: str = "silence"
    noise_level: float = 1.0
    after_s: float = EDGE_S

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return 16_000 if self.codec == "opus" else 8_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its row in calls.jsonl, who speaks, and the line."""

    row: dict[str, Any]
    line: Line
    turns: Sequence[Turn]
    voices: dict[str, Voice] = field(default_factory=dict)


def read_calls(script: Path = SCRIPT) -> list[Call]:
    """Read the calls of a script."""
    return [_call(each) for each in tomllib.loads(script.read_text(encoding="utf-8"))["calls"]]


def _call(each: dict[str, Any]) -> Call:
    turns = [Turn(**turn) for turn in each.get("spoken", ())]
    row = {name: each.get(name) for name in ROW}
    row["spoken"] = [{"speaker": turn.speaker, "text": turn.text} for turn in turns]
    voices = {name: Voice(**each[name]) for name in LEVELS if name in each}
    return Call(row, Line(**each["line"]), turns, voices)


def spoken_by(voice: Voice, text: str, rate_hz: int) -> Sound:
    """Return a text as espeak-ng speaks it, without level."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "spoken.wav"
        how = ["-v", voice.voice, "-s", str(voice.speed), "-p", str(voice.pitch), "-w", str(file)]
        subprocess.run([ESPEAK, *how, "--", text], check=True)  # noqa: S603  (our own texts)
        with wave.open(str(file)) as opened:
            samples, made_hz = opened.readframes(opened.getnframes()), opened.getframerate()
    return resampled(np.frombuffer(samples, "<i2") / 32_768, made_hz, rate_hz)


def resampled(sound: Sound, from_hz: int, to_hz: int) -> Sound:
    """Return a sound at another rate, without what the lower rate cannot carry."""
    count = round(len(sound) * to_hz / from_hz)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound), count) * (count / len(sound)), np.float64)


def on_a_telephone(sound: Sound, rate_hz: int) -> Sound:
    """Return what a telephone line carries of a sound."""
    spectrum, pitches = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / rate_hz)
    spectrum[(pitches < PHONE_HZ[0]) | (pitches > PHONE_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(sound)), np.float64)


def unspeaking(kind: str, seconds: float, seed: int, rate_hz: int) -> Sound:
    """Return a sound in which nobody speaks."""
    return resampled(no_speech.MAKERS[kind](seconds, seed), no_speech.RATE, rate_hz)


def mixed(call: Call) -> Sound:
    """Return the sound of a call, shape (channels, samples)."""
    line, rate_hz = call.line, call.line.rate_hz
    channels = 1 if call.row["agent_channel"] is None else 2
    agent = int(call.row["agent_channel"] == "right")
    placed, at_s = [], EDGE_S + line.before_s
    for turn in call.turns:
        voice = spoken_by(call.voices[turn.speaker], turn.text, rate_hz)
        voice = on_a_telephone(voice, rate_hz) if rate_hz == no_speech.RATE else voice
        voice *= LEVELS[turn.speaker] / np.sqrt(np.mean(voice**2))
        at_s -= GAP_S + turn.overlap_s if turn.overlap_s else 0
        channel = 0 if channels == 1 else agent if turn.speaker != CUSTOMER else 1 - agent
        placed.append((channel, round(at_s * rate_hz), voice))
        at_s += len(voice) / rate_hz + GAP_S
    total_s = at_s + line.after_s
    heard = [line.noise_level * unspeaking(line.noise, total_s, seed, rate_hz) for seed in range(channels)]
    sound = np.stack(heard)
    if line.before is not None:
        first = unspeaking(line.before, line.before_s, 0, rate_hz)
        sound[:, : len(first)] += first
    for channel, begin, voice in placed:
        sound[channel, begin : begin + len(voice)] += voice
    return sound


def recorded(call: Call) -> bytes:
    """Return the file of a call."""
    sound, codec = mixed(call), call.line.codec
    samples = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
    if codec == "opus":
        return encoded(samples, "libopus", "ogg", call.line.rate_hz, b=OPUS_BITS[len(samples)], application="voip")
    return encoded(samples, WAVES[codec], "wav", call.line.rate_hz)


def write(calls: Sequence[Call], out: Path) -> None:
    """Write the recordings of some calls, and calls.jsonl."""
    rows = []
    for call in calls:
        file = out / call.row["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(recorded(call))
        rows.append(json.dumps(call.row, ensure_ascii=False))
    (out / "calls.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def check(out: Path, only: Sequence[str]) -> None:
    """Transcribe the calls of a folder and print what differs."""
    print(f"{'call':<6}{'KiB':>5}{'seconds':>9}{'WER':>7}{'coverage':>10}  languages")
    with file_transcriber(SpeechOptions(), Settings()) as transcriber:
        for sample in read_samples(out):
            if only and sample.call_id not in only:
                continue
            transcript = transcriber.transcribe(transcriber.read(sample.file))
            rate, kib = word_error_rate(sample, transcript), sample.file.stat().st_size / 1024
            found = " ".join(f"{each.language} {each.language_share:.2f}" for each in transcript.speakers)
            print(f"{sample.call_id:<6}{kib:>5.0f}{transcript.duration_s:>9.1f}{rate:>7.3f}", end="")
            print(f"{transcript.coverage:>10.2f}  {found}")
            for segment in transcript.segments if only else ():
                print(f"      {segment.start_s:6.2f} {segment.speaker or 'customer'}: {segment.text}")


def main() -> None:
    """Parse the arguments, make the calls and check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of calls.jsonl and of calls/")
    parser.add_argument("--check", action="store_true", help="transcribe the calls and print how many words are wrong")
    parser.add_argument("--only", nargs="*", default=[], help="calls to check; prints their transcripts as well")
    arguments = parser.parse_args()
    if shutil.which(ESPEAK) is None:
        sys.exit(f"{ESPEAK} is not installed: apt-get install {ESPEAK}")
    write(read_calls(), arguments.out)
    if arguments.check or arguments.only:
        check(arguments.out, arguments.only)


if __name__ == "__main__":
    main()
