"""How two releases read the same event: a newer version waits, and what both can read has one digest.

Green does not show two running releases: `tests/faults/test_rolling_upgrade.py` does.
"""

import json
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter, create_model

from schemas.products import PRODUCT_EVENT
from schemas.tickets import TICKET_EVENT, TicketSnapshot
from shared.decoding import decode_event, newest_version
from shared.engine.pipeline import stated
from shared.errors import NewerSchema
from tests.support.tickets import event

NEXT_SNAPSHOT = create_model(
    "NextSnapshot", __base__=TicketSnapshot, schema_version=(Literal[1, 2], ...), mood=(str | None, None)
)
NEXT: TypeAdapter[Any] = TypeAdapter(NEXT_SNAPSHOT)
"""Snapshots of a later release."""


def decoded(schema: TypeAdapter[Any], **changes: Any) -> Any:
    return decode_event(json.dumps(event(**changes)).encode(), schema)


def test_each_stream_waits_for_versions_newer_than_its_own() -> None:
    assert (newest_version(NEXT), newest_version(TICKET_EVENT), newest_version(PRODUCT_EVENT)) == (2, 1, 1)
    assert decoded(NEXT, schema_version=2, mood="cross").mood == "cross"
    for schema, version in ((NEXT, 3), (TICKET_EVENT, 2), (PRODUCT_EVENT, 2)):
        with pytest.raises(NewerSchema, match=f"only up to {version - 1}"):
            decoded(schema, schema_version=version, mood="cross", reason="a reason of a later release")


def test_the_next_release_finds_no_other_content_in_an_event_of_the_old_version() -> None:
    assert stated(decoded(TICKET_EVENT)) == stated(decoded(NEXT)) == stated(decoded(NEXT, schema_version=2))
    assert stated(decoded(NEXT, schema_version=2, mood="cross")) != stated(decoded(NEXT))


def test_a_default_that_is_stated_is_the_same_content() -> None:
    assert stated(decoded(TICKET_EVENT, priority="normal", images=[])) == stated(decoded(TICKET_EVENT))
    assert stated(decoded(TICKET_EVENT, priority="high")) != stated(decoded(TICKET_EVENT))
