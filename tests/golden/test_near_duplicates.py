"""Near-duplicates on photos of clothes, with the packaged model and the default thresholds.

A part of the photos is changed in every promised way, and each is searched among more of them, as the worker does. A
green run does not prove the figures of `docs/near-duplicates.md`, which `benchmarks/near_duplicates.py` measures on all
photos; nor anything of catalogues with thousands of pictures, of other models, or of two photos of one product.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.near_duplicates import FALSE_SHARE, PROMISED, RECALL, Examiner, Photo, by_kind, false_alarms, recalls
from schemas.points import PointSchema, point_id
from schemas.products import ProductPayload, ProductTombstone
from shared.records import Point
from shared.search.duplicates import DuplicateSearch, Pictures, Question
from shared.stream_settings import DuplicateSettings
from tests.support.fakes import FakeCollection

CHANGED, ONLY_SEEN = 18, 60
SETTINGS = DuplicateSettings()
SCHEMA = PointSchema("products", "image_id", ProductPayload, ProductTombstone)
PICTURES = Pictures("image", SCHEMA.is_ours, lambda tenant, source_id: point_id(tenant, "products", source_id))


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    """Load the model."""
    made = Examiner("efficientnet-lite0")
    yield made
    made.close()


@pytest.fixture(scope="module")
def photos(examiner: Examiner, data_dir: Path) -> list[Photo]:
    """Look at photos of every class, the first ones in every promised form."""
    files = sorted((data_dir / "images" / "clothing").glob("*/*/*.jpg"))
    some = files[:: len(files) // (CHANGED + ONLY_SEEN)][: CHANGED + ONLY_SEEN]
    order = [*some[::4], *(each for at, each in enumerate(some) if at % 4)]
    return [
        examiner.examine(f"{each.parent.name}-{at}", each.read_bytes(), PROMISED if at < CHANGED else ())
        for at, each in enumerate(order)
    ]


def test_changed_photos_are_found(photos: list[Photo]) -> None:
    found = by_kind(recalls(photos[:CHANGED], SETTINGS))
    print("\n", {kind: tuple(round(each, 3) for each in recall) for kind, recall in found.items()})  # noqa: T201
    assert set(found) == set(PROMISED)
    assert all(recall.found >= RECALL for recall in found.values())
    assert all(found[kind].same_picture >= RECALL for kind in PROMISED if kind != "cropped")


def test_different_photos_are_not(photos: list[Photo]) -> None:
    pairs = len(photos) * (len(photos) - 1) / 2
    assert pairs > 3_000
    assert len(false_alarms(photos, SETTINGS)) <= FALSE_SHARE * pairs


def test_a_mirrored_photo_is_marked_so_and_its_original_is_the_only_hit(photos: list[Photo]) -> None:
    """The whole search, on a collection of all the photos."""
    collection = FakeCollection(dimensions={"image": len(photos[0].features.vector)}, sparse=())
    collection.upsert([stored(each) for each in photos])
    changed = [photo.changed["mirrored", "mirrored"] for photo in photos[:CHANGED]]
    questions = [
        Question(
            "acme", "mirrored", "copies", point_id("acme", "products", "mirrored"), features.vector, features.hashes
        )
        for features in changed
    ]
    found = DuplicateSearch(collection, PICTURES, SETTINGS).find(questions)
    assert [[each.image_id for each in every] for every in found] == [[each.name] for each in photos[:CHANGED]]
    assert all(each.mirrored and each.tier == "same_picture" for [each] in found)


def stored(photo: Photo) -> Point:
    """Return the point of a photo, of a product of its own."""
    payload = {"tenant_id": "acme", "image_id": photo.name, "product_id": photo.name, "event_version": 1}
    payload |= {"picture_hash": photo.features.hashes.plain}
    return Point(point_id("acme", "products", photo.name), 1, {"image": photo.features.vector}, payload)
