"""Pictures that are attached to tickets, as hits of their tickets: what is shown, and what is not.

A green run does not prove that pictures are stored, nor that those found are alike (tests/flow/test_ticket_images.py, the
demo), nor anything about a store with an approximate index.
"""

from dataclasses import replace
from typing import Any

import pytest

from schemas.attachments import attached_id
from shared.records import Point
from shared.search.federated.federation import Answer, Federation
from shared.search.federated.parts import SourceParts
from shared.search.federated.source import Source
from shared.vectorstore.conditions import Condition
from tests.support.fakes import FakeCollection
from tests.support.federated import federation, ids, picture, words
from tests.support.findable import OTHERS, SHARED, TERMS_OF, drawn, memory, ticket
from workers.tickets.stages import TICKETS

PHOTO, SAID = "pixels of a bent lamp", "error code PAY-4031"
REFERENCE = {"reference": "0" * 64, "occurred_at": "2026-01-01T00:00:00Z"}


def listed(image_id: str = "photo", version: int = 1) -> dict[str, Any]:
    return {"image_id": image_id, "event_version": version, **REFERENCE}


def owner(ticket_id: str = "T-1", *images: dict[str, Any], **changes: Any) -> Point:
    """Return a ticket that lists images."""
    return ticket(ticket_id, f"text of {ticket_id}", images=list(images), **changes)


def image(ticket_id: str = "T-1", image_id: str = "photo", said: str = SAID, **changes: Any) -> Point:
    """Return the point of an attached picture."""
    payload = {
        "tenant_id": "acme", "ticket_id": attached_id(ticket_id, image_id), "attached_to": ticket_id,
        "image_id": image_id, "read_text": said or None, **SHARED, **changes,
    }  # fmt: skip
    vectors = {"image": drawn(PHOTO), **({"text": drawn(said)} if said else {})}
    which = TICKETS.point_id(str(payload["tenant_id"]), attached_id(ticket_id, image_id))
    return Point(which, 1, vectors, payload, {"terms": TERMS_OF["tickets"].of_document(said)})


def searching(collection: FakeCollection, candidates: int = 10) -> Federation:
    """Return the search over tickets with pictures."""
    assert TICKETS.findable is not None
    parts = SourceParts(
        stream="tickets",
        id_field="ticket_id",
        collection=collection,
        vectors=("text", "image"),
        findable=TICKETS.findable,
        is_ours=TICKETS.points.is_ours,
        point_id=TICKETS.point_id,
        image_space="one model",
    )
    return federation(Source(parts, 0.6, candidates))


def stored(*points: Point) -> FakeCollection:
    return memory(*(ticket(f"O-{at}", text) for at, text in enumerate(OTHERS)), *points)


def by_picture(collection: FakeCollection, **changes: Any) -> Answer:
    return searching(collection).find(picture(drawn(PHOTO), "tickets", **changes))


def by_words(collection: FakeCollection, **changes: Any) -> Answer:
    return searching(collection).find(words(SAID, ["tickets"], **changes))


def test_a_picture_finds_the_ticket_that_it_is_attached_to() -> None:
    hits = by_picture(stored(owner("T-1", listed()), image())).hits
    assert ids(hits) == ["T-1"]
    assert (hits[0].image_id, hits[0].title, hits[0].details["read_text"]) == ("photo", "T-1", SAID)
    assert "attached picture photo" in hits[0].reasons[0]


def test_words_that_were_read_find_the_ticket_and_say_so() -> None:
    hit = by_words(stored(owner("T-1", listed()), image())).hits[0]
    assert (hit.source_id, hit.image_id, hit.matches) == ("T-1", "photo", True)
    assert "error" in hit.shared_terms
    assert "Text that was read in its picture photo" in hit.reasons[0]


def test_a_ticket_that_is_found_by_itself_and_by_its_pictures_is_one_hit() -> None:
    collection = stored(owner("T-1", listed(), listed("second")), image(), image(image_id="second"))
    assert ids(by_picture(collection).hits) == ["T-1"]
    assert ids(by_words(collection).hits).count("T-1") == 1


@pytest.mark.parametrize(
    "points",
    [
        [image()],
        [owner("T-1"), image()],
        [owner("T-1", listed("other")), image()],
        [owner("T-1", listed(version=2)), image()],
        [replace(owner("T-1", listed()), payload={"tenant_id": "acme", "ticket_id": "T-1", "deleted": True}), image()],
        [owner("T-1", listed()), image(tenant_id="other")],
        [owner("T-1", {"image_id": 7}), image()],
    ],
    ids=["no ticket", "not listed", "another is listed", "replaced", "deleted", "another tenant's", "damaged list"],
)
def test_a_picture_is_not_shown_if_its_ticket_does_not_list_it(points: list[Point]) -> None:
    collection = memory()
    collection.points = {each.id: each for each in points}
    assert by_picture(collection).hits == ()


def test_an_overwritten_owner_does_not_move_a_picture_to_another_ticket() -> None:
    moved = image("T-1")
    moved = replace(moved, payload={**moved.payload, "attached_to": "T-2"})
    assert by_picture(stored(owner("T-1", listed()), owner("T-2", listed()), moved)).hits == ()


def test_conditions_apply_to_the_ticket_and_not_to_the_fields_of_its_picture() -> None:
    collection = stored(
        owner("T-1", listed(), channel="chat", detected_language="fr"),
        owner("T-2", listed(), channel="web", detected_language="en"),
        image("T-1"),
        image("T-2"),
    )
    for condition, expected in (
        (Condition(("channel",), "=", "chat"), ["T-1"]),
        (Condition(("channel",), "!=", "chat"), ["T-2"]),
        (Condition(("detected_language",), "=", "fr"), ["T-1"]),
        (Condition(("detected_language",), "=", "de"), []),
    ):
        where = {"tickets": (condition,)}
        assert ids(by_picture(collection, where=where).hits) == expected, condition
        found = [hit.source_id for hit in by_words(collection, where=where).hits if hit.image_id is not None]
        assert found == expected, condition


def test_many_pictures_of_one_ticket_do_not_displace_other_tickets() -> None:
    many = [f"i-{at}" for at in range(10)]
    points = [owner(f"T-{at}", *(listed(each) for each in many)) for at in range(8)]
    pictures = [image(f"T-{at}", each) for at in range(8) for each in many]
    collection = stored(*points, *pictures)
    found = searching(collection, candidates=5).find(picture(drawn(PHOTO), "tickets", limit=6)).hits
    assert len(set(ids(found))) == 6


def test_a_picture_without_text_is_found_by_the_picture_alone() -> None:
    collection = stored(owner("T-1", listed()), image(said=""))
    assert ids(by_picture(collection).hits) == ["T-1"]
    assert all(hit.image_id is None for hit in by_words(collection).hits)
