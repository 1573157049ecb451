"""Point ids and payloads.

A green run does not prove that a store keeps the payload as it is.
"""

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.points import POINT_NAMESPACE, point_id
from schemas.tickets import TicketPayload, TicketTombstone


def test_an_id_stays_the_same_between_releases() -> None:
    assert str(POINT_NAMESPACE) == "6f1d2f0c-6f0b-5a53-9a55-0f1f3a0c8a2e"
    assert str(point_id("acme", "tickets", "T-1")) == "3fde3aa2-a889-573c-9720-aeae0e5889e6"
    assert point_id("acme", "tickets", "T-1").version == 5


NAMES = [
    ("a", "tickets", "b:c"),
    ("a", "tickets", "c"),
    ("b", "tickets", "c"),
    ("a", "calls", "c"),
    ("A", "tickets", "c"),
]


@pytest.mark.parametrize(("one", "other"), list(combinations(NAMES, 2)))
def test_two_items_have_two_ids(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert point_id(*one) != point_id(*other)


def payload(**changes: Any) -> TicketPayload:
    fields: dict[str, Any] = {
        "tenant_id": "acme", "ticket_id": "T-1", "event_version": 1, "occurred_at": datetime(2026, 5, 1, tzinfo=UTC),
        "subject": "s", "body": "b", "language": None, "channel": None, "customer_id": None, "priority": "normal",
        "attributes": {}, "resolution": None, "satisfaction": None, "label": None, "flags": (), "content_digest": "c",
        "text_digest": "t", "text_windows": 1, "resolution_digest": None, "decision": None, "decided_version": None,
    }  # fmt: skip
    return TicketPayload(**(fields | changes))


def test_a_payload_as_json_carries_what_the_guard_and_the_filters_need() -> None:
    stored = payload(flags=("solved", "labelled")).model_dump(mode="json")
    assert (stored["event_version"], stored["deleted"], stored["tenant_id"]) == (1, False, "acme")
    assert stored["flags"] == ["solved", "labelled"]
    assert stored["occurred_at"] == "2026-05-01T00:00:00Z"


@pytest.mark.parametrize(
    "changes", [{"flags": ("urgent",)}, {"event_version": 0}, {"colour": "red"}, {"deleted": True}]
)
def test_a_wrong_payload_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        payload(**changes)


def test_a_tombstone_has_no_field_for_a_text() -> None:
    assert set(TicketTombstone.model_fields) == {
        "tenant_id", "ticket_id", "event_version", "deleted", "content_digest", "removed_images",
    }  # fmt: skip
