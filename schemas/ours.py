"""Which points of the tickets collection are ours: other programs may write into it, and over fields of our points.

A point is ours if its id is the one that `point_id` gives for the tenant and the ticket that its own payload names, and if
the payload has the types of `TicketPayload` or `TicketTombstone`. Fields that other programs add are let be.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationError

from schemas.points import TicketPayload, TicketTombstone, point_id

TICKETS = "tickets"
"""The stream, as it stands in the ids of its points."""


Rating = Annotated[int, Field(ge=1, le=5)]
"""A customer's rating, as an event may carry it."""


class _Payload(TicketPayload):
    model_config = ConfigDict(extra="ignore")

    satisfaction: Rating | None
    text_windows: Annotated[int, Field(ge=1)]


class _Tombstone(TicketTombstone):
    model_config = ConfigDict(extra="ignore")


PAYLOAD_FIELDS = tuple(_Payload.model_fields)
"""The fields that `foreign_reason` looks at; a tombstone has some of them."""


def is_ticket_id(which: UUID | int, payload: Mapping[str, object]) -> bool:
    """Return whether a point's id is that of the ticket its payload names.

    It takes two microseconds, and looks at `tenant_id` and `ticket_id` alone.
    """
    tenant, ticket = payload.get("tenant_id"), payload.get("ticket_id")
    return isinstance(tenant, str) and isinstance(ticket, str) and which == point_id(tenant, TICKETS, ticket)


def foreign_reason(which: UUID | int, payload: Mapping[str, object]) -> str | None:
    """Return why a point is not ours, or None if it is ours; no value of the payload is quoted.

    Args:
        which: The point's id.
        payload: All of `PAYLOAD_FIELDS` that it has.
    """
    if isinstance(which, int):
        return "its id is an integer"
    if not is_ticket_id(which, payload):
        return "its id is not that of the tenant and the ticket it names"
    kind = _Tombstone if payload.get("deleted") is True else _Payload
    held = {name: payload[name] for name in kind.model_fields if name in payload}
    try:
        kind.model_validate_json(json.dumps(held))  # as JSON: strict about numbers, but a list stands for a tuple
    except ValidationError as error:
        return _in_words(error)
    except (ValueError, RecursionError):
        return "its payload is not valid JSON"
    return None


def _in_words(error: ValidationError) -> str:
    first: Any = error.errors(include_input=False, include_url=False)[0]
    if not first["loc"]:
        return "its payload is not valid JSON"
    missing = first["type"] == "missing" and len(first["loc"]) == 1
    return f"its field {first['loc'][0]} is {'missing' if missing else 'not valid'}"
