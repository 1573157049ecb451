"""`python -m benchmarks.gpu`: items and tokens per second, and the share of the peak, of models on a GPU.

Texts are the ticket mix. MiniLM is the packaged one; the other models have the published sizes and random weights, because
rates do not depend on them. Each text model is measured by Millrace's own micro-batches, and by sentence-transformers'
`encode` with its defaults and with large batches, in turn. It ends with an error if vectors of the same weights differ.
`--device cpu --texts 64` shows that the script runs. Whisper needs `millrace[speech,weights]`, and on a GPU `speech-gpu`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.flops import peak_tflops
from benchmarks.gpu.subjects import SPEECH_S, Subject, picture_subjects, speech_subjects, text_subjects
from shared.clock import SystemClock
from shared.logs import configure

CLOCK = SystemClock()
LEAST_COSINE = 0.999
"""Of a vector in bfloat16 with the one that the library computes from the same weights in the same format."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one way to compute a model.

    Attributes:
        subject: The model.
        way: How it was computed.
        rates: Items per second, by round.
        units_per_s: Tokens, pixels or seconds of sound per second; the median.
        peak_share: The share of the device's peak in bfloat16 that the model's own operations reach, if it is known.
    """

    subject: str
    way: str
    rates: Sequence[float]
    units_per_s: float
    peak_share: float | None


def measured(subject: Subject, rounds: int, peak: float | None) -> list[Row]:
    """Compute all items by each way in turn, after one round to warm up; compare the vectors."""
    seconds: dict[str, list[float]] = {way: [] for way in subject.ways}
    first: dict[str, Any] = {}
    for number in range(rounds + 1):
        for way, compute in subject.ways.items():
            taken_s, found = timed(compute)
            first.setdefault(way, found)
            if number:
                seconds[way].append(taken_s)
    compare(subject.name, first)
    return [_row(subject, way, taken, peak) for way, taken in seconds.items()]


def timed(compute: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall time of a call until the device has finished, and its result."""
    began_s = CLOCK.monotonic_s()
    found = compute()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return CLOCK.monotonic_s() - began_s, found


def compare(name: str, found: dict[str, Any]) -> None:
    """Compare the vectors of all ways with those of the first."""
    vectors = {way: np.asarray(each, np.float32) for way, each in found.items() if each is not None}
    for way, each in vectors.items():
        expected = next(iter(vectors.values()))
        lengths = np.linalg.norm(each, axis=1) * np.linalg.norm(expected, axis=1)
        cosine = float(((each * expected).sum(axis=1) / lengths).min())
        if not cosine >= LEAST_COSINE:
            raise SystemExit(f"{name}: the vectors of {way} differ, lowest cosine {cosine:.5f}")


def _row(subject: Subject, way: str, seconds: Sequence[float], peak: float | None) -> Row:
    middle_s = median(seconds)
    share = None if peak is None or subject.flops is None else subject.flops / middle_s / (peak * 1e12)
    return Row(subject.name, way, [subject.items / each for each in seconds], subject.units / middle_s, share)


def show(rows: Sequence[Row]) -> None:
    """Print rows; ratios are to the last way of the same model, by round."""
    print(f"{'model':<22}{'way':<40}{'items/s: median (min-max)':>34}{'units/s':>14}{'of peak':>9}{'ratio':>20}")
    for row in rows:
        last = [each for each in rows if each.subject == row.subject][-1]
        ratios = [mine / base for mine, base in zip(row.rates, last.rates, strict=True)]
        rate = f"{median(row.rates):,.0f} ({min(row.rates):,.0f}-{max(row.rates):,.0f})"
        share = "-" if row.peak_share is None else f"{row.peak_share:.1%}"
        ratio = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"{row.subject:<22}{row.way:<40}{rate:>34}{row.units_per_s:>14,.0f}{share:>9}{ratio:>20}")


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--texts", type=int, default=16_384, help="how many texts; a tenth as many pictures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="a file to keep the rows in")
    given = parser.parse_args()
    configure("error", json_lines=False)
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"{name}, torch {torch.__version__}; speech: pieces of {SPEECH_S} s; {given.rounds} rounds in turn")
    rows: list[Row] = []
    for subjects in (text_subjects, picture_subjects, speech_subjects):
        for subject in subjects(device, given.texts):
            rows += measured(subject, given.rounds, peak_tflops(device))
    show(rows)
    if given.json is not None:
        kept = {"device": name, "torch": torch.__version__, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
