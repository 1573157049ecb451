"""Decoding: each reason for which bytes can be refused, with the field named, and never another exception.

A green run does not prove that every hostile input is covered; `tests/hostile` has more of them.
"""

import importlib
import json
import pkgutil
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

import schemas
from schemas.base import Frozen
from schemas.failures import FailureReason as Reason
from schemas.tickets import TICKET_EVENT, TicketDeleted, TicketSnapshot
from schemas.topics import MESSAGE_LIMIT_BYTES
from shared.decoding import decode_event, printable
from shared.errors import NewerSchema, Rejected
from tests.support.tickets import deleted, event


def as_bytes(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def rejection(value: bytes | dict[str, Any] | None) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode_event(as_bytes(value) if isinstance(value, dict) else value, TICKET_EVENT)
    return caught.value


def test_a_valid_snapshot_is_decoded() -> None:
    decoded = decode_event(as_bytes(event(attributes={"a": 1, "b": True, "c": None, "d": 0.5, "e": "x"})), TICKET_EVENT)
    assert isinstance(decoded, TicketSnapshot)
    assert decoded.attributes == {"a": 1, "b": True, "c": None, "d": 0.5, "e": "x"}
    assert isinstance(decoded.attributes["b"], bool)
    assert decoded.occurred_at == datetime(2026, 5, 1, 10, tzinfo=UTC)


def test_a_valid_deletion_is_decoded() -> None:
    assert isinstance(decode_event(as_bytes(deleted()), TICKET_EVENT), TicketDeleted)


def test_times_become_utc() -> None:
    decoded = decode_event(as_bytes(event(occurred_at="2026-05-01T12:00:00+02:00")), TICKET_EVENT)
    assert decoded.occurred_at.isoformat() == "2026-05-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("value", "reason", "field"),
    [
        (None, Reason.EMPTY_VALUE, "value"),
        (b" " * (MESSAGE_LIMIT_BYTES + 1), Reason.TOO_LARGE, "value"),
        (b'{"subject": "\xff"}', Reason.INVALID_UTF8, "value"),
        (b'{"subject": "\xed\xa0\x80"}', Reason.INVALID_UTF8, "value"),
        (b"", Reason.INVALID_JSON, "value"),
        (b"{", Reason.INVALID_JSON, "value"),
        (b"\xef\xbb\xbf{}", Reason.INVALID_JSON, "value"),
        (b"{} {}", Reason.INVALID_JSON, "value"),
        (b"[" * 100_000, Reason.TOO_DEEP, "value"),
        (b'{"a":' + b"[" * 300 + b"]" * 300 + b"}", Reason.TOO_DEEP, "value"),
        (b"[]", Reason.NOT_AN_OBJECT, "value"),
        (b"null", Reason.NOT_AN_OBJECT, "value"),
        (b'{"subject": "a", "subject": "b"}', Reason.DUPLICATE_KEY, "subject"),
        (b'{"attributes": {"colour": 1, "colour": 1}}', Reason.DUPLICATE_KEY, "colour"),
        (b'{"satisfaction": NaN}', Reason.NOT_FINITE, "value"),
        (b'{"satisfaction": -Infinity}', Reason.NOT_FINITE, "value"),
        (b'{"version": ' + b"1" * 5_000 + b"}", Reason.INVALID_VALUE, "value"),
    ],
)
def test_bytes_that_are_no_event_are_rejected(value: bytes | None, reason: Reason, field: str) -> None:
    rejected = rejection(value)
    assert (rejected.reason, rejected.field, rejected.stage) == (reason, field, "decode")


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"colour": "red"}, Reason.UNKNOWN_FIELD, "colour"),
        ({"event_id": ...}, Reason.MISSING_FIELD, "event_id"),
        ({"reason": ...}, Reason.MISSING_FIELD, "reason"),
        ({"schema_version": ...}, Reason.MISSING_FIELD, "schema_version"),
        ({"subject": 5}, Reason.WRONG_TYPE, "subject"),
        ({"event_version": "1"}, Reason.WRONG_TYPE, "event_version"),
        ({"event_version": 1.0}, Reason.WRONG_TYPE, "event_version"),
        ({"event_version": True}, Reason.WRONG_TYPE, "event_version"),
        ({"occurred_at": 1_700_000_000}, Reason.WRONG_TYPE, "occurred_at"),
        ({"attributes": []}, Reason.WRONG_TYPE, "attributes"),
        ({"attributes": {"a": {}}}, Reason.WRONG_TYPE, "attributes.a"),
        ({"event_version": 0}, Reason.INVALID_VALUE, "event_version"),
        ({"event_version": 2**53}, Reason.INVALID_VALUE, "event_version"),
        ({"schema_version": 0}, Reason.INVALID_VALUE, "schema_version"),
        ({"occurred_at": "yesterday"}, Reason.INVALID_VALUE, "occurred_at"),
        ({"tenant_id": "a:b"}, Reason.INVALID_VALUE, "tenant_id"),
        ({"tenant_id": "acme\n"}, Reason.INVALID_VALUE, "tenant_id"),
        ({"ticket_id": ""}, Reason.INVALID_VALUE, "ticket_id"),
        ({"ticket_id": "T\x00"}, Reason.INVALID_VALUE, "ticket_id"),
        ({"priority": "asap"}, Reason.INVALID_VALUE, "priority"),
        ({"reason": "merged"}, Reason.INVALID_VALUE, "reason"),
        ({"reason": ["created"]}, Reason.INVALID_VALUE, "reason"),
        ({"language": "english!"}, Reason.INVALID_VALUE, "language"),
        ({"satisfaction": 6}, Reason.INVALID_VALUE, "satisfaction"),
        ({"attributes": {"": 1}}, Reason.INVALID_VALUE, "attributes"),
        ({"subject": "x" * 1_001}, Reason.TOO_LARGE, "subject"),
        ({"body": "x" * 100_001}, Reason.TOO_LARGE, "body"),
        ({"attributes": {str(n): n for n in range(65)}}, Reason.TOO_LARGE, "attributes"),
        ({"attributes": {"a": "x" * 1_001}}, Reason.TOO_LARGE, "attributes.a"),
        ({"subject": "\ud800"}, Reason.LONE_SURROGATE, "subject"),
        ({"attributes": {"a": "x\udfff"}}, Reason.LONE_SURROGATE, "attributes.a"),
        ({"reason": "\ud800"}, Reason.LONE_SURROGATE, "reason"),
    ],
)
def test_a_field_that_is_wrong_is_named(changes: dict[str, Any], reason: Reason, field: str) -> None:
    rejected = rejection(event(**changes))
    assert (rejected.reason, rejected.field.rstrip(".")) == (reason, field)


