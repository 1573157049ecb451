"""Near-duplicates of vectors and hashes that are written out, on the fake and on Qdrant Edge.

A green run proves nothing about pictures: whether thresholds fit is measured by `tests/golden/test_near_duplicates.py`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.duplicates import DUPLICATES_LIMIT, NearDuplicate, pair_id
from schemas.points import PointSchema, point_id
from schemas.products import ProductPayload, ProductTombstone
from shared.errors import Unavailable
from shared.media.perceptual import PictureHashes
from shared.records import Point, Vector
from shared.search.duplicates import BatchEvent, DuplicateSearch, Judged, Pictures, Question, Removed
from shared.stream_settings import DuplicateSettings
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import VERSION_FIELD, Collection, CollectionSpec
from tests.support.fakes import DIM, FakeCollection
from tests.support.stores import write_foreign
from tests.support.vectors import unit

STREAM = "products"
SETTINGS = DuplicateSettings(same_picture_at=0.8, max_distance_bits=8, same_product_at=0.95, candidates=10)
SCHEMA = PointSchema(STREAM, "image_id", ProductPayload, ProductTombstone)
PICTURES = Pictures("image", SCHEMA.is_ours, lambda tenant, source_id: point_id(tenant, STREAM, source_id))
SPEC = CollectionSpec("products", "products__model__00000001", {"image": DIM}, {"tenant_id": "keyword"})
HASH, NEAR_HASH, MIRRORED, OTHER = "0f0f0f0f0f0f0f0f", "0f0f0f0f0f0f0f0e", "ffff0000ffff0000", "123456789abcdef0"
FLAT = "0" * 16


@pytest.fixture(params=["fake", "edge"])
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    """Open an empty collection of pictures."""
    if request.param == "fake":
        yield FakeCollection(dimensions={"image": DIM}, sparse=())
        return
    store = EdgeStore(tmp_path / "store")
    yield store.open(SPEC)
    store.close()


def at(cosine: float, axis: int = 1) -> Vector:
    """Return a vector with this cosine to that of `asked`; another axis gives one that is farther from its like."""
    return unit(cosine, *[0.0] * (axis - 1), (1 - cosine**2) ** 0.5)


def asked(image_id: str = "asking", product_id: str = "p0", **fields: Any) -> Question:
    """Return a question."""
    tenant = fields.pop("tenant_id", "acme")
    known: dict[str, Any] = {"vector": unit(1), "hashes": PictureHashes(HASH, MIRRORED)}
    return Question(tenant, image_id, product_id, point_id(tenant, STREAM, image_id), **known | fields)


def stored(image_id: str, vector: Vector, picture_hash: str = OTHER, **fields: object) -> Point:
    """Return the point of a picture, of a product of its own."""
    payload: dict[str, object] = {"tenant_id": "acme", "image_id": image_id, "product_id": f"of {image_id}"}
    payload |= {"picture_hash": picture_hash, VERSION_FIELD: 1} | fields
    return Point(point_id(str(payload["tenant_id"]), STREAM, image_id), 1, {"image": vector}, payload)


def judged(one: str, other: str, verdict: object, tenant: str = "acme") -> Point:
    """Return the point of a verdict."""
    source_id = pair_id(one, other)
    payload = {"tenant_id": tenant, "image_id": source_id, VERSION_FIELD: 1, "verdict": verdict}
    return Point(point_id(tenant, STREAM, source_id), 1, {}, payload)


def find(collection: Collection, *questions: BatchEvent, settings: DuplicateSettings = SETTINGS) -> list[list[str]]:
    """Return the ids of what is found for each question."""
    return [[each.image_id for each in found] for found in search(collection, *questions, settings=settings)]


def search(
    collection: Collection, *questions: BatchEvent, settings: DuplicateSettings = SETTINGS
) -> list[tuple[NearDuplicate, ...]]:
    return DuplicateSearch(collection, PICTURES, settings).find(questions)


def test_each_tier_has_its_own_conditions(collection: Collection) -> None:
    collection.upsert(
        [
            stored("alike by vector alone", at(0.96)),
            stored("alike by both", at(0.85), NEAR_HASH),
            stored("not near enough for both", at(0.75), NEAR_HASH),
            stored("not near enough for one", at(0.94)),
            stored("mirrored", at(0.9), MIRRORED),
        ]
    )
    [found] = search(collection, asked())
    assert [(each.image_id, each.tier, each.distance_bits, each.mirrored, each.verdict) for each in found] == [
        ("mirrored", "same_picture", 0, True, None),
        ("alike by both", "same_picture", 1, False, None),
        ("alike by vector alone", "same_product", found[2].distance_bits, False, None),
    ]
    assert [each.cosine for each in found] == pytest.approx([0.9, 0.85, 0.96], abs=1e-3)
    assert found[2].product_id == "of alike by vector alone"
    assert found[2].distance_bits > SETTINGS.max_distance_bits


def test_flat_pictures_are_never_one_picture_by_their_hashes(collection: Collection) -> None:
    collection.upsert([stored("flat, far", at(0.9), FLAT), stored("flat, near", at(0.97), FLAT)])
    [found] = search(collection, asked(hashes=PictureHashes(FLAT, FLAT)))
    assert [(each.image_id, each.tier, each.distance_bits) for each in found] == [("flat, near", "same_product", 64)]


def test_the_same_image_the_same_product_and_other_tenants_are_left_out(collection: Collection) -> None:
    collection.upsert(
        [
            stored("asking", at(1.0), HASH),
            stored("another view", at(0.99), HASH, product_id="p0"),
            stored("of another tenant", at(0.99), HASH, tenant_id="globex"),
            stored("found", at(0.9), HASH),
        ]
    )
    assert find(collection, asked(), asked("asking", tenant_id="initech")) == [["found"], []]


def test_pictures_of_the_same_product_do_not_displace_others(collection: Collection) -> None:
    views = [stored(f"view {number}", at(0.99), HASH, product_id="p0") for number in range(30)]
    collection.upsert([*views, stored("found", at(0.9), HASH)])
    assert find(collection, asked()) == [["found"]]


def test_the_nearest_come_first_and_only_so_many_as_a_result_may_hold(collection: Collection) -> None:
    settings = SETTINGS.model_copy(update={"candidates": 30})
    points = [stored(f"n{number:02}", at(0.99 - number / 1000), HASH) for number in range(20)]
    collection.upsert(points[::-1])
    assert find(collection, asked(), settings=settings) == [[f"n{number:02}" for number in range(DUPLICATES_LIMIT)]]


def test_equally_near_ones_come_in_the_order_of_their_ids(collection: Collection) -> None:
    collection.upsert([stored(name, at(0.9), HASH) for name in ("c", "a", "d", "b")])
    assert find(collection, asked(), asked()) == [["a", "b", "c", "d"]] * 2


def test_questions_of_one_batch_find_those_before_them(collection: Collection) -> None:
    first, view, second = asked("first", "p1"), asked("view", "p1"), asked("second", "p2")
    foreign = asked("third", "p3", tenant_id="globex")
    assert find(collection, first, view, foreign, second) == [[], [], [], ["first", "view"]]
    [*_, (duplicate, _)] = search(collection, first, view, second)
    assert (duplicate.product_id, duplicate.tier, duplicate.cosine) == ("p1", "same_picture", 1.0)


def test_a_batch_is_answered_like_its_questions_one_after_another(collection: Collection) -> None:
    questions = [asked(f"i{number}", f"p{number % 7}", vector=at(0.8 + number / 100)) for number in range(15)]
    together = search(collection, *questions)
    for question, expected in zip(questions, together, strict=True):
        [alone] = search(collection, question)
        assert [(each.image_id, each.tier) for each in alone] == [(each.image_id, each.tier) for each in expected]
        assert [each.cosine for each in alone] == pytest.approx([each.cosine for each in expected], abs=1e-4)
        collection.upsert(
            [stored(question.image_id, question.vector, question.hashes.plain, product_id=question.product_id)]
        )
    assert sum(map(len, together)) > len(questions)


def test_a_picture_that_the_batch_replaces_is_found_as_it_is_now(collection: Collection) -> None:
    collection.upsert([stored("replaced", at(0.99), HASH), stored("gone far", at(0.98), HASH)])
    replaced = asked("replaced", "p1", vector=at(0.97))
    far = asked("gone far", "p2", vector=unit(0, 0, 0, 1))
    [*_, found] = search(collection, asked("replaced", "p1", vector=at(0.9)), replaced, far, asked())
    assert [(each.image_id, each.product_id) for each in found] == [("replaced", "p1")]
    assert found[0].cosine == pytest.approx(0.97, abs=1e-3)


def test_a_picture_of_the_batch_that_does_not_ask_is_found_by_those_after_it(collection: Collection) -> None:
    collection.upsert([stored("known", at(0.99), HASH), stored("moved", at(0.99), HASH)])
    silent = [asked("silent", "p1", asks=False), asked("moved", "p2", asks=False, vector=unit(0, 1))]
    assert find(collection, *silent, asked(product_id="p3"), asked("last", "p1")) == [
        ["silent", "known"],
        ["asking", "known"],
    ]
    assert find(collection, *silent) == []


def test_what_a_batch_does_not_write_is_found_by_none_after_it(collection: Collection) -> None:
    collection.upsert([stored("repeated", at(0.9), HASH, product_id="p1")])
    repeat = asked("repeated", "p0", is_written=False)
    assert find(collection, repeat, asked(product_id="p0")) == [[], ["repeated"]]


def test_a_picture_that_the_batch_deletes_is_not_found_after_that(collection: Collection) -> None:
    collection.upsert([stored("gone", at(0.9), HASH)])
    gone, new = Removed(point_id("acme", STREAM, "gone")), asked("new", "p1")
    batch: list[BatchEvent] = [asked("first"), gone, asked("second"), new, Removed(new.point_id), asked("third", "p3")]
    assert find(collection, *batch) == [["gone"], [], ["first", "second"], ["first", "second"]]


def test_a_verdict_of_the_batch_holds_after_it(collection: Collection) -> None:
    collection.upsert([stored("other", at(0.9), HASH), judged("asking", "other", "same_product")])
    which = point_id("acme", STREAM, pair_id("asking", "other"))
    batch: list[BatchEvent] = [asked(), Judged(which, "different"), asked(), Judged(which, None), asked()]
    found = search(collection, *batch)
    assert [[each.verdict for each in every] for every in found] == [["same_product"], [], [None]]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("different", []),
        ("same_picture", [("other", "same_picture", "same_picture")]),
        ("same_product", [("other", "same_product", "same_product")]),
        (None, [("other", "same_picture", None)]),
        ("sure", [("other", "same_picture", None)]),
        (["different"], [("other", "same_picture", None)]),
    ],
)
def test_a_verdict_overrides_what_is_measured(collection: Collection, verdict: object, expected: list[object]) -> None:
    collection.upsert([stored("other", at(0.97), HASH), judged("other", "asking", verdict)])
    [found] = search(collection, asked())
    assert [(each.image_id, each.tier, each.verdict) for each in found] == expected


def test_verdicts_hold_within_a_batch_and_for_their_tenant_only(collection: Collection) -> None:
    collection.upsert([judged("first", "second", "different"), judged("first", "third", "different", "globex")])
    assert find(collection, asked("first", "p1"), asked("second", "p2"), asked("third", "p3")) == [
        [],
        [],
        ["first", "second"],
    ]


def test_pictures_that_are_judged_different_leave_room_for_others(collection: Collection) -> None:
    points = [stored(f"n{number:02}", at(0.99 - number / 1000), HASH) for number in range(20)]
    collection.upsert([*points, *[judged(f"n{number:02}", "asking", "different") for number in range(5)]])
    settings = SETTINGS.model_copy(update={"candidates": 20})
    assert find(collection, asked(), settings=settings) == [[f"n{number:02}" for number in range(5, 15)]]


@pytest.mark.parametrize(
    "fields",
    [
        {"product_id": 7},
        {"product_id": "p\x1fq"},
        {"product_id": None},
        {"picture_hash": "0F"},
        {"picture_hash": None},
        {"image_id": ["asking"]},
        {"image_id": "another"},
    ],
)
def test_points_of_other_programs_are_neither_found_nor_displace_any(
    collection: Collection, fields: dict[str, object]
) -> None:
    collection.upsert([stored("found", at(0.9), HASH)])
    for number in range(12):
        point = stored(f"foreign {number}", at(0.99), HASH)
        write_foreign(collection, point.id, {**point.payload, **fields}, point.vectors)
        write_foreign(collection, number, {**point.payload}, point.vectors)
    assert find(collection, asked()) == [["found"]]


def test_tombstones_and_verdicts_are_not_found(collection: Collection) -> None:
    gone = stored("gone", at(0.99), HASH)
    tombstone = {"tenant_id": "acme", "image_id": "gone", "deleted": True, VERSION_FIELD: 2}
    collection.upsert([gone])
    collection.upsert([replace(gone, version=2, vectors={}, payload=tombstone), judged("a", "b", "same_picture")])
    assert find(collection, asked()) == [[]]


def test_a_batch_takes_one_search_and_one_read_of_verdicts() -> None:
    collection = FakeCollection(dimensions={"image": DIM}, sparse=())
    collection.upsert([stored(f"n{number}", at(0.9), HASH, product_id=f"p{number}") for number in range(5)])
    collection.upsert([stored(f"far{number}", at(0.1)) for number in range(50)])
    collection.upsert([stored(f"foreign{number}", at(0.99), HASH, tenant_id="globex") for number in range(50)])
    collection.effects.clear()
    search(collection, *[asked(f"a{number}", f"p{number}") for number in range(8)])
    assert collection.effects == ["search 8", "payloads"]
    collection.effects.clear()
    assert find(collection) == []
    assert find(collection, asked(vector=unit(0, 0, 1))) == [[]]
    assert collection.effects == ["search 1"]


def test_a_picture_that_is_stored_already_is_asked_once() -> None:
    collection = FakeCollection(dimensions={"image": DIM}, sparse=())
    collection.upsert([stored("asking", at(1.0), HASH)])
    collection.upsert([stored(f"n{number:02}", at(0.9), HASH) for number in range(SETTINGS.candidates + 5)])
    collection.effects.clear()
    [found] = search(collection, asked())
    assert len(found) == SETTINGS.candidates
    assert collection.effects == ["search 1", "payloads"]


def test_a_store_that_cannot_be_read_is_unavailable() -> None:
    collection = FakeCollection(dimensions={"image": DIM}, sparse=(), failures=[Unavailable("store", "it is stopped")])
    with pytest.raises(Unavailable):
        search(collection, asked())
