"""`python -m benchmarks.encoders [speed] [quality]`: the ways to compute the packaged text model on this CPU, compared.

`speed`: texts per second of tickets of mixed lengths, in turn, in one process; sentence-transformers' own `encode`, with
batches of 32, is 1. `quality`: heads trained on Banking77 with the vectors of each (needs `MILLRACE_DATA`).
"""

import argparse
import csv
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from sentence_transformers import SentenceTransformer

from benchmarks.decisions import Texts, measured, trained_on
from benchmarks.texts import load_mix
from millrace.quantising.building import Order, build
from millrace.quantising.parts import Floors
from millrace.quantising.texts import packaged_sample
from shared.clock import SystemClock
from shared.embedding.openvino.device import has_bfloat16
from shared.embedding.openvino.model import OpenVinoModel
from shared.embedding.parity import compare
from shared.embedding.port import Matrix, TextModel
from shared.embedding.registry import TextCard, load_text_card
from shared.embedding.text import SentenceModel
from shared.logs import configure
from shared.text.preparation import Preparer

KEY = "minilm-l6-v2"
PARTS = ("speed", "quality")
MICRO_BATCH_TOKENS, TEXTS_AT_ONCE, PEER_BATCH = 1_024, 256, 32
EXACT, INT8, PEER = "openvino float32", "openvino int8", "sentence-transformers"
FLOORS = Floors(0.997, 0.9)
CLOCK = SystemClock()

Embed = Callable[[Sequence[str]], Matrix]


def encoders(card: TextCard, folder: Path) -> dict[str, Embed]:
    """Return all ways to compute the model, by name; the int8 model is made in a folder."""
    made = build(Order(card, f"{KEY}-int8", folder, None, FLOORS), packaged_sample(Preparer(card.preparation)), None)
    print(f"  int8 model as `millrace models build` made it: {made.parity}, {made.size_bytes / 1e6:.1f} MB")
    peer = SentenceTransformer(str(card.folder), device="cpu", local_files_only=True)
    found: dict[str, Embed] = {
        PEER: lambda texts: np.asarray(
            peer.encode(list(texts), batch_size=PEER_BATCH, show_progress_bar=False), np.float32
        ),
        "torch float32": _whole(SentenceModel(card, "cpu", MICRO_BATCH_TOKENS)),
        EXACT: _whole(OpenVinoModel(card, "cpu", MICRO_BATCH_TOKENS, "float32")),
    }
    if has_bfloat16():
        found["openvino bfloat16"] = _whole(OpenVinoModel(card, "cpu", MICRO_BATCH_TOKENS, "bfloat16"))
    return found | {INT8: _whole(OpenVinoModel(made.card, "cpu", MICRO_BATCH_TOKENS))}


def _whole(model: TextModel) -> Embed:
    """Return a function that embeds texts in batches as large as those of a worker."""

    def embed(texts: Sequence[str]) -> Matrix:
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([model.embed(part).vectors for part in parts])

    return embed


def report_speed(ways: Mapping[str, Embed], texts_wanted: int, rounds: int) -> None:
    """Measure texts per second and CPU time in turn, and compare the vectors with those in float32."""
    texts = load_mix(texts_wanted)
    vectors = {name: embed(texts) for name, embed in ways.items()}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, embed in ways.items():
            began_s, began_cpu_s = CLOCK.monotonic_s(), _cpu_s()
            embed(texts)
            walls[name].append(CLOCK.monotonic_s() - began_s)
            cpus[name].append(_cpu_s() - began_cpu_s)
    print(f"\n{texts_wanted} tickets of mixed lengths, {rounds} rounds in turn: median (min-max)")
    for name in ways:
        rates = [texts_wanted / wall for wall in walls[name]]
        ratios = [peer / own for peer, own in zip(walls[PEER], walls[name], strict=True)]
        of_cpu = [peer / own for peer, own in zip(cpus[PEER], cpus[name], strict=True)]
        parity = compare(vectors[EXACT], vectors[name])
        print(
            f"  {name:<22} {_spread(rates, '.0f')}/s; ratio {_spread(ratios, '.2f')}; by CPU time {_spread(of_cpu, '.2f')}"
        )
        print(
            f"  {'':<22} cosine {parity.mean_cosine:.5f}, lowest {parity.least_cosine:.5f}; overlap@10 {parity.overlap:.3f}"
        )


def report_quality(ways: Mapping[str, Embed], card: TextCard) -> None:
    """Train a head with the vectors of each way, and decide the test questions."""
    folder = Path(os.environ["MILLRACE_DATA"]) / "text" / "banking77"
    preparer = Preparer(card.preparation)
    rows = {part: _rows(folder / f"{part}.csv", preparer) for part in ("train", "test")}
    print("\nBanking77: share of the test questions that a head decides rightly")
    exact = None
    for name in (EXACT, "openvino bfloat16", INT8):
        if name not in ways:
            continue
        known, asked = (
            Texts(tuple(texts), tuple(labels), ways[name](texts)) for texts, labels in (rows["train"], rows["test"])
        )
        trained = trained_on(known)
        exact = exact or trained
        print(
            f"  {name:<22} {measured(trained, asked).accuracy:.4f}; the head of {EXACT}: "
            f"{measured(exact, asked).accuracy:.4f}",
            flush=True,
        )


def _rows(file: Path, preparer: Preparer) -> tuple[list[str], list[str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    return [preparer.message(row["text"]).embedded for row in rows], [row["category"] for row in rows]


def _cpu_s() -> float:
    used = os.times()
    return used.user + used.system


def _spread(values: Sequence[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def report(parts: Sequence[str], texts_wanted: int, rounds: int) -> None:
    """Measure and print the parts."""
    print("\nWays to compute the packaged text model")
    card = load_text_card(KEY)
    with tempfile.TemporaryDirectory() as folder:
        ways = encoders(card, Path(folder) / "int8")
        if "speed" in parts:
            report_speed(ways, texts_wanted, rounds)
        if "quality" in parts:
            report_quality(ways, card)


def main() -> None:
    """Measure the named parts, or both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", default=PARTS, help="speed, quality; both by default")
    parser.add_argument("--texts", type=int, default=512, help="the number of tickets")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    configure("error", json_lines=False)
    report(given.part, given.texts, given.rounds)


if __name__ == "__main__":
    main()
