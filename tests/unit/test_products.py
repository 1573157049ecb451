"""The products stream: what each reason does, what is masked, and which near-duplicates are stored and published.

Pictures and models are stand-ins: equal drawings are the same picture, others are not alike. A green run proves nothing
about pixels (`test_product_pictures.py`) nor about real models (`tests/flow/test_products.py`).
"""

import json
from base64 import b64encode
from typing import Any

import pytest

from schemas.duplicates import DUPLICATES_LIMIT
from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from schemas.products import ProductPayload
from shared.embedding.port import IMAGE
from tests.support.product_worker import TENANT, Products
from tests.support.products import drawing, drawn
from tests.support.streams import PRODUCT_KIND
from workers.products.stages import PRODUCTS

URI = "https://media.example/1.jpg"
LABELLED: dict[str, Any] = {"agent_label": "mugs"}


@pytest.fixture
def products() -> Products:
    return Products()


def test_an_image_is_classified_stored_and_published(products: Products) -> None:
    products.settle(products.image("I-0", reason="catalogued", image=drawn("a lamp"), **LABELLED))
    result = products.result(
        products.image("I-1", title="Mug", price=5, currency="EUR", category="Cups", attributes={"colour": "red"})
    )
    assert (result.image_id, result.product_id, result.event_version) == ("I-1", "of I-1", 1)
    assert result.decision.top[0].label == "mugs"
    payload = products.stored()
    stored = ProductPayload.model_validate_json(json.dumps(payload))
    assert (stored.decision, stored.near_duplicates) == (result.decision, result.near_duplicates)
    assert (stored.title, stored.price, stored.currency, stored.category) == ("Mug", 5.0, "EUR", "Cups")
    assert (stored.attributes, stored.flags, stored.label) == ({"colour": "red"}, (), None)
    assert PRODUCTS.points.foreign_reason(products.stream.point_id(TENANT, "I-1"), payload) is None
    assert {*products.parts.collection.points[products.stream.point_id(TENANT, "I-1")].vectors} == {"image", "text"}


def test_a_catalogued_image_is_only_stored_and_votes_if_it_is_labelled(products: Products) -> None:
    outcomes = products.settle(
        products.image("I-1", reason="catalogued"), products.image("I-2", reason="catalogued", **LABELLED)
    )
    assert outcomes == [Outcome.INDEXED, Outcome.INDEXED]
    assert products.results() == []
    assert (products.stored("I-1")["flags"], products.stored("I-2")["flags"]) == ([], ["labelled"])
    assert products.stored("I-1")["near_duplicates"] == []
    assert products.result(products.image("I-3")).decision.top[0].share == 1


def test_the_first_update_of_an_image_that_was_only_catalogued_is_published(products: Products) -> None:
    products.settle(products.image("I-1", reason="catalogued"))
    assert products.result(products.image("I-1", 2, "updated", price=1)).event_version == 2


def test_a_change_of_the_price_publishes_nothing_and_keeps_what_was_published(products: Products) -> None:
    products.settle(products.image("I-0"))
    result = products.result(products.image("I-1", title="Mug", price=5))
    calls = len(products.parts.models[IMAGE.name].calls)
    changed = products.image("I-1", 2, "updated", title="Mug", price=4, category="Sale", attributes={"a": 1})
    assert products.settle(changed) == [Outcome.INDEXED]
    assert len(products.results()) == 2
    stored = ProductPayload.model_validate_json(json.dumps(products.stored()))
    assert (stored.price, stored.category, stored.attributes) == (4, "Sale", {"a": 1})
    assert [each.image_id for each in stored.near_duplicates] == ["I-0"]
    assert (stored.near_duplicates, stored.decision) == (result.near_duplicates, result.decision)
    assert (stored.decided_version, stored.event_version) == (1, 2)
    assert len(products.parts.models[IMAGE.name].calls) == calls, "the picture is not embedded again"


