"""`python -m benchmarks.drift [DATA ...]`: false alarms, and what is found and how it is named; see `docs/drift.md`.

Needs `MILLRACE_DATA`. The data are `banking77` and `bitext_support`. Each is split into a slice for a head, a reference,
and a stream from which windows are drawn. `--quick` takes fewer splits and runs.
"""

import argparse
import csv
import json
import os
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from millrace.learning.labelled_files import Reading
from schemas.drift import Cause
from shared.drift.building.build import Origin, build
from shared.drift.classes import confidence_class, length_class
from shared.drift.judging import judge, level_for
from shared.drift.reference import Reference, Seen, Subject
from shared.drift.window import Window
from shared.logs import configure
from shared.stream_settings import StreamSettings
from shared.text.language import detect_language

SUBJECT = Subject("tickets", "text", "00000000", "all")
START = datetime(2026, 1, 5, tzinfo=UTC)
ITEMS = 500
WINDOWS = 200
LEVEL = 0.05
ONE_A_MONTH = level_for(1.0, 1)
COLUMNS = {"banking77": ("text", "category"), "bitext_support": ("utterance", "intent")}
CUT_CHARS = 10
LEAST_OF_INTENT = 60
SHARES = {
    "one intent": (0.03, 0.05, 0.1, 0.25),
    "a new intent": (0.03, 0.05, 0.1, 0.15),
    "French": (0.01, 0.02, 0.05, 0.2),
    "cut to ten characters": (0.02, 0.05, 0.2, 1.0),
}
NOISES = (0.1, 0.2, 0.3, 0.5)
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Texts:
    """Prepared texts with their vectors, shape (n, dim), float32, unit length."""

    texts: NDArray[np.str_]
    labels: NDArray[np.str_]
    languages: NDArray[np.str_]
    vectors: NDArray[np.float32]

    @classmethod
    def read(cls, reading: Reading, texts: Sequence[str], labels: Sequence[str]) -> "Texts":
        """Prepare and embed texts."""
        prepared = reading.prepare(list(texts))
        languages = [detect_language(text) or "" for text in prepared]
        return cls(np.array(prepared), np.array(labels), np.array(languages), reading.embed(prepared))

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.texts)

    def take(self, rows: Rows | NDArray[np.bool_]) -> "Texts":
        """Return some of the texts."""
        return Texts(self.texts[rows], self.labels[rows], self.languages[rows], self.vectors[rows])

    def plus(self, other: "Texts") -> "Texts":
        """Return these texts and others."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("texts", "labels", "languages", "vectors"))
        return Texts(*(np.concatenate(pair) for pair in pairs))


class Split:
    """A split of the texts into a slice for a head, a reference, and a stream.

    Args:
        texts: The texts.
        seed: Makes the split.
        new: An intent that occurs in the stream alone.
    """

    def __init__(self, texts: Texts, seed: int, new: str | None = None) -> None:
        self.rng = np.random.default_rng(seed)
        order = self.rng.permutation(len(texts))
        first, second = int(0.12 * len(texts)), int(0.56 * len(texts))
        taught, known = texts.take(order[:first]), texts.take(order[first:second])
        if new is not None:
            taught, known = taught.take(taught.labels != new), known.take(known.labels != new)
        self.stream = texts.take(order[second:])
        self._head = LogisticRegression(C=60, max_iter=200).fit(taught.vectors, taught.labels)
        self.known = known
        traits = self.traits(known)
        rows = [
            Seen(known.vectors[n], f"i{n}", "bench", START + timedelta(minutes=n), traits[n], str(known.texts[n]))
            for n in range(len(known))
        ]
        self.reference: Reference = build(SUBJECT, rows, Origin(START))

    def traits(self, texts: Texts) -> list[dict[str, str]]:
        """Return what a worker would count the texts by."""
        shares = self._head.predict_proba(texts.vectors)
        labels, confidences = self._head.classes_[shares.argmax(axis=1)], shares.max(axis=1)
        found = []
        for text, language, label, confidence in zip(texts.texts, texts.languages, labels, confidences, strict=True):
            own = {
                "labels": str(label),
                "actions": "route" if confidence >= 0.6 else "suggest",
                "channels": "web",
                "lengths": length_class(len(text)),
                "confidences": confidence_class(float(confidence)),
            }
            found.append(own | ({"languages": str(language)} if language else {}))
        return found

    def window(self, texts: Texts) -> Window:
        """Return the window of these texts."""
        near = self.reference.nearest(texts.vectors)
        window = Window(
            self.reference.reference_id,
            START,
            START + timedelta(minutes=59),
            texts.vectors.sum(axis=0, dtype=np.float64),
            items=len(texts),
            squared_norms=float((texts.vectors**2).sum()),
            cosines=float(near.cosines.sum()),
            outliers=int(near.is_outlier.sum()),
        )
        window.counts["centroids"].update(map(str, near.centroids))
        window.counts["far"].update(map(str, near.centroids[near.is_far]))
        for traits in self.traits(texts):
            for name, value in traits.items():
                window.counts[name][value] += 1
        return window

    def some(self, texts: Texts, items: int = ITEMS) -> Texts:
        """Return some of the texts; one occurs twice only if there are too few."""
        return texts.take(self.rng.choice(len(texts), items, replace=items > len(texts)))

    def mixed(self, usual: Texts, other: Texts, share: float) -> Texts:
        """Return a window's texts, a share of which are others."""
        count = round(share * ITEMS)
        return self.some(usual, ITEMS - count).plus(self.some(other, count)) if count < ITEMS else self.some(other)


