"""Bytes of the JSON test suite as records: refused with a reason, or accepted, and never anything else.

A green run does not prove that the suite is complete; the copy in the development data is a selection of it.
"""

import json
from pathlib import Path

import pytest

from schemas.base import Event
from schemas.failures import FailureReason as Reason
from schemas.outcomes import Outcome
from shared.decoding import decode_event
from shared.errors import Rejected
from tests.support.assembly import Assembly
from tests.support.streams import KINDS, Kind, on_each_stream

NOT_JSON = {Reason.INVALID_JSON, Reason.INVALID_UTF8, Reason.NOT_FINITE, Reason.TOO_DEEP, Reason.DUPLICATE_KEY}
PLACE = "@@@"


def fields_of(kind: Kind) -> list[str]:
    """Return fields of an event: those that say something, and two that every event has."""
    return [*dict.fromkeys([kind.content_field, kind.text_field]), "occurred_at", "event_version"]


on_each_field = pytest.mark.parametrize(
    ("kind", "field"),
    [pytest.param(kind, field, id=f"{kind.name}-{field}") for kind in KINDS for field in fields_of(kind)],
)


@pytest.fixture(scope="module")
def suite(data_dir: Path) -> dict[str, bytes]:
    """Return every file of the suite as bytes: some of them are not text."""
    files = {path.name: path.read_bytes() for path in sorted((data_dir / "faults" / "json_test_suite").glob("*.json"))}
    assert {name[:2] for name in files} == {"y_", "n_", "i_"}
    return files


def verdict(kind: Kind, value: bytes) -> Rejected | Event:
    """Return the outcome of a value; any other exception fails the test."""
    try:
        decoded: Event = decode_event(value, kind.stream.events)
    except Rejected as rejected:
        return rejected
    assert isinstance(decoded, kind.stream.snapshot)
    return decoded


def inside(kind: Kind, field: str, content: bytes) -> bytes:
    """Return a valid event that carries the bytes as a field's value; `a.b` is field `b` of an object `a`."""
    outer, _, inner = field.partition(".")
    fields = kind.event()
    fields[outer] = {inner: PLACE} if inner else PLACE
    return json.dumps(fields).encode().replace(f'"{PLACE}"'.encode(), content)


@on_each_stream
def test_every_file_alone_is_refused_with_a_reason(kind: Kind, suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(kind, content)
        assert isinstance(found, Rejected), name
        assert found.field, name


@on_each_stream
def test_invalid_json_is_refused_as_such(kind: Kind, suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(kind, content)
        if name.startswith("n_"):
            assert isinstance(found, Rejected), name
            assert found.reason in NOT_JSON, (name, found.reason)


@on_each_stream
def test_valid_json_is_refused_for_its_content(kind: Kind, suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(kind, content)
        if name.startswith("y_"):
            assert isinstance(found, Rejected), name
            assert found.reason not in NOT_JSON, (name, found.reason)


@on_each_field
def test_invalid_json_in_a_field_invalidates_the_whole_event(kind: Kind, suite: dict[str, bytes], field: str) -> None:
    for name, content in suite.items():
        if name.startswith("n_"):
            found = verdict(kind, inside(kind, field, content))
            assert isinstance(found, Rejected), name
            assert found.reason in NOT_JSON, (name, found.reason)
            assert found.field, name


@on_each_field
def test_valid_json_in_a_field_is_accepted_or_refused_by_that_field(
    kind: Kind, suite: dict[str, bytes], field: str
) -> None:
    for name, content in suite.items():
        found = verdict(kind, inside(kind, field, content))
        if name.startswith("y_"):
            assert isinstance(found, Event) or found.field.startswith(field.split(".")[0]), (name, found)
        elif isinstance(found, Rejected):
            assert found.field, name


def scalar(content: bytes) -> bytes:
    """Return the single element of a file's outer array; the suite wraps most of its numbers and strings in one."""
    stripped = content.strip()
    return stripped[1:-1] if stripped[:1] == b"[" and stripped[-1:] == b"]" else stripped


@on_each_stream
def test_valid_strings_are_accepted_as_text(kind: Kind, suite: dict[str, bytes]) -> None:
    texts = [name for name in suite if name.startswith("y_string_")]
    assert len(texts) > 5
    for name in texts:
        found = verdict(kind, inside(kind, kind.text_field, scalar(suite[name])))
        assert isinstance(found, Event), name
        held = found.model_dump()
        for part in kind.text_field.split("."):
            held = held[part]
        assert held == json.loads(scalar(suite[name])), name


@on_each_field
def test_borderline_scalars_are_accepted_or_refused_with_a_field(
    kind: Kind, suite: dict[str, bytes], field: str
) -> None:
    for name, content in suite.items():
        found = verdict(kind, inside(kind, field, scalar(content)))
        if isinstance(found, Rejected):
            assert found.field, name
        else:
            assert not name.startswith("n_"), name


@on_each_stream
def test_a_batch_of_the_whole_suite_has_one_outcome_each(kind: Kind, suite: dict[str, bytes]) -> None:
    records = [kind.record(kind.event(), at, value=content) for at, content in enumerate(suite.values())]
    parts = Assembly(stream=kind.stream)
    settled = parts.settle(*records)
    assert [each.record for each in settled] == records
    assert {each.outcome for each in settled} == {Outcome.DEAD_LETTERED}
    assert [letter.value for letter in parts.delivered(kind.dlq)] == list(suite.values())
