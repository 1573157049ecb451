"""From a record to a ticket: the key, the text that is embedded, and the digests.

A green run does not prove that the prepared text is a good one for the model.
"""

import pytest

from schemas.failures import FailureReason
from schemas.points import point_id
from shared.engine.pipeline import content_digest
from shared.errors import Rejected
from tests.support.assembly import PREPARER, prepared_item
from tests.support.tickets import deleted, event, record
from workers.tickets.prepare import TicketItem, estimated_tokens
from workers.tickets.stages import TICKETS


def prepared(**changes: object) -> TicketItem:
    item: TicketItem = prepared_item(record(event(**changes)))
    return item


def test_a_record_becomes_an_item() -> None:
    item = TICKETS.decode(record(event(event_version=3)))
    assert (item.version, item.point_id) == (3, point_id("acme", "tickets", "T-1"))


@pytest.mark.parametrize("key", [None, b"", b"acme:T-2", b"acme", b"ACME:T-1", b"acme:T-1 ", b"\xff"])
def test_a_key_that_does_not_belong_to_the_ticket_is_refused(key: bytes | None) -> None:
    with pytest.raises(Rejected) as caught:
        TICKETS.decode(record(event(), key=key))
    assert (caught.value.reason, caught.value.field) == (FailureReason.KEY_MISMATCH, "key")
    assert ("no key" in caught.value.detail) == (key is None)


def test_a_record_whose_headers_cannot_be_read_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        TICKETS.decode(record(event(), unreadable="headers"))
    assert (caught.value.reason, caught.value.field) == (FailureReason.INVALID_UTF8, "headers")


def test_the_key_of_a_deletion_is_checked_too() -> None:
    with pytest.raises(Rejected):
        TICKETS.decode(record(deleted(), key=b"acme:T-2"))


def test_the_key_of_an_id_with_a_colon_can_be_split_again() -> None:
    assert TICKETS.decode(record(event(ticket_id="a:b"))).record.key == b"acme:a:b"
    assert (
        TICKETS.decode(record(event(ticket_id="caf\N{LATIN SMALL LETTER E WITH ACUTE}"))).record.key
        == b"acme:caf\xc3\xa9"
    )


@pytest.mark.parametrize(
    ("subject", "body", "text"),
    [
        ("a", "b", "a\n\nb"),
        (" a\t", "\nb\n", "a\n\nb"),
        ("", "b", "b"),
        ("a", "  ", "a"),
        ("", "", ""),
        ("e\N{COMBINING ACUTE ACCENT}", "", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("\N{ANGSTROM SIGN}", "", "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}"),
        ("a  b", "c\n\nd", "a  b\n\nc\n\nd"),
    ],
)
def test_the_prepared_text(subject: str, body: str, text: str) -> None:
    assert PREPARER.embedded(subject, body) == text


def test_the_digests_of_an_item() -> None:
    item = prepared(reason="solved", resolution="Sent again.")
    assert item.digests == {"text": content_digest(item.text.encode()), "resolution": content_digest(b"Sent again.")}
    assert set(prepared().digests) == {"text"}


@pytest.mark.parametrize(
    "changes", [{"body": "x"}, {"priority": "low"}, {"occurred_at": "2026-05-02T10:00:00Z"}, {"agent_label": "billing"}]
)
def test_the_content_changes_with_the_statements_of_the_event(changes: dict[str, object]) -> None:
    assert prepared(**changes).content_digest != prepared().content_digest


@pytest.mark.parametrize(
    "changes", [{"event_id": "another"}, {"occurred_at": "2026-05-01T12:00:00+02:00"}, {"language": None}]
)
def test_the_content_does_not_change_with_the_transport_of_the_event(changes: dict[str, object]) -> None:
    assert prepared(**changes).content_digest == prepared().content_digest


def test_the_content_does_not_depend_on_the_order_of_attributes() -> None:
    assert prepared(attributes={"a": 1, "b": 2}).content_digest == prepared(attributes={"b": 2, "a": 1}).content_digest


def test_a_deletion_has_content_and_no_text() -> None:
    item: TicketItem = prepared_item(record(deleted()))
    assert item.content_digest
    assert (item.text, item.digests) == ("", {})


def test_the_cost_is_estimated_from_the_bytes() -> None:
    assert estimated_tokens(record(event(), value=None)) == 1
    assert estimated_tokens(record(event(), value=b"x" * 400)) == 101
