"""Bytes of the JSON test suite as records: refused with a reason, or accepted, and never anything else.

A green run does not prove that the suite is complete; the copy in the development data is a selection of it.
"""

import json
from pathlib import Path

import pytest

from schemas.failures import FailureReason as Reason
from schemas.outcomes import Outcome
from schemas.tickets import TICKET_EVENT, TicketSnapshot
from shared.decoding import decode
from shared.errors import Rejected
from tests.assembly import Assembly
from tests.tickets import event, record

NOT_JSON = {Reason.INVALID_JSON, Reason.INVALID_UTF8, Reason.NOT_FINITE, Reason.TOO_DEEP, Reason.DUPLICATE_KEY}
PLACE = "@@@"


@pytest.fixture(scope="module")
def suite(data_dir: Path) -> dict[str, bytes]:
    """Give every file of the suite as bytes: some of them are not text."""
    files = {path.name: path.read_bytes() for path in sorted((data_dir / "faults" / "json_test_suite").glob("*.json"))}
    assert {name[:2] for name in files} == {"y_", "n_", "i_"}
    return files


def verdict(value: bytes) -> Rejected | TicketSnapshot:
    """Return what becomes of a value; any other exception is the test's failure."""
    try:
        decoded = decode(value, TICKET_EVENT)
    except Rejected as rejected:
        return rejected
    assert isinstance(decoded, TicketSnapshot)
    return decoded


def inside(field: str, content: bytes) -> bytes:
    """Return a valid event that carries the bytes as a field's value."""
    wanted = event(attributes={"a": PLACE}) if field == "attributes.a" else event(**{field: PLACE})
    return json.dumps(wanted).encode().replace(f'"{PLACE}"'.encode(), content)


def test_every_file_alone_is_refused_with_a_reason(suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(content)
        assert isinstance(found, Rejected), name
        assert found.field, name


def test_what_is_not_json_is_refused_as_such(suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(content)
        if name.startswith("n_"):
            assert isinstance(found, Rejected), name
            assert found.reason in NOT_JSON, (name, found.reason)


def test_what_is_json_is_refused_for_what_it_says(suite: dict[str, bytes]) -> None:
    for name, content in suite.items():
        found = verdict(content)
        if name.startswith("y_"):
            assert isinstance(found, Rejected), name
            assert found.reason not in NOT_JSON, (name, found.reason)


@pytest.mark.parametrize("field", ["body", "subject", "attributes", "attributes.a", "satisfaction", "occurred_at"])
def test_inside_an_event_what_is_not_json_spoils_the_whole(suite: dict[str, bytes], field: str) -> None:
    for name, content in suite.items():
        if name.startswith("n_"):
            found = verdict(inside(field, content))
            assert isinstance(found, Rejected), name
            assert found.reason in NOT_JSON, (name, found.reason)
            assert found.field, name


@pytest.mark.parametrize("field", ["body", "subject", "attributes", "attributes.a", "satisfaction", "occurred_at"])
def test_inside_an_event_everything_else_is_accepted_or_refused_by_its_field(
    suite: dict[str, bytes], field: str
) -> None:
    for name, content in suite.items():
        found = verdict(inside(field, content))
        if name.startswith("y_"):
            assert isinstance(found, TicketSnapshot) or found.field.startswith(field.split(".")[0]), (name, found)
        elif isinstance(found, Rejected):
            assert found.field, name


def scalar(content: bytes) -> bytes:
    """Return what stands in a file's outer array; the suite wraps most of its numbers and strings in one."""
    stripped = content.strip()
    return stripped[1:-1] if stripped[:1] == b"[" and stripped[-1:] == b"]" else stripped


def test_valid_strings_are_accepted_as_text(suite: dict[str, bytes]) -> None:
    texts = [name for name in suite if name.startswith("y_string_")]
    assert len(texts) > 5
    for name in texts:
        found = verdict(inside("body", scalar(suite[name])))
        assert isinstance(found, TicketSnapshot), name
        assert found.body == json.loads(scalar(suite[name])), name


def test_valid_numbers_are_accepted_as_attributes(suite: dict[str, bytes]) -> None:
    numbers = [name for name in suite if name.startswith("y_number_")]
    assert numbers
    for name in numbers:
        found = verdict(inside("attributes.a", scalar(suite[name])))
        assert isinstance(found, TicketSnapshot), name
        assert found.attributes["a"] == json.loads(scalar(suite[name])), name


@pytest.mark.parametrize("field", ["body", "attributes.a"])
def test_borderline_scalars_are_accepted_or_refused_with_a_field(suite: dict[str, bytes], field: str) -> None:
    for name, content in suite.items():
        found = verdict(inside(field, scalar(content)))
        if isinstance(found, Rejected):
            assert found.field, name
        else:
            assert not name.startswith("n_"), name


def test_a_batch_of_the_whole_suite_has_one_outcome_each(suite: dict[str, bytes]) -> None:
    records = [record(event(), at, value=content) for at, content in enumerate(suite.values())]
    parts = Assembly()
    settled = parts.settle(*records)
    assert [each.record for each in settled] == records
    assert {each.outcome for each in settled} == {Outcome.DEAD_LETTERED}
    assert [letter.value for letter in parts.delivered("tickets.dlq")] == list(suite.values())
