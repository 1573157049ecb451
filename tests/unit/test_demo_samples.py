"""The sample pictures of the demo: files, ids, classes, and the events that they become.

A green run does not prove that a model recognises what they show; `tests/golden/test_drawn_samples.py` does.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from schemas.failures import FailureReason
from schemas.products import PRODUCT_EVENT, ProductImage
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.errors import Rejected
from shared.media.decoding.decoder import Decoder
from tests.support.demo_pictures import FOLDER, ROWS, event

REFUSED = [row for row in ROWS if row["refused"] is not None]
MAX_BYTES, MIN_SIDE_PX, MAX_SIDE_PX = 900 * 1024, 240, 480
MIN_PICTURES, MIN_LABELLED, MIN_CREATED = 40, 4, 3
PORTRAIT = "products/shirt-pocket.jpg"
"""It is stored turned, and upright by its EXIF data."""


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """Start a child that decodes."""
    with closing(Decoder(DecodingSettings(processes=1), 1 << 24, SystemClock())) as made:
        yield made


def test_ids_and_files_are_unique_and_no_file_is_left_over() -> None:
    assert len({row["image_id"] for row in ROWS}) == len({row["file"] for row in ROWS}) == len(ROWS) >= MIN_PICTURES
    assert {row["file"] for row in ROWS} == {f"products/{each.name}" for each in (FOLDER / "products").iterdir()}


def test_the_files_are_small() -> None:
    assert sum((FOLDER / row["file"]).stat().st_size for row in ROWS) <= MAX_BYTES


def test_each_class_has_enough_labelled_and_arriving_pictures() -> None:
    labelled = Counter(row["label"] for row in ROWS if row["reason"] == "catalogued")
    arriving = Counter(row["intended"] for row in ROWS if row["reason"] == "created")
    assert None not in labelled
    assert arriving.pop(None) == 1
    assert set(labelled) == set(arriving)
    assert min(labelled.values()) >= MIN_LABELLED
    assert min(arriving.values()) >= MIN_CREATED
    assert all(row["label"] is None for row in ROWS if row["reason"] == "created")


def test_one_product_has_two_pictures() -> None:
    assert Counter(Counter(row["product_id"] for row in ROWS).values()).keys() == {1, 2}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_a_row_becomes_an_event(row: dict[str, Any]) -> None:
    read = PRODUCT_EVENT.validate_json(json.dumps(event(row)))
    assert isinstance(read, ProductImage)
    assert (read.image_id, read.agent_label, read.reason) == (row["image_id"], row["label"], row["reason"])


def test_every_picture_is_decoded_but_the_damaged_one(decoder: Decoder) -> None:
    for row in ROWS:
        if row in REFUSED:
            continue
        height, width, _ = decoder.picture((FOLDER / row["file"]).read_bytes(), "image").pixels.shape
        assert MIN_SIDE_PX <= min(height, width) <= max(height, width) <= MAX_SIDE_PX, row["file"]


def test_the_damaged_picture_is_refused_with_its_reason(decoder: Decoder) -> None:
    (row,) = REFUSED
    with pytest.raises(Rejected) as refused:
        decoder.picture((FOLDER / row["file"]).read_bytes(), "image")
    assert refused.value.reason == FailureReason(row["refused"])
    assert row["reason"] == "created"


def test_unusual_files_are_decoded_to_what_they_show(decoder: Decoder) -> None:
    """Upright; white in place of transparency; 16 bits as 8; the four inks of CMYK as red, green and blue."""

    def pixels(name: str) -> np.ndarray:
        return decoder.picture((FOLDER / "products" / name).read_bytes(), "image").pixels

    upright = decoder.picture((FOLDER / PORTRAIT).read_bytes(), "image").pixels
    assert upright.shape[0] > upright.shape[1]
    assert (pixels("lamp-desk-red.png")[0, 0] == 255).all()
    deep = pixels("lamp-mushroom-16.png")
    assert deep.max() > 200 > 60 > deep.min()
    assert np.ptp(deep.astype(int), axis=2).max() == 0
    red, green, blue = pixels("shoe-loafer.jpg").mean(axis=(0, 1))
    assert red > green > blue > 40
