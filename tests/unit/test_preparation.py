"""The preparation: its order and switches, attributes, ids, and that no raw text leaves a worker.

A green run does not prove that names or postal addresses are hidden: they are not masked.
"""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from shared.text.preparation import Preparation, Preparer
from tests.support.assembly import PREPARER, Assembly
from tests.support.tickets import event, record

MAIL, PHONE, IBAN, CARD = (
    "jo.doe@example.com",
    "+33 6 12 34 56 78",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
)
PRIVATE = (MAIL, "jo.doe", PHONE, "0612345678", "12 34 56 78", IBAN, "3704 0044", CARD, "4111111111111111", "1111 1111")
ALL = f"I am {MAIL}, {PHONE}, {IBAN}, {CARD}"
MASKED = "I am [mail], [phone], [iban], [card]"
LETTER = f"<html><body><p>It broke. {ALL}</p><p>Best regards,<br>Jo</p></body></html>"


def test_a_product_is_its_title_and_its_whole_description() -> None:
    described = PREPARER.product(f" Lamp {MAIL} ", LETTER)
    assert described.embedded == f"Lamp [mail]\n\nIt broke. {MASKED}\n\nBest regards,\nJo"
    assert (described.title, described.description) == ("Lamp [mail]", f"It broke. {MASKED}\n\nBest regards,\nJo")
    texts = [PREPARER.product(*each).embedded for each in (("Lamp", None), ("Lamp", " "), (None, "Lamp"))]
    assert texts == ["Lamp"] * 3
    assert PREPARER.product(None, None) == (None, None, "")


def test_what_the_page_of_a_product_hides_is_kept_and_not_embedded() -> None:
    page = f"<p>A lamp.</p><div style='display:none'>mug mug mug {MAIL}</div>"
    described = PREPARER.product("Lamp", page)
    assert described.embedded == "Lamp\n\nA lamp."
    assert described.description == "A lamp.\n\nmug mug mug [mail]"


def test_a_message_goes_through_every_step() -> None:
    letter = PREPARER.message(LETTER)
    assert (letter.kept, letter.embedded) == (f"It broke. {MASKED}\n\nBest regards,\nJo", f"It broke. {MASKED}")
    reply = PREPARER.message(f"No.\n\nOn 4 May 2026 at 10:00 {MAIL} wrote:\n> {CARD}\n> b\n-- \nJo")
    assert reply.kept == "No.\n\nOn 4 May 2026 at 10:00 [mail] wrote:\n> [card]\n> b\n-- \nJo"
    assert reply.embedded == "No."
    assert [(piece.reason, piece.text) for piece in reply.cut] == [
        ("quotation", "On 4 May 2026 at 10:00 [mail] wrote:\n> [card]\n> b"),
        ("signature", "-- \nJo"),
    ]
    assert reply.masked == {"[mail]": 1, "[card]": 1}


def test_a_field_is_only_normalised_and_masked() -> None:
    assert PREPARER.field(" a\r\n> b\n-- \n<p>Jo</p> " + ALL) == "a\n> b\n-- \n<p>Jo</p> " + MASKED


@pytest.mark.parametrize(
    ("switch", "text", "kept"),
    [
        ("html", "<p>a</p>", "<p>a</p>"),
        ("quotes", "a\n> b\n> c\n> d", "a\n> b\n> c\n> d"),
        ("signatures", "a\n-- \nJo", "a\n-- \nJo"),
    ],
)
def test_each_step_but_masking_can_be_switched_off(switch: str, text: str, kept: str) -> None:
    fields: dict[str, Any] = {"version": 3, switch: False}
    assert Preparer(Preparation(**fields)).message(text).embedded == kept
    assert PREPARER.message(text).embedded == "a"
    assert Preparer(Preparation(**fields)).message(ALL).kept == MASKED


@pytest.mark.parametrize(
    "wrong", [{"version": 2}, {"phone_region": "EU"}, {"phone_region": "us"}, {"names": True}, {"version": ...}]
)
def test_a_wrong_preparation_is_refused(wrong: dict[str, Any]) -> None:
    fields = {name: value for name, value in ({"version": 3} | wrong).items() if value is not ...}
    with pytest.raises(ValidationError):
        Preparation(**fields)