@pytest.mark.parametrize(
    "changes",
    [{"image": drawn("another")}, {"title": "Cup"}, {"title": None}, {"title": "Mug", "description": "New."}],
    ids="+".join,
)
def test_a_changed_picture_or_text_is_published_again_with_the_earlier_queue(
    products: Products, changes: dict[str, Any]
) -> None:
    products.settle(products.image("I-0", reason="catalogued", **LABELLED))
    first = products.result(products.image("I-1", title="Mug"))
    again = products.result(products.image("I-1", 2, "updated", **({"title": "Mug"} | changes)))
    assert (first.decision.previous_queue, again.decision.previous_queue) == (None, first.decision.queue)
    assert again.event_version == 2
    found = [] if "image" in changes else ["I-0"]
    assert [each.image_id for each in again.near_duplicates] == found
    assert [each["image_id"] for each in products.stored()["near_duplicates"]] == found


def test_a_new_image_always_gets_a_result_even_if_it_is_known(products: Products) -> None:
    assert products.result(products.image("I-1")).event_version == 1
    assert products.result(products.image("I-1", 2)).event_version == 2


@pytest.mark.parametrize(
    "texts", [{}, {"title": None}, {"title": "", "description": ""}, {"title": " \n", "description": "<p> </p>"}]
)
def test_an_image_without_a_text_is_classified_by_its_picture(products: Products, texts: dict[str, Any]) -> None:
    products.settle(products.image("I-0", reason="catalogued", **LABELLED))
    result = products.result(products.image("I-1", **texts))
    assert (result.decision.top[0].label, result.text_windows) == ("mugs", 1)
    assert products.stored()["text_digest"] is None
    assert {*products.parts.collection.points[products.stream.point_id(TENANT, "I-1")].vectors} == {"image"}
    assert products.settle(products.image("I-1", 2, "updated", price=2, **texts)) == [Outcome.INDEXED]


def test_a_description_may_be_html_and_nothing_of_it_is_lost(products: Products) -> None:
    description = "<p>Holds <b>350 ml</b>.</p><ul><li>blue</li></ul><div style='display:none'>unseen</div>"
    products.settle(products.image("I-1", title="Mug", description=description))
    [[embedded]] = products.parts.model.calls
    assert embedded.startswith("Mug\n\nHolds 350 ml.")
    assert all(word in products.stored()["description"] for word in ("blue", "unseen"))
    assert "blue" in embedded
    assert "unseen" not in embedded, "words that nobody sees must not decide the class"
    assert "<" not in products.stored()["description"]


def test_personal_data_is_masked_in_the_store_in_results_and_for_the_model(products: Products) -> None:
    products.settle(
        products.image(
            "I-1",
            title="Write to jo@example.com",
            description="Call +1 202 555 0143, or <b>mail jo@example.com</b>.",
            category="of jo@example.com",
            attributes={"mail jo@example.com": "jo@example.com", "phone": 12025550143, "size": 4, "ratio": 0.5},
        )
    )
    payload = products.stored()
    shown = json.dumps(payload) + products.results()[0].model_dump_json() + str(products.parts.model.calls)
    assert "example.com" not in shown
    assert "0143" not in shown
    assert payload["attributes"] == {"mail [mail]": "[mail]", "phone": "[phone]", "size": 4, "ratio": 0.5}
    assert (payload["title"], payload["category"]) == ("Write to [mail]", "of [mail]")


def test_a_repeat_publishes_the_same_result_although_its_picture_is_gone(products: Products) -> None:
    products.settle(products.image("I-0"))
    products.parts.fetcher.contents[URI] = drawing("a mug")
    record = products.image("I-1", title="Mug", image={"uri": URI})
    first = products.result(record)
    products.settle(products.image("I-2"))
    products.parts.fetcher.contents.clear()
    again = products.result(record)
    assert again == first
    assert [each.image_id for each in again.near_duplicates] == ["I-0"], "I-2 came later"


