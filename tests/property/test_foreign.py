"""Any JSON in any payload field of any point: the worker, the search, the audit and the doctor continue.

A green run does not prove this for a version that is missing or invalid, which is an error (`tests/contract`), nor for
stores that return other data than was written.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.doctor.foreign_points import check_foreign
from millrace.search_answers import only_tenant
from schemas.outcomes import Outcome
from schemas.points import point_id
from shared.errors import Fatal
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import Question, SimilarSearch
from shared.stream_settings import SearchSettings
from shared.vectorstore.port import VERSION_FIELD
from tests.support.audited import World
from tests.support.fakes import ManualClock
from tests.support.tickets import deleted, event, record
from workers.tickets.stages import TICKETS

FEW = settings(max_examples=60, deadline=None)
IDS = ("T-1", "T-2", "T-3")
SOLVED = {"reason": "solved", "agent_label": "delivery", "resolution": "Sent again.", "satisfaction": 5}

leaves = st.one_of(
    st.none(), st.booleans(), st.integers(0, 3), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5),
    st.sampled_from(["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00Z", "acme", "T-1", "solved"]),
)  # fmt: skip
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
fields = st.sampled_from([name for name in TICKETS.points.fields if name != VERSION_FIELD])
changes = st.dictionaries(fields, values | st.just(...), max_size=4)
spoilt = st.dictionaries(st.sampled_from(IDS), changes, max_size=3)
foreign = st.lists(st.tuples(st.integers(0, 9) | st.uuids(), changes), max_size=5)


@FEW
@given(spoilt, foreign)
def test_no_payload_stops_the_worker_or_loses_a_record(
    ours: dict[str, dict[str, Any]], theirs: list[tuple[int | UUID, dict[str, Any]]]
) -> None:
    world = World()
    for at, ticket in enumerate(IDS):
        world.settle(record(event(ticket_id=ticket, body=f"Parcel {at}.", **(SOLVED if at else {})), at))
    points = world.parts.collection.points
    pattern = points[point_id("acme", "tickets", "T-2")]
    for ticket, change in ours.items():
        own = point_id("acme", "tickets", ticket)
        points[own] = replace(points[own], payload=changed(points[own].payload, change))
    for which, change in theirs:
        held: Any = replace(pattern, id=which, payload=changed(pattern.payload, change))  # type: ignore[arg-type]
        points[held.id] = held
    work(world)
    question = Question("acme", "parcel", pattern.vectors["text"], datetime(2026, 1, 1, tzinfo=UTC))
    SimilarSearch(world.parts.collection, SOLVED_TICKETS, SearchSettings(), TICKETS.points.is_ours).find([question])
    findings = world.audit()
    # A lost decision is made again, and may differ this time: the audit then reports it as `conflicting`.
    assert (findings.missing, findings.stale, findings.unreadable) == (0, 0, 0), findings
    list(check_foreign(world.parts.collection, TICKETS.points, ManualClock()))
    with suppress(Fatal):  # the points of all tickets may be corrupted
        assert only_tenant([(TICKETS, world.parts.collection)]) == "acme"


def work(world: World) -> None:
    """Settle a repeat, an update with the same and one with other words, a deletion and a new ticket."""
    again = [
        event(ticket_id="T-1", body="Parcel 0."),
        event(ticket_id="T-1", body="Parcel 0.", event_version=2, reason="updated"),
        event(ticket_id="T-2", body="Other words.", event_version=2, reason="updated"),
        deleted(ticket_id="T-3", event_version=2),
        event(ticket_id="T-4", body="New."),
    ]
    for at, each in enumerate(again, len(IDS)):
        world.settle(record(each, at))
    assert world.parts.results()[-1].ticket_id == "T-4"
    assert Outcome.DEAD_LETTERED not in [
        outcome for batch in world.parts.reported.named("batch_settled") for outcome in batch
    ]
    for point in world.parts.collection.points.values():
        assert all(np.isfinite(vector).all() for vector in point.vectors.values())


def changed(payload: Any, change: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (dict(payload) | change).items() if value is not ...}
