"""The packaged model of pictures recognises the drawn samples of the demo, and sees near-duplicates beside their originals.

The pictures are drawings, so a green run does not prove anything about photos; `test_image_models.py` is about those.
Run it with `-s` to see the figures.
"""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.drawn_samples import Sample, classify, draw, embed, prepare_files, read_attached, read_samples
from shared.embedding.port import Matrix
from tests.support.demo_pictures import FOLDER, ROWS

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
    prepared = prepare_files(FOLDER, USED)
    return embed([prepared[row["file"]] for row in USED])


def test_the_rows_are_those_of_the_script() -> None:
    assert [each.row for each in SAMPLES.values()] == ROWS


@pytest.mark.parametrize("name", REDRAWN)
def test_a_picture_is_drawn_as_it_was(name: str) -> None:
    """The bytes are the same only with the same libraries, which the lock states; the exact file shows that they are."""
    sample = SAMPLES[name]
    assert draw(sample.row["file"], sample.drawing, {}) == (FOLDER / sample.row["file"]).read_bytes()


def test_the_attached_pictures_are_drawn_as_they_were() -> None:
    for path, drawing in read_attached().items():
        assert draw(path, drawing, {}) == (FOLDER / path).read_bytes(), path


def test_arriving_pictures_get_the_intended_class(vectors: Matrix) -> None:
    answers = list(zip(USED, classify(USED, vectors), strict=True))
    arriving = [(row["intended"], answer) for row, answer in answers if row["intended"] is not None]
    accuracy = np.mean([answer.label == intended for intended, answer in arriving])
    (stranger,) = (answer for row, answer in answers if row["label"] is None and row["intended"] is None)
    print(f"\naccuracy {accuracy:.3f} of {len(arriving)}; the stranger {stranger.chance:.2f}")  # noqa: T201
    assert accuracy >= ACCURACY
    assert stranger.chance < min(answer.chance for _, answer in arriving)


@pytest.mark.parametrize(("copy", "original"), COPIES.items())
def test_a_near_duplicate_is_nearest_to_its_original(vectors: Matrix, copy: str, original: str) -> None:
    cosines = dict(zip(NAMES, vectors @ vectors[NAMES.index(copy)], strict=True))
    del cosines[copy]
    assert max(cosines, key=lambda name: cosines[name]) == original
    assert cosines.pop(original) >= COPY
    assert max(cosines.values()) < OTHER
