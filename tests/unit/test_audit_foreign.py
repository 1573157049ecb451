"""The audit over a store that other programs write into: their points are counted and not compared.

A green run does not prove that the adapters return such points (`tests/contract/test_foreign_points.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from schemas.points import point_id
from shared.audit.comparison import audit_json
from shared.vectorstore.port import VERSION_FIELD
from tests.support.audited import World, counts
from tests.support.streams import TICKET_KIND
from tests.support.tickets import event, record

ONE = TICKET_KIND.point_id()


@pytest.fixture
def world() -> World:
    """Yield a stream of two tickets, one of them routed."""
    built = World()
    built.settle(record(event(), 0), record(event(ticket_id="T-2", reason="solved"), 1))
    return built


def put(world: World, which: UUID | int, payload: Mapping[str, object]) -> None:
    pattern = world.parts.collection.points[ONE]
    held: Any = replace(pattern, id=which, payload=payload)  # type: ignore[arg-type]  # an integer is foreign
    world.parts.collection.points[held.id] = held


def test_points_of_other_programs_are_counted_and_named_and_are_no_loss(world: World) -> None:
    held = dict(world.parts.collection.points[ONE].payload)
    put(world, 7, held)
    put(world, 8, {"tenant_id": "other", VERSION_FIELD: "x"})
    put(world, uuid4(), {})
    put(world, point_id("acme", "tickets", "T-9"), held | {"ticket_id": 9})
    findings = world.audit()
    assert findings.clean
    assert counts(findings) == {}
    assert (findings.points, findings.foreign) == (2, 4)
    assert "point 7: its id is an integer" in findings.examples["foreign"]
    reported = json.loads(audit_json(findings))
    assert (reported["clean"], reported["foreign"], reported["points"], reported["missing"]) == (True, 4, 2, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": 7},
        {"tenant_id": 7},
        {"ticket_id": None},
        {"decided_version": "x"},
        {"decided_version": {}},
        {"body": 1},
    ],
    ids=str,
)
def test_a_point_of_millrace_that_was_overwritten_is_counted_and_its_version_compared(
    world: World, changes: dict[str, object]
) -> None:
    held = dict(world.parts.collection.points[ONE].payload)
    put(world, ONE, held | changes)
    findings = world.audit()
    assert (findings.clean, findings.foreign, findings.points) == (True, 1, 1)
    world.reader.topics["tickets"][0] = record(event(event_version=3), 0)
    assert counts(world.audit()) == {"stale": 1}


@pytest.mark.parametrize("changes", [{"tenant_id": ["acme"]}, {"ticket_id": {}}], ids=str)
def test_the_point_id_shows_whose_result_was_published(world: World, changes: dict[str, object]) -> None:
    world.settle(record(event(event_version=2, reason="solved"), 2))
    held = dict(world.parts.collection.points[ONE].payload)
    put(world, ONE, held | changes | {"decided_version": 1})
    assert world.audit().clean
    put(world, ONE, held | changes | {"decided_version": 2})
    assert counts(world.audit()) == {"missing": 1}


@pytest.mark.parametrize("version", [..., None, True, 1.5, "1", -1, {}])
def test_a_point_of_millrace_without_a_version_is_a_loss_that_is_named(world: World, version: object) -> None:
    held = dict(world.parts.collection.points[ONE].payload)
    del held[VERSION_FIELD]
    put(world, ONE, held if version is ... else held | {VERSION_FIELD: version})
    findings = world.audit()
    assert (findings.clean, counts(findings), findings.foreign) == (False, {"missing": 1}, 1)
    [reported] = findings.examples["missing"]
    assert f"point {ONE} has no valid event_version" in reported
    assert "remove it and send the item again" in reported


def test_the_command_shows_the_number_of_foreign_points(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world, 7, {})
    monkeypatch.setattr("millrace.cli.audit.run_audit", lambda *_: world.audit())
    monkeypatch.setattr("millrace.cli.audit.TopicReader", lambda *_: None)
    monkeypatch.setattr("millrace.cli.audit.OpenTransactions.measure", lambda _: [])
    ended = CliRunner().invoke(app, ["audit", "--bootstrap", "nowhere:1", "--no-points"])
    assert ended.exit_code == 0, ended.output
    assert "foreign points 1, not compared" in ended.stdout
    assert "foreign: point 7: its id is an integer" in ended.stdout
