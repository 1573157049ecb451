"""The packaged model of pictures recognises the drawn samples of the demo, and sees near-duplicates beside their originals.

The pictures are drawings, so a green run does not prove anything about photos; `test_image_models.py` is about those.
Run it with `-s` to see the figures.
"""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks.drawn_samples import Sample, decoded_files, drawn, read_samples
from millrace.resources import load_image_model
from shared.embedding.image.pixels import prepare_picture
from shared.embedding.port import Matrix
from shared.embedding.registry import load_image_card
from shared.stream_settings import ImageSettings
from tests.support.sources import ROOT
from tests.unit.test_demo_samples import FOLDER, ROWS

ACCURACY = 0.9
COPY, OTHER = 0.93, 0.9
REDRAWN = ("mug-stripes.png", "lamp-desk-red.png", "watch-chrono.jpg")
"""Redrawing all of them takes a minute."""

USED = [row for row in ROWS if row["refused"] is None]
NAMES = [Path(row["file"]).name for row in USED]
SAMPLES: dict[str, Sample] = {Path(each.row["file"]).name: each for each in read_samples()}
COPIES = {name: each.drawing.copy_of for name, each in SAMPLES.items() if each.drawing.copy_of is not None}


@pytest.fixture(scope="module")
def vectors() -> Matrix:
    """Embed the pictures that can be decoded."""
    decoded = decoded_files(FOLDER, USED)
    card = load_image_card("efficientnet-lite0")
    prepared = [prepare_picture(decoded[row["file"]], card) for row in USED]
    return load_image_model(ImageSettings(device="cpu")).embed(prepared).vectors


def test_the_rows_are_those_of_the_script() -> None:
    assert [each.row for each in SAMPLES.values()] == ROWS


@pytest.mark.parametrize("name", REDRAWN)
def test_a_picture_is_drawn_as_it_was(name: str) -> None:
    """The bytes are the same only with the same libraries, which the lock states; the exact file shows that they are."""
    assert drawn(SAMPLES[name], {}) == (ROOT / "millrace/demo/samples/products" / name).read_bytes()


def test_arriving_pictures_get_the_intended_class(vectors: Matrix) -> None:
    is_known = np.array([row["label"] is not None for row in USED])
    regression = LogisticRegression(C=10, max_iter=2_000)
    regression.fit(vectors[is_known], [row["label"] for row in USED if row["label"] is not None])
    chances = regression.predict_proba(vectors)
    found = regression.classes_[chances.argmax(axis=1)]
    arriving = [place for place, row in enumerate(USED) if row["intended"] is not None]
    accuracy = np.mean([found[place] == USED[place]["intended"] for place in arriving])
    (stranger,) = (place for place, row in enumerate(USED) if row["label"] is None and row["intended"] is None)
    print(f"\naccuracy {accuracy:.3f} of {len(arriving)}; the stranger {chances[stranger].max():.2f}")  # noqa: T201
    assert accuracy >= ACCURACY
    assert chances[stranger].max() < min(chances[place].max() for place in arriving)


@pytest.mark.parametrize(("copy", "original"), COPIES.items())
def test_a_near_duplicate_is_nearest_to_its_original(vectors: Matrix, copy: str, original: str) -> None:
    cosines = dict(zip(NAMES, vectors @ vectors[NAMES.index(copy)], strict=True))
    del cosines[copy]
    assert max(cosines, key=lambda name: cosines[name]) == original
    assert cosines.pop(original) >= COPY
    assert max(cosines.values()) < OTHER