def test_a_time_without_a_zone_is_refused() -> None:
    rejected = rejection(event(occurred_at="2026-05-01T10:00:00"))
    assert rejected.field == "occurred_at"
    assert rejected.reason in (Reason.INVALID_VALUE, Reason.WRONG_TYPE)


@pytest.mark.parametrize(
    "moment",
    ["20260904", "45906.5", "2026", "0", "-5", "+2026", "1788480000", "1788480000000", "1e9", "2026-09-04", "12:00:00Z",
     " 2026-09-04T10:00:00Z", "20260904T100000Z", "", "now"],
)  # fmt: skip
def test_a_number_in_a_text_is_no_time(moment: str) -> None:
    rejected = rejection(event(occurred_at=moment))
    assert (rejected.reason, rejected.field) == (Reason.INVALID_VALUE, "occurred_at")


@pytest.mark.parametrize(
    "moment",
    ["2026-09-04T10:00:00Z", "2026-09-04 10:00:00z", "2026-09-04t12:00:00+02:00", "2026-09-04T10:00:00.000000Z",
     "2026-09-04T10:00Z", "2026-09-04T15:30:00+0530"],
)  # fmt: skip
def test_a_time_with_its_offset_is_read(moment: str) -> None:
    decoded = decode_event(as_bytes(event(occurred_at=moment)), TICKET_EVENT)
    assert decoded.occurred_at == datetime(2026, 9, 4, 10, tzinfo=UTC)


