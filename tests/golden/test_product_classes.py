"""Heads on real pictures, and heads on pictures and titles, by the packaged models and the code of `millrace classes`.

The clothes are photos of ten kinds that people took at home: 220 to train on and 80 to test. The other set is drawn by
`benchmarks/product_classes.py`, in a short form. A green run does not prove that titles help as much on real products,
nor anything about other kinds of photos; 80 photos leave an interval of 7 points each way. Run it with `-s` to see the
figures.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.product_classes import HEADS, classes, compare_heads, sizes, unparted
from millrace.learning.classes import evaluate_classes, inputs_of, train_classes
from millrace.learning.product_files import read_pictures
from millrace.learning.product_reading import ProductReading
from shared.routing.head_files import load_head
from shared.settings import Settings
from shared.stream_settings import StreamSettings

ACCURACY, CALIBRATION_ERROR = 0.85, 0.15
MOST, FEWEST, TESTED = 10, 4, 4

pytestmark = pytest.mark.timeout(600)


def show(figures: str) -> None:
    """Print figures, which pytest shows with `-s`."""
    print(f"\n{figures}", end="")  # noqa: T201


@pytest.fixture(scope="module")
def reading() -> ProductReading:
    """Load the packaged models of pictures and texts."""
    return ProductReading(StreamSettings(), Settings(), HEADS["both"])


def test_clothes_are_classified_by_their_photos(reading: ProductReading, data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "images" / "clothing"
    labelled = read_pictures(folder / "train")
    assert inputs_of(labelled) == ("image",)
    outcome, products = train_classes(reading, labelled, None, tmp_path)
    assert (len(outcome.examples.texts), len(outcome.head.labels), products.damaged) == (220, 10, ())
    assert outcome.trained.recipe.kind == "dense"
    report = evaluate_classes(reading, load_head(tmp_path), read_pictures(folder / "test"), None)
    low, high = report.interval
    show(f"clothes: {report.figures.as_dict()}, 95 % interval {low:.3f}-{high:.3f}")
    assert report.figures.rows == 80
    assert report.figures.accuracy >= ACCURACY
    assert report.figures.ece <= CALIBRATION_ERROR
    assert low < report.figures.accuracy < high


def test_pictures_and_titles_together_part_classes_that_neither_parts(reading: ProductReading, tmp_path: Path) -> None:
    made = classes()
    assert len({(each.picture, each.title) for each in made}) == len(made) == 27, "both together part all classes"
    shares = [unparted([each.picture for each in made]), unparted([each.title for each in made])]
    assert shares == [pytest.approx(1 / 3)] * 2, "neither alone does"
    counts = sizes(MOST, FEWEST, np.random.default_rng(1))
    scores = compare_heads(reading, tmp_path, counts, TESTED)
    for name, score in scores.items():
        show(f"{name}: macro F1 {score.f1:.3f} ({score.low:.3f}-{score.high:.3f})")
    assert scores["both"].low > max(scores["pictures"].high, scores["titles"].high)