def test_the_region_comes_from_the_preparation() -> None:
    danish = Preparer(Preparation(version=3, phone_region="DK"))
    assert (danish.field("32 12 34 56"), PREPARER.field("32 12 34 56")) == ("[phone]", "32 12 34 56")


@pytest.mark.parametrize(
    ("value", "prepared"),
    [
        (ALL, MASKED),
        (" e\u0301 ", "é"),
        (4111111111111111, "[card]"),
        (2125550123, "[phone]"),
        (-2125550123, -2125550123),
        (41155, 41155),
        (True, True),
        (None, None),
        (4111111111111111.0, 4111111111111111.0),
        (19.99, 19.99),
    ],
)
def test_attribute_values_are_prepared(value: Any, prepared: Any) -> None:
    found = PREPARER.attributes({"a": value})["a"]
    assert found == prepared
    assert type(found) is type(prepared)


def test_attribute_names_are_masked_and_no_value_is_lost() -> None:
    given = {"jo@example.com": 1, "al@example.com": 2, "[mail] 2": 3, "order": 4}
    prepared = PREPARER.attributes(given)
    assert list(prepared.values()) == [1, 2, 3, 4]
    assert list(prepared) == ["[mail]", "[mail] 2", "[mail] 2 2", "order"]


def test_the_text_of_a_subject_and_body_alone_equals_the_worker_s() -> None:
    parts = Assembly()
    parts.settle(record(event(subject=f" Hi {MAIL}", body=LETTER)))
    assert parts.model.calls == [[PREPARER.embedded(f" Hi {MAIL}", LETTER)]]


def personal(**changes: Any) -> dict[str, Any]:
    """Return an event with personal data in every field that may hold a text."""
    attributes = {"note": ALL, MAIL: ALL, "card": 4111111111111111, f"x {CARD}": PHONE}
    fields = {"subject": ALL, "body": LETTER, "resolution": ALL, "customer_id": MAIL, "attributes": attributes}
    return event(**(fields | {"satisfaction": 5} | changes))


def test_no_raw_text_is_stored_embedded_or_published() -> None:
    parts = Assembly(cache_bytes=1 << 20)
    parts.settle(record(personal(reason="solved", ticket_id="T-1", agent_label="billing"), 0))
    parts.settle(record(personal(ticket_id="T-2"), 1), record(personal(ticket_id="T-3", body=ALL), 2))
    stored = json.dumps([dict(point.payload) for point in parts.collection.points.values()], default=str)
    published = [(message.value or b"").decode() for message in parts.sink.delivered]
    seen = [stored, json.dumps(parts.model.calls), *published, repr(parts.reported.hooks)]
    assert len(parts.results()) == 2
    assert parts.results()[0].similar[0].resolution == MASKED
    assert len(parts.delivered("tickets.outcomes")) > 0
    for private in PRIVATE:
        assert all(private not in text for text in seen), private
    assert stored.count("[card]") >= 9
    assert "[mail]" in parts.results()[0].similar[0].subject


def test_no_raw_text_is_logged(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    Assembly().settle(record(personal()), record(personal(ticket_id="T-2", unknown=MAIL), 1))
    said = capsys.readouterr()
    assert not any(private in said.out + said.err + caplog.text for private in PRIVATE)


def test_a_dead_letter_keeps_the_original_bytes() -> None:
    parts = Assembly()
    bad = record(personal(priority="whatever"))
    parts.settle(bad)
    assert [letter.value for letter in parts.delivered("tickets.dlq")] == [bad.value]


def test_the_content_digest_covers_the_event_as_it_arrived() -> None:
    parts = Assembly()
    parts.settle(record(event(body=f"a {MAIL}"), 0))
    parts.settle(record(event(body="a al@example.com"), 1))
    assert len(parts.reported.named("version_conflict")) == 1


def test_a_text_that_normalising_lengthens_is_stored_whole() -> None:
    long = "\ufb2c" * 1_000
    parts = Assembly()
    parts.settle(record(event(subject=long, attributes={"\ufb2c" * 64: long})))
    [point] = parts.collection.points.values()
    assert len(str(point.payload["subject"])) == 3_000
    assert point.payload["attributes"] == {PREPARER.field("\ufb2c" * 64): PREPARER.field(long)}
