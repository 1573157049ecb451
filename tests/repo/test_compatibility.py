"""The schemas follow those of the last release, by the rules of docs/schema-evolution.md.

Green does not show a rolling upgrade: it compares schemas, and neither validators in Python nor two running versions.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.repo.comparison import Schema
from tests.repo.compatibility import current, last_release, problems, released
from tests.repo.released_topics import released_topics, topic_problems, topics

OLD = released(last_release())


def test_the_schemas_follow_the_last_release() -> None:
    new = current()
    lost = OLD.keys() - new.keys()
    assert not lost, f"the last release wrote {sorted(lost)}: keep these schemas readable"
    found = [each for name, old in OLD.items() for each in problems(name, old, new[name])]
    assert not found, "\n".join(found)


def test_the_topics_follow_the_last_release() -> None:
    assert not topic_problems(released_topics(last_release()), topics())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "tenant_id"}, "tickets: key was tenant_id:ticket_id and is tenant_id: "),
        ({"partitions": 24}, "tickets: partitions was 12 and is 24: "),
        ({"message_limit_bytes": 1_000}, "tickets: the limit of messages is lower"),
    ],
)
def test_a_breaking_change_of_a_topic_is_reported(changes: dict[str, Any], message: str) -> None:
    new = topics()
    new["tickets"] = new["tickets"] | changes
    [found] = topic_problems(topics(), new)
    assert found.startswith(message)
    del new["tickets"]
    assert topic_problems(topics(), new) == ["tickets: the topic is removed, and what it holds is read by no one"]


def _object(schema: Schema, name: str) -> Any:
    return schema.get("$defs", {}).get(name, schema)


def _adds_a_field(schema: Schema, name: str) -> None:
    _object(schema, name)["properties"]["mood"] = {"type": "string"}


def _requires_a_new_field(schema: Schema, name: str) -> None:
    _adds_a_field(schema, name)
    _object(schema, name)["required"].append("mood")


def _removes_a_field(schema: Schema, name: str) -> None:
    changed = _object(schema, name)
    field = next(each for each in sorted(changed["properties"]) if each not in changed["required"])
    del changed["properties"][field]


def _changes_a_type(schema: Schema, name: str) -> None:
    _object(schema, name)["properties"]["tenant_id" if name == "TicketSnapshot" else "stream"]["type"] = "integer"


def _raises_the_version(schema: Schema, name: str) -> None:
    for changed in (schema, *schema.get("$defs", {}).values()):
        field = changed.get("properties", {}).get("schema_version")
        if field is not None:
            field.pop("const")
            field["enum"] = [1, 2]


def _drops_the_old_version(schema: Schema, name: str) -> None:
    for changed in (schema, *schema.get("$defs", {}).values()):
        field = changed.get("properties", {}).get("schema_version")
        if field is not None:
            field["const"] = 2


CHANGED = (("tickets", "TicketSnapshot"), ("tickets.outcomes", "LedgerEntry"))


@pytest.mark.parametrize(("topic", "name"), CHANGED)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([_adds_a_field], "raise `schema_version`"),
        ([_requires_a_new_field], "required, but may be absent"),
        ([_requires_a_new_field, _raises_the_version], "give a new field a default"),
        ([_removes_a_field, _raises_the_version], "unknown field"),
        ([_changes_a_type, _raises_the_version], "of type string, but integer"),
        ([_drops_the_old_version], "only [2] is accepted"),
    ],
)
def test_a_breaking_change_is_reported(
    topic: str, name: str, changes: list[Callable[[Schema, str], None]], message: str
) -> None:
    assert any(message in each for each in problems(topic, OLD[topic], _changed(topic, name, changes)))


@pytest.mark.parametrize(("topic", "name"), CHANGED)
def test_an_optional_field_with_the_next_version_is_accepted(topic: str, name: str) -> None:
    assert problems(topic, OLD[topic], _changed(topic, name, [_adds_a_field, _raises_the_version])) == []


def test_a_narrower_limit_is_reported() -> None:
    new = copy.deepcopy(OLD["tickets"])
    new["$defs"]["TicketSnapshot"]["properties"]["event_id"]["maxLength"] = 64
    assert any("lower maxLength 64" in each for each in problems("tickets", OLD["tickets"], new))


def test_a_point_may_gain_an_optional_field_but_not_lose_one() -> None:
    new = copy.deepcopy(OLD["tickets.point"])
    _adds_a_field(new, "TicketPayload")
    assert problems("tickets.point", OLD["tickets.point"], new) == []
    del new["$defs"]["TicketPayload"]["properties"]["subject"]
    assert problems("tickets.point", OLD["tickets.point"], new)


def _changed(topic: str, name: str, changes: list[Callable[[Schema, str], None]]) -> Schema:
    schema = copy.deepcopy(OLD[topic])
    for change in changes:
        change(schema, name)
    return schema