def test_a_repeat_of_an_older_version_publishes_what_was_published(products: Products) -> None:
    products.settle(products.image("I-0"))
    products.parts.fetcher.contents[URI] = drawing("a mug")
    record = products.image("I-1", title="Mug", image={"uri": URI})
    first = products.result(record)
    products.settle(products.image("I-1", 2, "catalogued", title="Other", image=drawn("another")))
    products.parts.fetcher.contents.clear()
    assert products.result(record) == first


def test_of_two_contents_of_one_version_the_first_is_published_again(products: Products) -> None:
    first = products.result(products.image("I-1", title="Mug", product_id="P"))
    again = products.result(
        products.image("I-1", image=drawn("another"), product_id="Q", occurred_at="2026-05-02T10:00:00Z")
    )
    assert again.model_copy(update={"source": first.source}) == first
    assert products.stored()["product_id"] == "P"
    assert products.parts.reported.named("version_conflict") == [(1,)]


def test_of_two_workers_with_one_image_both_publish_the_near_duplicates_that_were_stored_first(
    products: Products,
) -> None:
    other = Products()
    other.parts.collection.points = products.parts.collection.points
    record = products.image("I-1")
    batch = products.parts.processed(record)
    other.settle(other.image("I-0"), record)
    while not products.parts.settler.settle(batch):
        products.parts.pipeline.process(batch)
    [late] = products.results()
    assert [each.image_id for each in late.near_duplicates] == ["I-0"]
    assert late == other.results()[-1]


def test_a_picture_that_is_not_there_yet_is_tried_again(products: Products) -> None:
    assert products.settle(products.image("I-1", image={"uri": URI})) == [Outcome.DEFERRED]


def test_a_deleted_image_leaves_only_its_ids_and_is_found_no_more(products: Products) -> None:
    products.settle(products.image("I-0", title="Mug"))
    assert products.settle(products.image("I-0", 2, "deleted")) == [Outcome.DELETED]
    assert set(products.stored("I-0")) == {"tenant_id", "image_id", "event_version", "deleted", "content_digest"}
    assert products.near(products.image("I-1")) == []


@pytest.mark.parametrize("reason", ["created", "updated"])
def test_a_deleted_image_returns_with_a_newer_version_and_not_with_an_older_one(
    products: Products, reason: str
) -> None:
    products.settle(products.image("I-1"), products.image("I-2"))
    products.settle(products.image("I-1", 3, "deleted"))
    assert products.settle(products.image("I-1", 2, reason)) == [Outcome.SUPERSEDED]
    result = products.result(products.image("I-1", 4, reason))
    assert (result.decision.previous_queue, [each.image_id for each in result.near_duplicates]) == (None, ["I-2"])
    assert products.stored()["deleted"] is False


def test_images_of_one_batch_are_found_by_those_after_them(products: Products) -> None:
    products.settle(*(products.image(f"I-{number}") for number in range(3)))
    assert [[each.image_id for each in result.near_duplicates] for result in products.results()] == [
        [], ["I-0"], ["I-0", "I-1"],
    ]  # fmt: skip


def test_an_image_of_the_batch_that_is_only_stored_is_found_too(products: Products) -> None:
    assert products.near(products.image("I-0", reason="catalogued"), products.image("I-1")) == ["I-0"]


def test_an_image_that_the_batch_deleted_before_is_not_found(products: Products) -> None:
    products.settle(products.image("I-0"))
    assert products.near(products.image("I-0", 2, "deleted"), products.image("I-1")) == []
    assert products.near(products.image("I-2"), products.image("I-1", 2, "deleted")) == ["I-1"], "deleted after it"


def test_of_an_image_that_the_batch_changed_before_the_new_picture_is_compared(products: Products) -> None:
    products.settle(products.image("I-0"))
    changed = products.image("I-0", 2, "catalogued", image=drawn("another"))
    assert products.near(changed, products.image("I-1")) == []
    moved = products.image("I-1", 2, "updated", product_id="P")
    assert products.near(moved, products.image("I-2", product_id="P")) == [], "it is of the same product now"