def report_alarms(texts: Texts, splits: int) -> None:
    """Print the false alarms among windows without drift."""
    alarms, pairs = [], []
    for seed in range(splits):
        split = Split(texts, seed)
        found = []
        for _ in range(WINDOWS):
            judged = judge(split.window(split.some(split.stream)), split.reference, LEVEL)
            found.append(judged.answer == "drift")
        alarms.append(sum(found))
        pairs.append(sum(first and second for first, second in pairwise(found)))
    print(f"  false alarms of {WINDOWS} windows at {LEVEL:.0%}, by split: {alarms}, mean {mean(alarms):.1f}")
    print(f"  two in a row, by split: {pairs}, mean {mean(pairs):.2f}")


@dataclass
class Tally:
    """What was found of one kind and size of change."""

    runs: int = 0
    found: int = 0
    named: int = 0

    def add(self, split: Split, make: Callable[[], Texts], is_right: Callable[[Cause], bool]) -> None:
        """Judge two windows in a row."""
        judged = [judge(split.window(make()), split.reference, ONE_A_MONTH) for _ in range(2)]
        self.runs += 1
        if all(each.answer == "drift" for each in judged):
            self.found += 1
            self.named += is_right(judged[-1].causes[0])


def report_found(texts: Texts, french: Texts, cut: Texts, runs: int) -> None:
    """Print how often two windows in a row show a change, and how often its cause is named first."""
    tallies: dict[str, Tally] = {}
    counts = Counter(texts.labels.tolist())
    intents = sorted(label for label, count in counts.items() if count >= LEAST_OF_INTENT)
    for seed in range(runs):
        split, intent = Split(texts, seed), intents[seed * 7 % len(intents)]
        own, rest = (split.stream.take(chosen) for chosen in _parted(split.stream, intent))
        names = _names_of(split, intent)
        for share in SHARES["one intent"]:
            make, right = _mixing(split, rest, own, share), lambda cause, names=names: cause.name in names
            tallies.setdefault(f"one intent, {share:.0%}", Tally()).add(split, make, right)
        for name, others, kind in (("French", french, "language"), ("cut to ten characters", cut, "length")):
            for share in SHARES[name]:
                make, right = _mixing(split, split.stream, others, share), lambda cause, kind=kind: cause.kind == kind
                tallies.setdefault(f"{name}, {share:.0%}", Tally()).add(split, make, right)
        for noise in NOISES:
            make = _noisy(split, noise)
            tallies.setdefault(f"noise of {noise}", Tally()).add(split, make, lambda cause: cause.kind == "outputs")
        split = Split(texts, seed, new=intent)
        own, rest = (split.stream.take(chosen) for chosen in _parted(split.stream, intent))
        for share in SHARES["a new intent"]:
            make = _mixing(split, rest, own, share)
            tally = tallies.setdefault(f"a new intent, {share:.0%}", Tally())
            tally.add(split, make, lambda cause: cause.kind == "novelty")
    for name, tally in tallies.items():
        print(f"  {name}: found {tally.found} of {tally.runs}, cause named first {tally.named}")


