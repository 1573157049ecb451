"""Strings that tend to break software, in every field: each gives an event or is refused with the field named.

A green run does not prove that programs that read the results show them safely, nor that the real model handles them
well.
"""

import json
from pathlib import Path

import pytest

from schemas.outcomes import Outcome
from shared.errors import Rejected
from shared.records import Record
from tests.support.assembly import PREPARER, Assembly, prepared_item
from tests.support.tickets import event, record
from workers.tickets.prepare import TicketItem

FREE_TEXT = ("subject", "body", "resolution")
FIELDS = (*FREE_TEXT, "ticket_id", "customer_id", "agent_label", "language", "event_id", "tenant_id", "priority")


@pytest.fixture(scope="module")
def strings(data_dir: Path) -> list[str]:
    """Return the strings."""
    found: list[str] = json.loads((data_dir / "faults" / "blns.json").read_text(encoding="utf-8"))
    assert len(found) > 500
    return found


def verdict(given: Record) -> Rejected | TicketItem:
    """Return the outcome of a record; any other exception fails the test."""
    try:
        item: TicketItem = prepared_item(given)
    except Rejected as rejected:
        return rejected
    return item


@pytest.mark.parametrize("field", FIELDS)
def test_in_a_field_each_is_accepted_or_refused_by_that_field(strings: list[str], field: str) -> None:
    for text in strings:
        found = verdict(record(event(**{field: text})))
        if isinstance(found, Rejected):
            assert found.field == field, repr(text)
            assert found.detail.isprintable(), repr(text)
        else:
            assert found.digests["text"], repr(text)


@pytest.mark.parametrize("field", FREE_TEXT)
def test_as_free_text_each_short_enough_one_is_accepted(strings: list[str], field: str) -> None:
    limit = 1_000
    for text in strings:
        if len(text) <= limit:
            assert isinstance(verdict(record(event(**{field: text}))), TicketItem), repr(text)


def test_as_attribute_values_each_is_accepted(strings: list[str]) -> None:
    for text in strings:
        found = verdict(record(event(attributes={"a": text})))
        assert isinstance(found, TicketItem), repr(text)


def test_as_attribute_names_each_is_accepted_or_refused_by_its_field(strings: list[str]) -> None:
    for text in strings:
        found = verdict(record(event(attributes={text: 1})))
        if isinstance(found, Rejected):
            assert found.field.startswith("attributes"), repr(text)


def test_as_unknown_fields_each_is_refused(strings: list[str]) -> None:
    for text in strings:
        found = verdict(record(event(**{text: 1})))
        assert isinstance(found, Rejected), repr(text)
        assert found.field, repr(text)
        assert str(found).isprintable(), repr(text)


def test_as_raw_values_each_is_refused(strings: list[str]) -> None:
    for text in strings:
        found = verdict(record(event(), value=text.encode("utf-8", "surrogatepass")))
        assert isinstance(found, Rejected), repr(text)
        assert found.field, repr(text)


def test_every_unusual_text_gives_a_result(strings: list[str]) -> None:
    parts = Assembly()
    short = [text for text in strings if len(text) <= 1_000]
    fields = [event(ticket_id=f"T-{at}", subject=text, body=text) for at, text in enumerate(short)]
    settled = parts.settle(*(record(each, at) for at, each in enumerate(fields)))
    assert {each.outcome for each in settled} == {Outcome.ROUTED}
    assert [result.ticket_id for result in parts.results()] == [each["ticket_id"] for each in fields]
    stored = {str(point.payload["ticket_id"]): point.payload["subject"] for point in parts.collection.points.values()}
    assert stored == {each["ticket_id"]: PREPARER.field(each["subject"]) for each in fields}


def test_every_unusual_id_that_is_accepted_is_distinct(strings: list[str]) -> None:
    items = [verdict(record(event(ticket_id=text))) for text in strings]
    accepted = [item for item in items if isinstance(item, TicketItem)]
    assert len(accepted) > 100
    assert len({item.point_id for item in accepted}) == len({item.event.ticket_id for item in accepted})