def test_a_repeat_in_the_batch_does_not_bring_back_an_older_picture(products: Products) -> None:
    first = products.image("I-0")
    products.settle(first)
    products.settle(products.image("I-0", 2, "catalogued", image=drawn("another")))
    products.change("I-0", near_duplicates=...)
    products.settle(first, products.image("I-1"))
    assert [each.near_duplicates for each in products.results()[-2:]] == [(), ()]


@pytest.mark.parametrize("spoilt", [11, "text", None, [{}], {"image_id": "I-0"}])
def test_stored_near_duplicates_that_another_program_has_overwritten_are_searched_again(
    products: Products, spoilt: Any
) -> None:
    record = products.image("I-1")
    products.settle(products.image("I-0"), record)
    [held] = products.stored()["near_duplicates"]
    products.change("I-1", near_duplicates=[held] * spoilt if isinstance(spoilt, int) else spoilt)
    assert products.near(record) == ["I-0"]


def test_of_more_near_duplicates_than_are_shown_the_nearest_are(products: Products) -> None:
    products.settle(*(products.image(f"I-{number:02}") for number in range(DUPLICATES_LIMIT + 2)))
    assert [len(each.near_duplicates) for each in products.results()] == [*range(DUPLICATES_LIMIT), 10, 10]


def test_only_pictures_of_other_products_of_the_tenant_are_found(products: Products) -> None:
    products.settle(
        products.image("I-other", tenant_id="globex"),
        products.image("I-view", product_id="P"),
        products.image("I-found", product_id="Q"),
    )
    assert products.near(products.image("I-1", product_id="P")) == ["I-found"]
    assert products.near(products.image("I-1", tenant_id="globex", product_id="P")) == ["I-other"]


def test_a_picture_on_which_a_model_fails_is_one_dead_letter(products: Products) -> None:
    outcomes = products.settle(products.image("I-1"), products.image("I-2", title="POISON"), products.image("I-3"))
    assert outcomes == [Outcome.ROUTED, Outcome.DEAD_LETTERED, Outcome.ROUTED]
    [letter] = products.dead_letters()
    assert (letter.reason, letter.field) == (FailureReason.MODEL_FAILED, "text")
    assert products.near(products.image("I-4")) == ["I-1", "I-3"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"price": -0.01}, "price"),
        ({"price": 10**400}, "price"),
        ({"price": "5"}, "price"),
        ({"price": True}, "price"),
        ({"currency": "eur"}, "currency"),
        ({"currency": "EUR\n"}, "currency"),
        ({"image_id": "a\x1fb"}, "image_id"),
        ({"image_id": "a" * 129}, "image_id"),
        ({"product_id": ""}, "product_id"),
        ({"image": {}}, "image"),
        ({"image": ...}, "image"),
        ({"category": "c" * 1_001}, "category"),
        ({"reason": "judged"}, "images"),
        ({"decision": None}, "decision"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_event_that_is_not_valid_is_a_dead_letter_with_its_field(
    products: Products, changes: dict[str, Any], field: str
) -> None:
    assert products.settle(products.image(**{"image_id": "I-1"} | changes)) == [Outcome.DEAD_LETTERED]
    assert [each.field for each in products.dead_letters()] == [field]


def test_ids_of_any_text_of_128_characters_are_kept(products: Products) -> None:
    longest = "\U0001f9e6" * 128
    products.settle(products.image(longest, product_id="\u202e" * 128))
    assert products.near(products.image("I-1")) == [longest]


def test_a_long_description_fills_a_batch_sooner_and_the_picture_itself_does_not() -> None:
    def cost(**fields: Any) -> int:
        return PRODUCTS.cost(PRODUCT_KIND.record(PRODUCT_KIND.event("I-1", **fields)))

    small = cost(description="A mug.")
    inline = {"inline": b64encode(bytes(300_000)).decode()}
    assert small == cost(description="A mug.", image=inline) == cost(description="A mug.", image={"uri": URI}) == 1
    assert 19 <= cost(description="word " * 2_000) - small <= 20