def _parted(texts: Texts, intent: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return texts.labels == intent, texts.labels != intent


def _names_of(split: Split, intent: str) -> set[str]:
    """Return the names of causes that are right for an intent: its own, and those of its centroids."""
    near = split.reference.nearest(split.known.vectors[split.known.labels == intent])
    return {intent} | {split.reference.names[n] for n, _ in Counter(near.centroids.tolist()).most_common(4)}


def _mixing(split: Split, usual: Texts, other: Texts, share: float) -> Callable[[], Texts]:
    return lambda: split.mixed(usual, other, share)


def _noisy(split: Split, noise: float) -> Callable[[], Texts]:
    """Return windows whose vectors have noise of this length, relative to theirs."""

    def make() -> Texts:
        texts = split.some(split.stream)
        drawn = split.rng.standard_normal(texts.vectors.shape) / np.sqrt(texts.vectors.shape[1])
        vectors = texts.vectors + noise * drawn
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Texts(texts.texts, texts.labels, texts.languages, vectors.astype(np.float32))

    return make


def rows_of(folder: Path, name: str) -> tuple[list[str], list[str]]:
    """Return the texts of a set of data and their labels."""
    text, label = COLUMNS[name]
    found: dict[str, str] = {}
    for path in sorted((folder / name).glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as opened:
            found.update((row[text], row[label]) for row in csv.DictReader(opened))
    return list(found), list(found.values())


def french_texts() -> list[str]:
    """Return French texts: those of the samples, and those written for the detection of languages."""
    lines = files("millrace.demo").joinpath("samples", "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [each["body"] for each in map(json.loads, lines) if each["language"] == "fr"]
    written = tomllib.loads(Path(__file__).with_name("language_texts.toml").read_text(encoding="utf-8"))
    return samples + [text for part in written.values() if isinstance(part, dict) for text in part.get("fr", [])]


def report(quick: bool, names: Sequence[str] = tuple(COLUMNS)) -> None:
    """Print the figures of each set of data."""
    if "MILLRACE_DATA" not in os.environ:
        print("\ndrift: MILLRACE_DATA is not set")
        return
    folder, reading = Path(os.environ["MILLRACE_DATA"]) / "text", Reading(StreamSettings())
    foreign = french_texts()
    french = Texts.read(reading, foreign, [""] * len(foreign))
    for name in names[:1] if quick else names:
        texts, labels = rows_of(folder, name)
        print(f"\ndrift: {name}, {len(texts):,} texts")
        read = Texts.read(reading, texts, labels)
        cut = Texts.read(reading, [text[:CUT_CHARS] for text in texts[::4]], labels[::4])
        report_alarms(read, splits=2 if quick else 10)
        report_found(read, french, cut, runs=3 if quick else 20)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", default=tuple(COLUMNS), help=f"of {', '.join(COLUMNS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer splits and runs, and the first data alone")
    given = parser.parse_args()
    configure("error", json_lines=False)
    report(given.quick, given.data)


if __name__ == "__main__":
    main()
