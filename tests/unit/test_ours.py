"""Whether Millrace wrote a point: by the id that its own payload gives, and by the types of its fields.

A green run does not prove that every reader checks it; the contract suites of foreign points do.
"""

from uuid import UUID, uuid4

import pytest

from millrace.streams import STREAMS
from schemas.points import point_id
from tests.support.assembly import Assembly
from tests.support.tickets import deleted, event, record
from workers.tickets.stages import TICKETS

ONE = point_id("acme", "tickets", "T-1")


def payload(*events: dict[str, object]) -> dict[str, object]:
    """Return the stored payload after these events."""
    parts = Assembly()
    for at, fields in enumerate(events or [event(attributes={"floor": 3, "share": 0.5, "vip": True, "none": None})]):
        parts.settle(record(fields, at))
    return dict(parts.collection.points[ONE].payload)


def test_a_point_that_a_worker_writes_is_recognised() -> None:
    assert TICKETS.name in STREAMS
    solved = event(reason="solved", resolution="Sent again.", agent_label="delivery", satisfaction=5, event_version=2)
    for events in ([event()], [event(), solved], [event(), deleted(event_version=2)]):
        assert TICKETS.points.foreign_reason(ONE, payload(*events)) is None
    assert TICKETS.points.foreign_reason(ONE, payload()) is None


def test_an_id_other_than_that_of_its_ticket_is_foreign() -> None:
    held = payload()
    assert TICKETS.points.foreign_reason(7, held) == "its id is an integer"
    for which in (uuid4(), UUID(int=7), point_id("other", "tickets", "T-1"), point_id("acme", "calls", "T-1")):
        assert (
            TICKETS.points.foreign_reason(which, held)
            == "its id does not match the tenant and the ticket in its payload"
        )
    for tenant in (7, None, ["acme"], {"a": "acme"}, True):
        assert not TICKETS.points.is_ours(ONE, held | {"tenant_id": tenant})
        assert not TICKETS.points.is_ours(ONE, held | {"ticket_id": tenant})
    assert not TICKETS.points.is_ours(ONE, {})
    assert not TICKETS.points.is_ours(ONE.int, held)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": 7}, {"event_version": True}, {"event_version": 1.0}, {"event_version": 0}, {"resolution": {"a": 1}},
        {"occurred_at": "yesterday"}, {"occurred_at": "2026-01-01T00:00:00"}, {"satisfaction": "5"}, {"flags": "solved"},
        {"satisfaction": 2**70}, {"attributes": {"a": [1]}}, {"attributes": {"a": float("nan")}}, {"text_windows": 0},
        {"decision": {"queue": 7}}, {"subject": None}, {"deleted": 1}, {"decided_version": False}, {"body": "\ud800"},
    ],
    ids=str,
)  # fmt: skip
def test_a_field_of_another_type_is_named(changes: dict[str, object]) -> None:
    reported = TICKETS.points.foreign_reason(ONE, payload() | changes)
    assert reported in (f"its field {next(iter(changes))} is not valid", "its payload is not valid JSON")


@pytest.mark.parametrize(
    "name",
    [name for name, field in TICKETS.payload.model_fields.items() if field.is_required() and not name.endswith("_id")],
)
def test_a_field_that_is_missing_is_named(name: str) -> None:
    held = payload()
    del held[name]
    assert TICKETS.points.foreign_reason(ONE, held) == f"its field {name} is missing"


def test_additional_fields_of_other_programs_are_ignored() -> None:
    deep: list[object] = []
    for _ in range(20_000):
        deep = [deep]
    assert TICKETS.points.foreign_reason(ONE, payload() | {"reviewed": True, "deep": deep}) is None
    assert (
        TICKETS.points.foreign_reason(ONE, payload() | {"attributes": {"deep": deep}})
        == "its payload is not valid JSON"
    )
