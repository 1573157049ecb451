"""Ticket events and records for tests."""

import json
from typing import Any

from shared.records import Record


def event(**changes: Any) -> dict[str, Any]:
    """Return a valid event as a dictionary, with changes; a value of `...` leaves the field out."""
    fields: dict[str, Any] = {
        "schema_version": 1,
        "event_id": "e-1",
        "tenant_id": "acme",
        "event_version": 1,
        "occurred_at": "2026-05-01T10:00:00Z",
        "reason": "created",
        "ticket_id": "T-1",
        "subject": "Where is my parcel?",
        "body": "It should have been here on Monday.",
    }
    return {name: value for name, value in (fields | changes).items() if value is not ...}


def deleted(**changes: Any) -> dict[str, Any]:
    """Return a deletion as a dictionary, with changes."""
    return event(**({"reason": "deleted", "subject": ..., "body": ...} | changes))


def record(fields: dict[str, Any], offset: int = 0, partition: int = 0, **changes: Any) -> Record:
    """Return the record of an event, under its own key."""
    key = f"{fields.get('tenant_id')}:{fields.get('ticket_id')}".encode()
    values: dict[str, Any] = {
        "topic": "tickets",
        "timestamp_ms": 1_700_000_000_000,
        "key": key,
        "value": json.dumps(fields).encode(),
    }
    return Record(partition=partition, offset=offset, **(values | changes))
