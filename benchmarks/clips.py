"""Recorded English speech with its words: the clips of `MILLRACE_DATA` if it names them, else the demo's sample calls."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import av
import numpy as np

from shared.embedding.audio.port import Samples


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of one voice.

    Attributes:
        samples: Its sound, mixed down; float32, shape (samples,).
        text: What is said.
    """

    samples: Samples
    text: str


def english_clips(rate_hz: int) -> tuple[str, list[Clip]]:
    """Return the source of the clips, and the clips at a rate."""
    named = os.environ.get("MILLRACE_DATA")
    if named:
        folder = Path(named) / "speech" / "clips"
        with (folder / "transcripts.csv").open(encoding="utf-8", newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["language"] == "en"]
        return "the data folder's clips", [
            Clip(samples_of(folder / row["file"], rate_hz), row["transcript"]) for row in rows
        ]
    with as_file(files("millrace.demo").joinpath("samples")) as samples:
        return "the demo's sample calls", list(_sample_calls(samples, rate_hz))


def _sample_calls(folder: Path, rate_hz: int) -> Iterator[Clip]:
    """Yield the English sample calls of one speaker."""
    for line in (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["language"] == "en" and len(row["spoken"]) == 1:
            yield Clip(samples_of(folder / row["file"], rate_hz), row["spoken"][0]["text"])


def samples_of(file: Path, rate_hz: int) -> Samples:
    """Return the sound of a file, mixed down, at a rate."""
    resampler = av.AudioResampler("fltp", "mono", rate_hz)
    with av.open(str(file)) as container:
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
