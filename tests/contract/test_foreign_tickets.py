"""A worker of tickets over every vector store, with points of other programs and invalid data in Millrace's own points.

A green run does not prove that other kinds of invalid data are handled (`tests/property/test_foreign.py` draws them at
random, over a store in memory), nor that hits are good.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import numpy as np
import pytest

from millrace.doctor.foreign_points import check_foreign
from schemas.outcomes import Outcome
from schemas.points import point_id
from shared.errors import Fatal
from shared.records import Vector
from shared.stream_settings import DecisionSettings
from shared.vectorstore.port import VERSION_FIELD
from tests.support.assembly import Assembly
from tests.support.fakes import DIM, FakeCollection, ManualClock
from tests.support.stores import opened, params, write_foreign
from tests.support.tickets import deleted, event, record
from workers.tickets.stages import TICKETS

QUESTION = event(ticket_id="Q", subject="Where is my parcel?", body="")
ONE = point_id("acme", "tickets", "T-1")
FLAGS = ["solved", "labelled"]


@pytest.fixture(params=params())
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Assembly]:
    """Yield a worker with a labelled and solved ticket, T-1, and two others that are less near."""
    with opened(request, tmp_path) as collection:
        # The assembly uses one thing of the fake, its list of effects, and any object can have that.
        made = Assembly(collection=cast(FakeCollection, collection), decision=DecisionSettings(neighbours=3))
        for number in (1, 2, 3):
            teach(made, number)
        yield made


def teach(parts: Assembly, number: int) -> None:
    solved = {"reason": "solved", "agent_label": "delivery", "resolution": "Sent again.", "satisfaction": 5}
    fields = event(ticket_id=f"T-{number}", subject=f"Parcel {number}", body=f"It is late by {number} days.", **solved)
    parts.settle(record(fields, number))


def vector_of(parts: Assembly, text: str = "Where is my parcel?") -> Vector:
    return np.asarray(parts.model.embed([text]).vectors[0], np.float32)


def fields_of(number: object, **changes: object) -> dict[str, object]:
    """Return the payload of a ticket that would be found, vote and be shown, with changes; `...` leaves a field out."""
    held: dict[str, object] = {
        "tenant_id": "acme", "ticket_id": f"F-{number}", VERSION_FIELD: 1, "occurred_at": "2026-01-01T00:00:00Z",
        "subject": "s", "body": "b", "resolution": "r", "satisfaction": 5, "label": "foreign", "flags": FLAGS,
        "text_digest": str(number), "content_digest": "c", "text_windows": 1,
    }  # fmt: skip
    return {name: value for name, value in (held | changes).items() if value is not ...}


INVALID: list[Mapping[str, object]] = [
    {"label": 7}, {"label": None}, {"label": ...}, {"ticket_id": 7}, {"ticket_id": ...}, {"resolution": {"text": "r"}},
    {"resolution": ["r"]}, {"body": ...}, {"body": None}, {"subject": None}, {"occurred_at": "yesterday"},
    {"occurred_at": "2026-01-01T00:00:00"}, {"occurred_at": "0001-01-01T00:00:00+14:00"}, {"occurred_at": 5},
    {"occurred_at": "2026-01-01"}, {"satisfaction": 4.5}, {"satisfaction": 2**70}, {"satisfaction": [5, "5"]},
    {"tenant_id": ["acme"]}, {"text_digest": [1]}, {"text_digest": {"a": 1}}, {"text_digest": None}, {"ticket_id": "\n"},
]  # fmt: skip


def routed(parts: Assembly, **changes: Any) -> Any:
    """Return the result of a new ticket."""
    [settled] = parts.settle(record(QUESTION | changes, 50))
    assert settled.outcome is Outcome.ROUTED
    return parts.results()[-1]


def test_points_of_other_programs_neither_vote_nor_are_shown_nor_displace_valid_tickets(parts: Assembly) -> None:
    before = routed(parts)
    near = {"text": vector_of(parts)}
    for number in range(45):
        write_foreign(parts.collection, number, fields_of(number), near)
        write_foreign(parts.collection, UUID(int=number), fields_of(number), near)
    for number, changes in enumerate(INVALID):
        own = point_id("acme", "tickets", str(fields_of(number, **changes).get("ticket_id")))
        write_foreign(parts.collection, own, fields_of(number, **{"label": "delivery", **changes}), near)
        write_foreign(parts.collection, 1_000 + number, fields_of(number, **{"tenant_id": "other", **changes}), near)
    after = routed(parts, ticket_id="Q2")
    assert (after.decision.label, after.decision.confidence) == (before.decision.label, before.decision.confidence)
    assert (after.decision.label, len(after.decision.top)) == ("delivery", 1)
    shown = {ticket.ticket_id for ticket in after.similar}
    assert shown >= {"T-1", "T-2", "T-3"}
    assert shown - {"T-1", "T-2", "T-3"} <= {"F-1"}, (
        "a ticket without a label that Millrace wrote is shown, but does not vote"
    )


@pytest.mark.parametrize("changes", INVALID, ids=str)
def test_a_point_of_millrace_with_invalid_data_is_left_out_and_the_others_are_not(
    parts: Assembly, changes: Mapping[str, object]
) -> None:
    held = parts.collection.lookup([ONE])[ONE]
    spoilt = {name: value for name, value in (dict(held.payload) | dict(changes)).items() if value is not ...}
    write_foreign(parts.collection, ONE, spoilt, {"text": vector_of(parts)})
    result = routed(parts)
    shown = [ticket.ticket_id for ticket in result.similar]
    assert {"T-2", "T-3"} <= set(shown)
    assert ("T-1" in shown) == (dict(changes) == {"label": None}), "a ticket without a label is shown like any other"
    assert result.decision.label == "delivery"


FIELDS = [name for name in TICKETS.points.fields if name != VERSION_FIELD]
SPOILT: list[Mapping[str, object]] = [
    *({name: value} for name in FIELDS for value in (7, "x", None, {"a": [1]}, True, ...)),
    {"decided_version": 1.0}, {"decided_version": True}, {"decided_version": -1}, {"decided_version": 2**60},
    {"decided_version": 2}, {"text_windows": 2**62},
    {"text_windows": True}, {"text_windows": -5}, {"text_windows": 0}, {"text_windows": 1.5},
    {"decision": {"queue": 7}}, {"decision": {"queue": ["a"], "top": [{"share": "x"}]}}, {"decision": [[[]]]},
]  # fmt: skip


def test_an_invalid_stored_point_of_the_record_in_hand_is_treated_as_missing(parts: Assembly) -> None:
    for number, changes in enumerate(SPOILT):
        settle_corrupted(parts, f"R-{number}", changes)


def settle_corrupted(parts: Assembly, ticket: str, changes: Mapping[str, object]) -> None:
    """Settle a ticket, corrupt its point, and send what may follow: a repeat, a conflict, an update, a deletion."""
    first = event(ticket_id=ticket, subject="Where?", body="Here.")
    own = point_id("acme", "tickets", ticket)
    parts.settle(record(first, 60))
    held = parts.collection.lookup([own])[own]
    spoilt = {name: value for name, value in (dict(held.payload) | dict(changes)).items() if value is not ...}
    write_foreign(parts.collection, own, spoilt, held.vectors)
    for at, again in enumerate([first, first | {"body": "Other words."}]):
        outcome = parts.settle(record(again, 61 + at))[0].outcome
        assert outcome in (Outcome.ROUTED, Outcome.INDEXED, Outcome.SUPERSEDED), changes
    newer = first | {"event_version": 2, "reason": "updated"}
    assert parts.settle(record(newer, 63))[0].outcome in (Outcome.ROUTED, Outcome.INDEXED), changes
    found = parts.collection.lookup([own])[own]
    assert TICKETS.points.foreign_reason(own, found.payload) is None, ("the next write did not replace it", changes)
    assert set(found.vectors) == {"text"}
    gone = deleted(ticket_id=ticket, event_version=3)
    assert parts.settle(record(gone, 64))[0].outcome is Outcome.DELETED, changes


@pytest.mark.parametrize("named", [{}, {"resolution": True}, {"text": False}], ids=["none", "another", "zero"])
def test_vectors_that_are_missing_or_corrupted_are_computed_again(parts: Assembly, named: dict[str, bool]) -> None:
    first = event(ticket_id="R", subject="Where?", body="Here.")
    own = point_id("acme", "tickets", "R")
    parts.settle(record(first, 60))
    held = parts.collection.lookup([own])[own]
    good, zero = held.vectors["text"], np.zeros(DIM, np.float32)
    write_foreign(parts.collection, own, held.payload, {name: good if whole else zero for name, whole in named.items()})
    parts.settle(record(first, 61), record(first | {"event_version": 2, "reason": "updated", "priority": "low"}, 62))
    found = parts.collection.lookup([own])[own]
    assert found.version == 2
    np.testing.assert_allclose(found.vectors["text"], good, atol=1e-6)


@pytest.mark.parametrize("parts", params(fake="keeps the version beside the payload"), indirect=True)
def test_a_point_of_millrace_without_a_version_ends_the_worker_with_a_message(parts: Assembly) -> None:
    write_foreign(parts.collection, ONE, fields_of(1, event_version=1.5), {"text": vector_of(parts)})
    with pytest.raises(Fatal, match=f"point {ONE} was written by another program"):
        parts.settle(record(event(event_version=2), 70))


def test_doctor_counts_foreign_points_and_names_the_first_with_the_reason(parts: Assembly) -> None:
    [fine] = check_foreign(parts.collection, TICKETS.points, ManualClock())
    assert (fine.part, fine.state, fine.detail) == (
        "foreign points",
        "ok",
        "no point of another program among the 3 points checked",
    )
    held = dict(parts.collection.lookup([ONE])[ONE].payload)
    write_foreign(parts.collection, ONE, held | {"label": 7}, {"text": vector_of(parts)})
    write_foreign(parts.collection, 7, fields_of(7), {"text": vector_of(parts)})
    write_foreign(parts.collection, UUID(int=8), fields_of(8), {"text": vector_of(parts)})
    [found] = check_foreign(parts.collection, TICKETS.points, ManualClock())
    assert (found.part, found.state) == ("foreign points", "warning")
    assert found.detail.startswith("3 of the 5 points checked were written or overwritten by another program")
    assert "7 (its id is an integer)" in found.detail
    assert f"{UUID(int=8)} (its id does not match the tenant and the ticket in its payload)" in found.detail
    assert f"{ONE} (its field label is not valid)" in found.detail
    assert "remove these points" in found.fix
