"""A person's verdict on two images: an item of its own, which no event of either image undoes.

Green shows this in memory and on Qdrant Edge; it does not show a Qdrant server, nor two workers at once.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.duplicates import PAIR_SEPARATOR, pair_id
from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from schemas.products import VerdictPayload
from shared.vectorstore.edge.store import EdgeStore
from shared.vectorstore.port import CollectionSpec
from tests.support.audited import World, counts
from tests.support.fakes import DIM
from tests.support.product_worker import TENANT, Products
from tests.support.products import drawn
from tests.support.streams import PRODUCT_KIND
from workers.products.stages import PRODUCTS

PAIR = pair_id("I-1", "I-2")


@pytest.fixture
def products() -> Products:
    """Return a worker that has two images of the same picture."""
    made = Products()
    made.settle(made.image("I-1"))
    assert made.near(made.image("I-2")) == ["I-1"]
    return made


def test_a_verdict_is_stored_as_an_item_of_its_own_without_a_vector(products: Products) -> None:
    images = {name: products.stored(name) for name in ("I-1", "I-2")}
    assert products.settle(products.verdict("I-2", "I-1", "same_product")) == [Outcome.INDEXED]
    assert len(products.results()) == 2
    assert products.versions() == {"I-1": 1, "I-2": 1, "I-1+I-2": 1}
    point = products.parts.collection.points[products.stream.point_id(TENANT, PAIR)]
    assert (point.vectors, point.sparse) == ({}, {})
    payload = products.stored(PAIR)
    stored = {name: payload[name] for name in VerdictPayload.model_fields}
    assert VerdictPayload.model_validate_json(json.dumps(stored)).verdict == "same_product"
    assert set(payload) <= {*VerdictPayload.model_fields, *PRODUCTS.payload.model_fields}
    assert images == {name: products.stored(name) for name in ("I-1", "I-2")}


@pytest.mark.parametrize(
    ("verdict", "found"),
    [
        ("different", None),
        ("same_product", ("same_product", "same_product")),
        ("same_picture", ("same_picture", "same_picture")),
        (None, ("same_picture", None)),
    ],
)
def test_a_verdict_holds_for_results_after_it(
    products: Products, verdict: str | None, found: tuple[str, str] | None
) -> None:
    products.settle(products.verdict("I-1", "I-2", verdict))
    near = products.result(products.image("I-2", 2)).near_duplicates
    assert [(each.tier, each.verdict) for each in near] == ([] if found is None else [found])


def test_a_pair_in_both_orders_is_one_item_and_its_newest_verdict_holds(products: Products) -> None:
    assert products.settle(products.verdict("I-1", "I-2", "different")) == [Outcome.INDEXED]
    assert products.settle(products.verdict("I-2", "I-1", "same_picture", 2)) == [Outcome.INDEXED]
    assert products.settle(products.verdict("I-1", "I-2", "different")) == [Outcome.SUPERSEDED]
    assert products.versions()["I-1+I-2"] == 2
    assert products.near_duplicate(products.image("I-2", 2)).verdict == "same_picture"


def test_the_same_verdict_in_the_other_order_is_no_conflict(products: Products) -> None:
    products.settle(products.verdict("I-1", "I-2", "different"))
    products.settle(products.verdict("I-2", "I-1", "different"))
    assert products.parts.reported.named("version_conflict") == []
    products.settle(products.verdict("I-2", "I-1", "same_picture"))
    assert products.parts.reported.named("version_conflict") == [(1,)]
    assert products.near(products.image("I-2", 2)) == [], "the first verdict of a version has won"


def test_null_withdraws_a_verdict_and_a_newer_one_judges_again(products: Products) -> None:
    products.settle(products.verdict("I-1", "I-2", "different"))
    products.settle(products.verdict("I-1", "I-2", None, 2))
    assert "verdict" in products.stored(PAIR)
    assert products.near_duplicate(products.image("I-2", 2)).verdict is None
    products.settle(products.verdict("I-1", "I-2", "different", 3))
    assert products.near(products.image("I-2", 3)) == []


def test_of_the_verdicts_of_one_batch_the_newest_is_stored(products: Products) -> None:
    given = [products.verdict("I-1", "I-2", verdict, version) for version, verdict in ((2, "different"), (1, None))]
    assert products.settle(*given) == [Outcome.INDEXED, Outcome.SUPERSEDED]
    assert products.stored(PAIR)["verdict"] == "different"


def test_no_event_of_the_images_undoes_a_verdict(products: Products) -> None:
    first, second = products.image("I-1"), products.image("I-2")
    products.settle(products.verdict("I-1", "I-2", "different"))
    before = products.stored(PAIR)
    products.settle(first, second)
    products.settle(products.image("I-1", 2, "updated", image=drawn("another")), products.image("I-2", 2))
    products.settle(products.image("I-1", 3, "deleted"), products.image("I-2", 3, "deleted"))
    products.settle(products.image("I-1", 4), products.image("I-2", 4))
    assert products.stored(PAIR) == before
    assert products.near(products.image("I-2", 5)) == []
    assert products.near(products.image("I-1", 5)) == []


def test_a_verdict_holds_for_its_tenant_only(products: Products) -> None:
    products.settle(products.verdict("I-1", "I-2", "different", tenant_id="globex"))
    assert products.near(products.image("I-2", 2)) == ["I-1"]
    products.settle(products.image("I-1", tenant_id="globex"))
    assert products.near(products.image("I-2", tenant_id="globex")) == []


def test_a_verdict_on_images_that_are_not_there_is_stored_for_later() -> None:
    products = Products()
    products.settle(products.verdict("I-1", "I-2", "different"))
    products.settle(products.image("I-1"))
    assert products.near(products.image("I-2")) == []


def test_a_verdict_in_the_batch_of_an_image_after_it_holds_already() -> None:
    products = Products()
    products.settle(products.image("I-1"), products.verdict("I-1", "I-2", "different"), products.image("I-2"))
    assert [each.near_duplicates for each in products.results()] == [(), ()]


def test_a_withdrawal_in_the_batch_of_an_image_after_it_holds_already(products: Products) -> None:
    products.settle(products.verdict("I-1", "I-2", "different"))
    assert products.near(products.verdict("I-2", "I-1", None, 2), products.image("I-2", 2)) == ["I-1"]


@pytest.mark.parametrize("key", ["I-1", "I-2+I-1", f"I-2{PAIR_SEPARATOR}I-1", f"I-1{PAIR_SEPARATOR}"])
def test_a_verdict_under_another_key_is_a_dead_letter_that_names_the_key(products: Products, key: str) -> None:
    assert products.settle(products.verdict("I-1", "I-2", "different", key=key)) == [Outcome.DEAD_LETTERED]
    [letter] = products.dead_letters()
    assert (letter.reason, letter.field) == (FailureReason.KEY_MISMATCH, "key")
    assert "both ids of images" in letter.detail, "a verdict has no field image_id"
    assert "U+001F" in letter.detail


@pytest.mark.parametrize(
    ("images", "field"),
    [
        (["I-1", "I-1"], "images"),
        (["I-1"], "images"),
        (["I-1", "I-2", "I-3"], "images"),
        ([PAIR, "I-3"], "images"),
        (["", "I-1"], "images"),
        ("I-1", "images"),
        (..., "images"),
    ],
)
def test_a_verdict_is_about_two_images(products: Products, images: object, field: str) -> None:
    assert products.settle(products.verdict("I-1", "I-2", None, images=images)) == [Outcome.DEAD_LETTERED]
    [letter] = products.dead_letters()
    assert (letter.field, letter.stage) == (field, "decode")


@pytest.mark.parametrize("verdict", ["same", "", 0, False, ["different"]])
def test_other_verdicts_are_refused(products: Products, verdict: object) -> None:
    assert products.settle(products.verdict("I-1", "I-2", verdict)) == [Outcome.DEAD_LETTERED]
    assert [each.field for each in products.dead_letters()] == ["verdict"]


def test_a_verdict_must_be_stated() -> None:
    products = Products()
    assert products.settle(products.verdict("I-1", "I-2", ...)) == [Outcome.DEAD_LETTERED]
    [letter] = products.dead_letters()
    assert (letter.reason, letter.field) == (FailureReason.MISSING_FIELD, "verdict")


def test_the_longest_ids_make_a_pair() -> None:
    products, one, other = Products(), "\U0001f9e6" * 128, "\uffff" * 128
    products.settle(products.image(one, product_id="P"))
    assert products.settle(products.verdict(one, other, "different")) == [Outcome.INDEXED]
    assert products.stored(f"{other}{PAIR_SEPARATOR}{one}")["verdict"] == "different", "in the order of code points"
    assert products.near(products.image(other, product_id="Q")) == []


@pytest.mark.parametrize("reason", ["deleted", "created"])
def test_the_id_of_a_pair_is_no_image(products: Products, reason: str) -> None:
    products.settle(products.verdict("I-1", "I-2", "different"))
    assert products.settle(products.image(PAIR, 2, reason)) == [Outcome.DEAD_LETTERED]
    assert [each.field for each in products.dead_letters()] == ["image_id"]
    assert products.stored(PAIR)["verdict"] == "different"


def test_a_verdict_is_a_point_of_its_schema_unless_another_program_has_overwritten_it(products: Products) -> None:
    products.settle(products.verdict("I-1", "I-2", None))
    schema, which = PRODUCTS.points, products.stream.point_id(TENANT, PAIR)
    assert schema.foreign_reason(which, products.stored(PAIR)) is None
    products.change(PAIR, verdict="alike")
    assert schema.foreign_reason(which, products.stored(PAIR)) == "its field verdict is not valid"
    assert products.near_duplicate(products.image("I-2", 2)).verdict is None
    products.change(PAIR, verdict=..., image_id="I-3")
    assert schema.foreign_reason(which, products.stored(PAIR)) is not None


def test_a_verdict_that_another_program_marked_as_published_stops_nothing(products: Products) -> None:
    record = products.verdict("I-1", "I-2", "different")
    products.settle(record)
    products.change(PAIR, decided_version=1)
    assert products.settle(record) == [Outcome.INDEXED]


def test_the_audit_is_clean_with_verdicts_in_the_store() -> None:
    world, made = World(PRODUCT_KIND), Products()
    batches = [
        [made.image("I-1"), made.image("I-2"), made.verdict("I-1", "I-2", "different")],
        [made.verdict("I-2", "I-1", None, 2), made.image("I-1", 2, "updated", title="Cup")],
        [made.verdict("I-1", "I-2", "different"), made.image("I-2", 2, "deleted")],
        [made.verdict("I-1", "I-2", "different", key="I-1")],
    ]
    for batch in batches:
        world.settle(*batch)
    findings = world.audit()
    assert findings.clean
    assert (counts(findings), findings.settled, findings.foreign) == ({}, 8, 0)
    assert (findings.points, findings.outcomes["dead_lettered"], findings.outcomes["superseded"]) == (3, 1, 1)


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Products]:
    """Return a worker on Qdrant Edge."""
    with closing(EdgeStore(tmp_path)) as store:
        spec = CollectionSpec("products", "products__1", {"image": DIM, "text": DIM}, dict(PRODUCTS.indexes))
        yield Products(collection=store.open(spec))


def test_verdicts_on_edge(edge: Products) -> None:
    edge.settle(edge.image("I-1"), edge.image("I-2"))
    edge.settle(edge.verdict("I-2", "I-1", "different"))
    assert edge.near(edge.image("I-2", 2)) == []
    edge.settle(edge.verdict("I-2", "I-1", None, 2))
    assert edge.near(edge.image("I-2", 3)) == ["I-1"]
    [(which, payload)] = [
        (which, payload)
        for which, payload in edge.parts.collection.scroll(PRODUCTS.points.fields)
        if payload.get("image_id") == PAIR
    ]
    assert payload["verdict"] is None
    assert PRODUCTS.points.foreign_reason(which, payload) is None
