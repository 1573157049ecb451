"""Strings that tend to break software, in every field: each gives an event or is refused with the field named.

A green run does not prove that programs that read the results show them safely, nor that the real model handles them
well.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.outcomes import Outcome
from shared.engine.snapshots import Item
from shared.errors import Rejected
from shared.records import Record
from tests.support.assembly import PREPARER, Assembly
from tests.support.streams import KINDS, TICKET_KIND, WITH_ATTRIBUTES, Kind, on_each_stream

FREE_TEXT = ("subject", "body", "resolution")
"""Fields of tickets that take any text."""


def fields_of(kind: Kind) -> list[str]:
    """Return the fields of an event, except those that decide by which schema it is read."""
    return [name for name in kind.stream.snapshot.model_fields if name not in ("schema_version", "reason")]


on_each_field = pytest.mark.parametrize(
    ("kind", "field"),
    [pytest.param(kind, field, id=f"{kind.name}-{field}") for kind in KINDS for field in fields_of(kind)],
)
with_attributes = pytest.mark.parametrize("kind", WITH_ATTRIBUTES, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def strings(data_dir: Path) -> list[str]:
    """Return the strings."""
    found: list[str] = json.loads((data_dir / "faults" / "blns.json").read_text(encoding="utf-8"))
    assert len(found) > 500
    return found


class Judge:
    """The pipeline of a stream, which accepts or refuses records."""

    def __init__(self, kind: Kind) -> None:
        self._kind, self._parts = kind, Assembly(stream=kind.stream)

    def verdict(self, **changes: Any) -> Rejected | Item[Any]:
        """Return the outcome of a changed event; any other exception fails the test."""
        return self._outcome(self._kind.record(self._kind.event(**changes)))

    def of_bytes(self, value: bytes) -> Rejected | Item[Any]:
        """Return the outcome of these bytes under the key of a valid event."""
        return self._outcome(self._kind.record(self._kind.event(), value=value))

    def _outcome(self, given: Record) -> Rejected | Item[Any]:
        try:
            item: Item[Any] = self._parts.prepared(given)
        except Rejected as rejected:
            return rejected
        return item


@on_each_field
def test_in_a_field_each_is_accepted_or_refused_by_that_field(kind: Kind, field: str, strings: list[str]) -> None:
    judge = Judge(kind)
    for text in strings:
        found = judge.verdict(**{field: text})
        if isinstance(found, Rejected):
            assert found.field == field, repr(text)
            assert found.detail.isprintable(), repr(text)
        else:
            assert found.digests, repr(text)


@pytest.mark.parametrize("field", FREE_TEXT)
def test_as_free_text_each_short_enough_one_is_accepted(strings: list[str], field: str) -> None:
    limit, judge = 1_000, Judge(TICKET_KIND)
    for text in strings:
        if len(text) <= limit:
            assert isinstance(judge.verdict(**{field: text}), Item), repr(text)


@with_attributes
def test_as_attribute_values_each_is_accepted(kind: Kind, strings: list[str]) -> None:
    judge = Judge(kind)
    for text in strings:
        found = judge.verdict(attributes={"a": text})
        assert isinstance(found, Item), repr(text)


@with_attributes
def test_as_attribute_names_each_is_accepted_or_refused_by_its_field(kind: Kind, strings: list[str]) -> None:
    judge = Judge(kind)
    for text in strings:
        found = judge.verdict(attributes={text: 1})
        if isinstance(found, Rejected):
            assert found.field.startswith("attributes"), repr(text)


@on_each_stream
def test_as_unknown_fields_each_is_refused(kind: Kind, strings: list[str]) -> None:
    judge = Judge(kind)
    for text in strings:
        found = judge.of_bytes(json.dumps(kind.event() | {text: 1}).encode())
        assert isinstance(found, Rejected), repr(text)
        assert found.field, repr(text)
        assert str(found).isprintable(), repr(text)


@on_each_stream
def test_as_raw_values_each_is_refused(kind: Kind, strings: list[str]) -> None:
    judge = Judge(kind)
    for text in strings:
        found = judge.of_bytes(text.encode("utf-8", "surrogatepass"))
        assert isinstance(found, Rejected), repr(text)
        assert found.field, repr(text)


def settle_texts(kind: Kind, texts: list[str], *fields: str) -> Assembly:
    """Settle an event for each short text, which stands in other fields too; assert that each has a result."""
    parts = Assembly(stream=kind.stream)
    short = [text for text in texts if len(text) <= 1_000]
    events = [kind.event(f"T-{at}", text=text) | dict.fromkeys(fields, text) for at, text in enumerate(short)]
    settled = parts.settle(*(kind.record(each, at) for at, each in enumerate(events)))
    assert {each.outcome for each in settled} == {Outcome.ROUTED}
    published = kind.published(parts.delivered(kind.results))
    assert [result.source_id for result in published] == [each[kind.stream.id_field] for each in events]
    return parts


@on_each_stream
def test_every_unusual_text_gives_a_result(kind: Kind, strings: list[str]) -> None:
    settle_texts(kind, strings)


def test_every_unusual_subject_is_stored(strings: list[str]) -> None:
    parts = settle_texts(TICKET_KIND, strings, "subject")
    stored = {str(point.payload["ticket_id"]): point.payload["subject"] for point in parts.collection.points.values()}
    short = [text for text in strings if len(text) <= 1_000]
    assert stored == {f"T-{at}": PREPARER.field(text) for at, text in enumerate(short)}


@on_each_stream
def test_every_unusual_id_that_is_accepted_is_distinct(kind: Kind, strings: list[str]) -> None:
    judge = Judge(kind)
    items = [judge.verdict(source_id=text) for text in strings]
    accepted = [item for item in items if isinstance(item, Item)]
    assert len(accepted) > 100
    assert len({item.point_id for item in accepted}) == len({item.source_id for item in accepted})
