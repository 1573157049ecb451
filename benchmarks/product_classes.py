"""`python -m benchmarks.product_classes`: heads on pictures, on titles and on both, on classes that need both.

The set is drawn, from a seed: 27 classes of very different size. Nine classes have a picture and a title of their own.
Nine share a picture in threes and differ by their titles: pictures alone cannot part these 9 of 27 classes (33 %). Nine
share a title in threes and differ by their pictures: titles alone cannot part these 9 of 27 (33 %). Each class has one
kind of picture (one of 7 shapes in one of 3 colours, at a random place, size and angle, on a random background) and one
kind of title (a noun among words that say nothing); one title in ten has no noun. The pictures are written as files and
pass through `millrace classes`' own reading and training. What it does not show: how much titles help on real products.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from millrace.learning.classes import train_on
from millrace.learning.product_files import read_pictures
from millrace.learning.product_reading import ProductReading, Products
from shared.embedding.port import IMAGE, TEXT
from shared.logs import configure
from shared.routing.head import Head
from shared.settings import Settings
from shared.stream_settings import StreamSettings

SEED = 17
OWN, SHARING, TOGETHER = 9, 9, 3
SIDE_PX = 224
MOST, FEWEST = 45, 5
"""Training products of the largest and of the smallest class; the sizes between fall by a constant factor."""

TESTED = 10
UNNAMED = 0.1
RESAMPLES = 1_000
HEADS = {"pictures": (IMAGE.name,), "titles": (TEXT.name,), "both": (IMAGE.name, TEXT.name)}

SHAPES = ("disc", "ring", "square", "triangle", "star", "cross", "stripes")
COLOURS = ((205, 45, 40), (45, 150, 60), (50, 75, 200))
NOUNS = (
    "kettle", "lantern", "notebook", "umbrella", "hammer", "pillow", "wallet", "guitar", "blender", "scarf", "compass",
    "candle", "backpack", "thermometer", "toaster", "necklace", "bicycle pump", "fishing rod", "teapot", "flashlight",
    "yoga mat",
)  # fmt: skip
WORDS = (
    "new", "original", "premium", "compact", "classic", "gift", "deluxe", "everyday", "light", "large", "travel", "studio",
    "eco", "limited", "family", "pro",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProductClass:
    """A class: its name, the number of its kind of picture and of its kind of title, 0 to 20."""

    name: str
    picture: int
    title: int


def classes() -> list[ProductClass]:
    """Return the 27 classes: with a picture and a title of their own, sharing a picture, sharing a title."""
    pairs = [(each, each) for each in range(OWN)]
    pairs += [(OWN + each // TOGETHER, OWN + each) for each in range(SHARING)]
    pictures, titles = OWN + SHARING // TOGETHER, OWN + SHARING
    pairs += [(pictures + each, titles + each // TOGETHER) for each in range(SHARING)]
    return [ProductClass(f"class {number:02}", *pair) for number, pair in enumerate(pairs, 1)]


def unparted(kinds: Sequence[int]) -> float:
    """Return the share of classes whose kind is also that of another class."""
    return float(np.mean([Counter(kinds)[kind] > 1 for kind in kinds]))


def sizes(most: int, fewest: int, drawn: np.random.Generator) -> list[int]:
    """Return the number of training products of each class, from most to fewest by a constant factor, shuffled."""
    return [int(size) for size in drawn.permutation(np.geomspace(most, fewest, len(classes())).round())]


def draw_picture(kind: int, drawn: np.random.Generator) -> Image.Image:
    """Draw a picture of a kind."""
    shape, colour = SHAPES[kind % len(SHAPES)], np.array(COLOURS[kind // len(SHAPES)])
    ground = drawn.integers(120, 256, 3) + drawn.normal(0, 12, (SIDE_PX, SIDE_PX, 3))
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    filled = tuple(int(part) for part in (colour + drawn.integers(-30, 31, 3)).clip(0, 255))
    radius = drawn.uniform(0.2, 0.4) * SIDE_PX
    middle = drawn.uniform(radius, SIDE_PX - radius, 2)
    _draw_shape(ImageDraw.Draw(picture), shape, middle, radius, drawn.uniform(0, 2 * pi), filled)
    return picture.filter(ImageFilter.GaussianBlur(drawn.uniform(0, 1.5)))


def _draw_shape(
    pen: ImageDraw.ImageDraw,
    shape: str,
    middle: NDArray[np.float64],
    radius: float,
    angle: float,
    colour: tuple[int, ...],
) -> None:
    def around(*steps: tuple[float, float]) -> list[tuple[float, float]]:
        """Return points by their angle and their distance, in radii."""
        return [
            (middle[0] + far * radius * cos(angle + at), middle[1] + far * radius * sin(angle + at))
            for at, far in steps
        ]

    corners = {"square": 4, "triangle": 3}
    box = [*(middle - radius), *(middle + radius)]
    if shape == "disc":
        pen.ellipse(box, fill=colour)
    elif shape == "ring":
        pen.ellipse(box, outline=colour, width=int(radius / 4))
    elif shape in corners:
        pen.polygon(around(*((2 * pi * n / corners[shape], 1.0) for n in range(corners[shape]))), fill=colour)
    elif shape == "star":
        pen.polygon(around(*((pi * n / 5, 0.4 if n % 2 else 1.0) for n in range(10))), fill=colour)
    elif shape == "cross":
        for at in (0.0, pi / 2):
            pen.line(around((at, 1.0), (at + pi, 1.0)), fill=colour, width=int(radius / 3))
    else:
        for offset in (-0.7, 0.0, 0.7):
            pen.line(around((offset, 1.0), (pi - offset, 1.0)), fill=colour, width=int(radius / 5))


def draw_title(kind: int, drawn: np.random.Generator) -> str:
    """Return a title of a kind; without its noun, it says nothing."""
    words = [str(word) for word in drawn.choice(WORDS, 4, replace=False)]
    if drawn.random() >= UNNAMED:
        words.insert(int(drawn.integers(len(words))), NOUNS[kind])
    return f"{' '.join(words)} {drawn.integers(100, 1_000)}"


def write_set(folder: Path, counts: Sequence[int], drawn: np.random.Generator) -> Path:
    """Draw a set of products, one number for each class, and return its manifest."""
    manifest = folder / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as opened:
        rows = csv.writer(opened)
        rows.writerow(("file", "label", "title"))
        for each, count in zip(classes(), counts, strict=True):
            for number in range(count):
                file = f"{each.name} {number}.jpg"
                draw_picture(each.picture, drawn).save(folder / file, quality=90)
                rows.writerow((file, each.name, draw_title(each.title, drawn)))
    return manifest


@dataclass(frozen=True, slots=True)
class Score:
    """The macro F1 of a head, with its 95 % interval."""

    f1: float
    low: float
    high: float


def macro_f1(truth: NDArray[np.intp], answers: NDArray[np.intp], labels: int) -> float:
    """Return the mean over the labels that occur in `truth` of the harmonic mean of precision and recall."""
    right = np.bincount(truth[truth == answers], minlength=labels)
    right_or_given = np.bincount(truth, minlength=labels) + np.bincount(answers, minlength=labels)
    present = np.bincount(truth, minlength=labels) > 0
    return float((2 * right[present] / right_or_given[present]).mean())


def score_of(truth: NDArray[np.intp], answers: NDArray[np.intp], labels: int) -> Score:
    """Return macro F1 with its percentile bootstrap interval over the products."""
    drawn = np.random.default_rng(SEED)
    resampled = [
        macro_f1(truth[rows], answers[rows], labels) for rows in drawn.integers(0, len(truth), (RESAMPLES, len(truth)))
    ]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Score(macro_f1(truth, answers, labels), float(low), float(high))


def compare_heads(reading: ProductReading, folder: Path, counts: Sequence[int], tested: int) -> dict[str, Score]:
    """Draw a set, train a head on pictures, one on titles and one on both, and score each on other products."""
    training = _drawn(reading, folder / "training", counts, 0)
    asked = _drawn(reading, folder / "test", [tested] * len(counts), 1)
    scores = {}
    for name, inputs in HEADS.items():
        model = "+".join(reading.fingerprints[each] for each in inputs)
        scores[name] = _scored(train_on(training, inputs, model, None, folder / name).head, asked)
    return scores


def _drawn(reading: ProductReading, folder: Path, counts: Sequence[int], part: int) -> Products:
    folder.mkdir()
    return reading.read(read_pictures(write_set(folder, counts, np.random.default_rng([SEED, part]))))


def _scored(head: Head, asked: Products) -> Score:
    texts = asked.texts if TEXT.name in head.inputs else ("",) * len(asked.rows)
    answers = head.predict(texts, asked.features(head.inputs)).probabilities.argmax(axis=1)
    truth = np.array([head.labels.index(label) for label in asked.labels])
    return score_of(truth, answers, len(head.labels))


def main(show: Callable[[str], None] = print) -> None:
    """Print the macro F1 of each head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    configure("error", json_lines=False)
    counts = sizes(MOST, FEWEST, np.random.default_rng(SEED))
    made = classes()
    show(
        f"{len(made)} classes of {max(counts)} to {min(counts)} products, {sum(counts)} to train on, {TESTED} of each to "
        f"test; pictures alone cannot part {unparted([each.picture for each in made]):.0%} of the classes, titles alone "
        f"{unparted([each.title for each in made]):.0%}; {UNNAMED:.0%} of the titles name nothing"
    )
    reading = ProductReading(StreamSettings(), Settings(), HEADS["both"])
    with TemporaryDirectory() as folder:
        for name, score in compare_heads(reading, Path(folder), counts, TESTED).items():
            show(f"  {name:<9} macro F1 {score.f1:.3f} ({score.low:.3f}-{score.high:.3f})")


if __name__ == "__main__":
    main()
