"""How well and how fast the text in pictures is read: `python -m benchmarks.screenshots [--photos FOLDER] [--rows]`.

Prints for each of the twelve sample screenshots, and for pictures of other kinds drawn at random, the word accuracy: 1
minus the word error rate, by words as they are written, with capitals, accents and punctuation. The words of a row are
compared in their order, rows from top to bottom. "Found" is the share of the true words that were read, whatever the
order, capitals and punctuation, as a search finds them. Of the samples, it counts the personal data that is masked. Of
photos without text in a folder, it counts the words that were read.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import jiwer
import numpy as np
from PIL import Image

from benchmarks.drawing.photos import pixels_of
from benchmarks.drawing.varied import KINDS, draw_kind
from shared.clock import SystemClock
from shared.embedding.port import Pixels
from shared.reading.port import TextReader
from shared.reading.rapid import load_text_reader
from shared.text.preparation import Preparation, Preparer

SAMPLES = Path(__file__).parents[1] / "millrace" / "demo" / "samples" / "screenshots"
LIST = "screenshots.json"
QUICK_KINDS = 6


@dataclass(slots=True)
class Rates:
    """How well some pictures were read.

    Attributes:
        words: Words of the true texts.
        errors: Words to replace, insert or delete.
        found: True words that were read anywhere, in small letters and without punctuation.
        searched: True words of which something is left then.
        took_s: The time that it took.
    """

    words: int = 0
    errors: int = 0
    found: int = 0
    searched: int = 0
    took_s: float = 0.0

    @property
    def accuracy(self) -> float:
        """1 minus the word error rate."""
        return 1 - self.errors / self.words

    def add(self, other: "Rates") -> None:
        """Add the rates of other pictures."""
        for name in ("words", "errors", "found", "searched", "took_s"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def shown(self) -> str:
        """Return the rates as columns."""
        return f"{self.words:6}{self.accuracy:10.3f}{self.found / max(1, self.searched):8.3f}{self.took_s:8.2f}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture whose text is known."""

    name: str
    pixels: Pixels
    rows: list[str]
    personal: list[str] = field(default_factory=list)


def samples() -> Iterator[Shown]:
    """Yield the sample screenshots."""
    for each in json.loads((SAMPLES / LIST).read_text(encoding="utf-8")):
        with Image.open(SAMPLES / each["file"]) as image:
            yield Shown(each["file"], pixels_of(image), each["rows"], each["personal"])


def others(quick: bool) -> Iterator[Shown]:
    """Yield pictures of other kinds; the same ones each time."""
    for kind in KINDS[:: len(KINDS) // QUICK_KINDS] if quick else KINDS:
        image, rows = draw_kind(kind, np.random.default_rng(crc32(kind.name.encode())))
        yield Shown(kind.name, pixels_of(image), rows)


def compared(true_rows: Sequence[str], read: str) -> Rates:
    """Compare what was read with the true rows."""
    true = " ".join(true_rows)
    errors: Any = jiwer.process_words(true, " ".join(read.split()) or "-")
    wanted, found = _searched(true), _searched(read)
    return Rates(
        words=len(true.split()),
        errors=errors.substitutions + errors.insertions + errors.deletions,
        found=sum((wanted & found).values()),
        searched=sum(wanted.values()),
    )


def _searched(text: str) -> Counter[str]:
    cleaned = "".join(each if each.isalnum() else " " for each in text.lower())
    return Counter(cleaned.split())


def measure(reader: TextReader, shown: Shown) -> tuple[Rates, str]:
    """Read a picture, and return the rates and what was read."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    read = reader.read(shown.pixels).text
    rates = compared(shown.rows, read)
    rates.took_s = clock.monotonic_s() - began_s
    return rates, read


def missed_masks(shown: Shown, read: str) -> list[str]:
    """Return the personal data that is left in what was read, after masking, or was not read."""
    kept = Preparer(Preparation(version=3)).message(read).kept
    return [
        each for each in shown.personal if _squeezed(each) in _squeezed(kept) or _squeezed(each) not in _squeezed(read)
    ]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def report(quick: bool, with_rows: bool = False) -> None:
    """Print the rates of the samples and of the other pictures."""
    reader = load_text_reader()
    reader.read(np.full((64, 64, 3), 255, np.uint8))
    for title, pictures in (("sample screenshots", samples()), ("other pictures, at random", others(quick))):
        print(f"\n{title:<34}{'words':>6}{'accuracy':>10}{'found':>8}{'s':>8}  size")
        total = Rates()
        personal, missed = 0, []
        for shown in pictures:
            rates, read = measure(reader, shown)
            total.add(rates)
            personal += len(shown.personal)
            missed += missed_masks(shown, read)
            height, width = shown.pixels.shape[:2]
            print(f"{shown.name:<34}{rates.shown()}  {width} x {height}")
            if with_rows:
                _print_differences(shown.rows, read)
        print(f"{'together':<34}{total.shown()}")
        if personal:
            print(
                f"personal data masked: {personal - len(missed)} of {personal}{''.join(f', not {each}' for each in missed)}"
            )


def _print_differences(true_rows: Sequence[str], read: str) -> None:
    read_rows = read.splitlines()
    for row in true_rows:
        if row not in read_rows:
            print(f"    true {row}")
    for row in read_rows:
        if row not in true_rows:
            print(f"    read {row}")


def report_photos(folder: Path, with_rows: bool) -> None:
    """Print how much text was read in photos that show none, or next to none."""
    reader = load_text_reader()
    words, pictures, files = 0, 0, sorted(folder.rglob("*.jpg"))
    for file in files:
        with Image.open(file) as image:
            read = reader.read(pixels_of(image))
        words += len(read.text.split())
        pictures += bool(read.lines)
        if with_rows and read.lines:
            print(f"    {file.name} {[(line.text, round(line.confidence, 2)) for line in read.lines]}")
    print(f"photos: {words} words in {pictures} of {len(files)}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pictures of other kinds")
    parser.add_argument("--rows", action="store_true", help="print the rows that differ")
    parser.add_argument("--photos", type=Path, help="folder of photos without text (JPEG)")
    arguments = parser.parse_args()
    report(arguments.quick, arguments.rows)
    if arguments.photos is not None:
        report_photos(arguments.photos, arguments.rows)


if __name__ == "__main__":
    main()