def models() -> list[type[BaseModel]]:
    """Return every model of the schemas."""
    for module in pkgutil.iter_modules(schemas.__path__):
        importlib.import_module(f"schemas.{module.name}")
    waiting: list[type[BaseModel]] = [Frozen]
    for model in waiting:
        waiting += model.__subclasses__()
    return waiting


def test_every_time_of_every_schema_refuses_a_number() -> None:
    times = [(model, name) for model in models() for name, field in model.model_fields.items() if holds_a_time(field)]
    assert {"TicketSnapshot", "TicketDeleted", "TicketRouted", "LedgerEntry", "TicketPayload"} <= {
        model.__name__ for model, _ in times
    }
    for model, name in times:
        with pytest.raises(ValidationError) as caught:
            model.model_validate_json(json.dumps({name: "20260904"}))
        assert (name,) in [each["loc"] for each in caught.value.errors()], (model, name)


def holds_a_time(field: FieldInfo) -> bool:
    return "datetime" in str(field.annotation).lower()


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_cannot_express_is_refused(moment: str) -> None:
    rejected = rejection(event(occurred_at=moment))
    assert (rejected.reason, rejected.field) == (Reason.INVALID_VALUE, "occurred_at")


def test_a_deletion_has_no_text() -> None:
    rejected = rejection(deleted(subject="Where is my parcel?"))
    assert (rejected.reason, rejected.field) == (Reason.UNKNOWN_FIELD, "subject")


@pytest.mark.parametrize("number", [b"1e400", b"-1e400"])
def test_a_number_beyond_the_range_of_floats_is_not_finite(number: bytes) -> None:
    rejected = rejection(as_bytes(event(attributes={"a": "@"})).replace(b'"@"', number))
    assert (rejected.reason, rejected.field) == (Reason.NOT_FINITE, "attributes.a")


def test_a_number_with_very_many_digits_is_not_reported_as_a_surrogate() -> None:
    rejected = rejection(as_bytes(event(attributes={"a": "@"})).replace(b'"@"', b"1" * 5_000 + b".5"))
    assert rejected.reason in (Reason.INVALID_VALUE, Reason.NOT_FINITE)


def test_an_integer_beyond_64_bits_is_refused_and_not_rounded() -> None:
    rejected = rejection(event(attributes={"a": 2**63}))
    assert (rejected.reason, rejected.field) == (Reason.INVALID_VALUE, "attributes.a")


def test_every_rejection_names_a_field() -> None:
    assert rejection(b'{"": 1, "": 2}').field != ""


def test_a_newer_schema_is_no_rejection() -> None:
    with pytest.raises(NewerSchema, match="schema_version 2"):
        decode_event(as_bytes(event(schema_version=2, something_new=1)), TICKET_EVENT)


@pytest.mark.parametrize("version", ["2", 1.5, None])
def test_an_invalid_version_is_not_a_newer_version(version: object) -> None:
    assert rejection(event(schema_version=version)).field == "schema_version"


def test_a_secret_in_a_field_does_not_appear_in_the_error() -> None:
    assert "hunter2" not in str(rejection(event(priority="hunter2", body=5, channel="hunter2")))


@pytest.mark.parametrize("name", ["x" * 5_000, "\x1b[31mred\r\n", "\ud83d\ude00" * 200, "\u202e\u0000"])
def test_the_text_of_an_error_stays_short_and_printable(name: str) -> None:
    rejected = rejection(event(**{name: 1}))
    assert rejected.reason is Reason.UNKNOWN_FIELD
    assert len(str(rejected)) < 400
    assert str(rejected).isprintable()


def test_printable_replaces_and_truncates() -> None:
    assert printable("a\x00b\ud800c\nd") == "a\ufffdb\ufffdc\ufffdd"
    assert printable("x" * 100) == "x" * 80
    assert printable("xyz", 2) == "xy"
