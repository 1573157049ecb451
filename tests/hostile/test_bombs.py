"""Records made to exhaust or to confuse: nesting, huge numbers, huge keys, half surrogates, unusual headers.

A green run does not prove a limit on memory; a limit on time is proved only in that a hanging test would be noticed.
"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.base import SCHEMA_VERSION
from schemas.failures import FailureHeader as Header
from schemas.failures import FailureReason as Reason
from schemas.outcomes import Outcome
from schemas.tickets import TICKET_EVENT
from schemas.topics import ENVELOPE_LIMIT_BYTES, MESSAGE_LIMIT_BYTES
from shared.clock import SystemClock
from shared.deadletters.envelope import write_dead_letter
from shared.decoding import decode_event
from shared.errors import NewerSchema, Rejected
from shared.records import Provenance, header_texts
from tests.support.assembly import Assembly
from tests.support.tickets import event, record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOM = MESSAGE_LIMIT_BYTES - 100
BROKEN = Rejected(Reason.INVALID_JSON, "value", "broken")
BY = Provenance("tickets", "fa4e0000")
TEXT_FIELDS = (
    "event_id", "tenant_id", "occurred_at", "reason", "ticket_id", "subject", "body", "language", "channel",
    "customer_id", "priority", "resolution", "agent_label",
)  # fmt: skip


def rejection(value: bytes | dict[str, Any]) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode_event(json.dumps(value).encode() if isinstance(value, dict) else value, TICKET_EVENT)
    assert caught.value.field
    assert str(caught.value).isprintable()
    return caught.value


def with_raw(field: str, raw: bytes) -> bytes:
    """Return an event whose field holds these bytes unquoted."""
    return json.dumps(event(**{field: "@@@"})).encode().replace(b'"@@@"', raw)


@pytest.mark.parametrize(
    "value",
    [
        b"[" * ROOM,
        b'{"a":' * (ROOM // 5),
        b"[" * (ROOM // 2) + b"]" * (ROOM // 2),
        b'{"a":' * 400 + b"1" + b"}" * 400,
        with_raw("body", b"[" * 400_000),
        with_raw("attributes", b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
    ],
    ids=["open arrays", "open objects", "balanced arrays", "400 objects", "in the body", "in an attribute"],
)
def test_deep_nesting_is_too_deep(value: bytes) -> None:
    assert rejection(value).reason is Reason.TOO_DEEP


@pytest.mark.parametrize("field", ["event_version", "satisfaction", "schema_version", "body", "occurred_at", "reason"])
@pytest.mark.parametrize(
    "number",
    [
        b"9" * 4_000,
        b"-" + b"9" * 4_000,
        b"9" * 500_000,
        b"1e999999999",
        b"-1e400",
        b"1e-999999999",
        b"1." + b"3" * 500_000,
    ],
    ids=["4000 digits", "negative", "500000 digits", "huge exponent", "overflow", "underflow", "long fraction"],
)
def test_extreme_numbers_are_refused(field: str, number: bytes) -> None:
    if field == "schema_version" and number == b"9" * 4_000:
        with pytest.raises(NewerSchema):
            decode_event(with_raw(field, number), TICKET_EVENT)
    else:
        assert rejection(with_raw(field, number)).reason in (Reason.INVALID_VALUE, Reason.WRONG_TYPE, Reason.NOT_FINITE)


def test_a_huge_key_is_refused_and_truncated_in_the_error() -> None:
    rejected = rejection(event(**{"k" * 500_000: 1}))
    assert rejected.reason is Reason.UNKNOWN_FIELD
    assert len(rejected.field) <= 80


def test_a_huge_attribute_name_is_refused_and_truncated_in_the_error() -> None:
    rejected = rejection(event(attributes={"k" * 500_000: 1}))
    assert rejected.reason is Reason.TOO_LARGE
    assert len(rejected.field) <= 80


def test_very_many_unknown_fields_are_refused() -> None:
    assert rejection(event(**{f"{n:05}": 1 for n in range(60_000)})).reason is Reason.UNKNOWN_FIELD


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_duplicate_among_very_many_keys_is_found_quickly(place: str) -> None:
    pairs = [f'"{number:05}":1' for number in range(20_000)]
    pairs.insert(0 if place == "first" else len(pairs), pairs[0 if place == "first" else -1])
    clock = SystemClock()
    start_s = clock.cpu_s()
    assert rejection(("{" + ",".join(pairs) + "}").encode()).reason is Reason.DUPLICATE_KEY
    assert clock.cpu_s() - start_s < 1.0


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (b'{"a": 1, "a": 2}', "a"),
        (b'{"attributes": {"a": {"b": 1, "b": 1}}}', "b"),
        (b'{"a": 1, "\\u0061": 2}', "a"),
        (b'{"\\u0000": 1, "\\u0000": 2}', "\ufffd"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\ufffd"),
    ],
)
def test_a_key_that_occurs_twice_is_named(value: bytes, field: str) -> None:
    rejected = rejection(value)
    assert (rejected.reason, rejected.field) == (Reason.DUPLICATE_KEY, field)


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\udc00\\ud800", "ok\\ud83d ok", "\\ud800\\ud800\\udc00"])
@pytest.mark.parametrize("field", TEXT_FIELDS)
def test_half_a_surrogate_pair_is_refused_in_every_field(field: str, half: str) -> None:
    rejected = rejection(with_raw(field, f'"{half}"'.encode()))
    assert (rejected.reason, rejected.field) == (Reason.LONE_SURROGATE, field)


@pytest.mark.parametrize(
    "value",
    [
        with_raw("attributes", b'{"a": "\\ud800"}'),
        with_raw("attributes", b'{"\\ud800": "a"}'),
        json.dumps(event()).encode()[:-1] + b', "\\ud800": 1}',
    ],
    ids=["attribute", "attribute name", "unknown field"],
)
def test_half_a_surrogate_pair_is_refused_in_names_and_attributes(value: bytes) -> None:
    assert rejection(value).reason is Reason.LONE_SURROGATE


def test_a_whole_surrogate_pair_is_valid_text() -> None:
    decoded = decode_event(with_raw("subject", b'"\\ud83d\\ude00"'), TICKET_EVENT)
    assert decoded.model_dump()["subject"] == "\N{GRINNING FACE}"


def test_null_bytes_in_text_and_attribute_names_are_accepted() -> None:
    parts = Assembly()
    settled = parts.settle(record(event(subject="a\x00b", attributes={"\x00": "\x00"})))
    assert settled[0].outcome is Outcome.ROUTED


@pytest.mark.parametrize("field", ["ticket_id", "tenant_id", "customer_id", "a\x00b"])
def test_null_bytes_in_ids_and_unknown_names_are_refused(field: str) -> None:
    assert rejection(event(**{field: "a\x00b"})).reason in (Reason.INVALID_VALUE, Reason.UNKNOWN_FIELD)


def test_the_size_limit_counts_bytes_exactly() -> None:
    value = json.dumps(event()).encode()
    padded = value + b" " * (MESSAGE_LIMIT_BYTES - len(value))
    assert decode_event(padded, TICKET_EVENT).event_version == 1
    assert rejection(padded + b" ").reason is Reason.TOO_LARGE


def test_a_version_far_above_millrace_s_is_newer_and_not_refused() -> None:
    with pytest.raises(NewerSchema):
        decode_event(json.dumps(event(schema_version=SCHEMA_VERSION + 10**9)).encode(), TICKET_EVENT)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z"])
def test_times_at_the_edge_of_the_calendar_are_refused(moment: str) -> None:
    assert rejection(event(occurred_at=moment)).field == "occurred_at"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trace", b"\xff\xfe\x00"),
        ("", b""),
        ("\N{GRINNING FACE}", b"x"),
        (Header.ATTEMPTS, b"\xff"),
        (Header.ATTEMPTS, b"-1"),
        (Header.ATTEMPTS, b"1e9"),
        (Header.ATTEMPTS, "\N{ARABIC-INDIC DIGIT THREE}".encode()),
        (Header.ATTEMPTS, "\N{SUPERSCRIPT TWO}".encode()),
        (Header.ATTEMPTS, b"9" * 5_000),
        (Header.FIRST_FAILED_AT, b"\xff" * 100),
        ("millrace-unknown", b"\xff"),
    ],
)
def test_headers_that_are_invalid_or_false_still_give_a_dead_letter(name: str, value: bytes) -> None:
    failed = record({}, headers=((name, value),), topic="tickets.redo")
    letter = write_dead_letter(failed, BROKEN, BY, NOW)
    assert int(header_texts(letter.headers)[Header.ATTEMPTS]) >= 1
    assert all(value and value.decode() for name, value in letter.headers if name.startswith("millrace-"))


def test_a_header_under_millrace_s_name_cannot_make_the_dead_letter_too_large() -> None:
    forged = ((Header.FIRST_FAILED_AT.value, b"\xff" * 500_000),)
    letter = write_dead_letter(record({}, headers=forged, topic="tickets.redo"), BROKEN, BY, NOW)
    assert sum(len(name) + len(value or b"") for name, value in letter.headers) <= ENVELOPE_LIMIT_BYTES


def test_the_envelope_of_the_longest_error_stays_within_its_limit() -> None:
    rejected = rejection(event(**{"\N{GRINNING FACE}" * 100_000: 1}))
    letter = write_dead_letter(record({}), rejected, BY, NOW)
    assert sum(len(name) + len(value or b"") for name, value in letter.headers) <= ENVELOPE_LIMIT_BYTES


def test_a_batch_of_bombs_does_not_affect_the_good_record() -> None:
    bombs = [b"[" * ROOM, b"\x00" * 1_000, b"\xff", b'{"a":1,"a":1}', with_raw("body", b"1e400"), b""]
    parts = Assembly()
    records = [record(event(), at, value=value) for at, value in enumerate(bombs)]
    settled = parts.settle(*records, record(event(), len(bombs)))
    assert [each.outcome for each in settled] == [Outcome.DEAD_LETTERED] * len(bombs) + [Outcome.ROUTED]
    assert [letter.value for letter in parts.delivered("tickets.dlq")] == bombs
