"""Dead letters as the engine writes them.

A green run does not prove that a broker accepts them; the contract suite checks that.
"""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from schemas.failures import CutHeader, FailureReason
from schemas.failures import FailureHeader as Header
from shared.deadletters.envelope import MOST_HEADERS, write_dead_letter
from shared.errors import Rejected
from shared.records import Message, Provenance, Record, header_texts
from tests.support.tickets import event, record

NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)
LATER = datetime(2026, 5, 2, 10, tzinfo=UTC)
FAILURE = Rejected(FailureReason.WRONG_TYPE, "subject", "Input should be a valid string", "decode")
BY = Provenance("tickets", "3fa9c1d2")


def dead_letter_of(given: Record, now: datetime = NOW) -> Message:
    return write_dead_letter(given, FAILURE, BY, now)


def test_a_dead_letter_holds_the_original_bytes_and_key() -> None:
    made = dead_letter_of(record(event(), value=b"\xff\x00 not JSON", key=b"\xfe"))
    assert (made.topic, made.key, made.value) == ("tickets.dlq", b"\xfe", b"\xff\x00 not JSON")


def test_a_record_without_key_and_value_has_a_dead_letter_without_them() -> None:
    made = dead_letter_of(record(event(), value=None, key=None))
    assert (made.key, made.value) == (None, None)


def test_the_envelope_is_in_headers() -> None:
    found = dict(dead_letter_of(record(event(), 7, partition=3, timestamp_ms=1_234)).headers)
    assert found == {
        Header.ORIGIN_TOPIC: b"tickets",
        Header.ORIGIN_PARTITION: b"3",
        Header.ORIGIN_OFFSET: b"7",
        Header.ORIGIN_TIMESTAMP_MS: b"1234",
        Header.REASON: b"wrong_type",
        Header.FIELD: b"subject",
        Header.DETAIL: b"Input should be a valid string",
        Header.STAGE: b"decode",
        Header.ATTEMPTS: b"1",
        Header.REPLAYS: b"0",
        Header.FIRST_FAILED_AT: b"2026-05-01T10:00:00+00:00",
        Header.LAST_FAILED_AT: b"2026-05-01T10:00:00+00:00",
        Header.MODEL: b"3fa9c1d2",
    }


def test_every_header_of_the_schema_is_written() -> None:
    assert set(dict(dead_letter_of(record(event(), topic_id="an id")).headers)) == set(Header)
    assert set(dict(dead_letter_of(record(event())).headers)) == set(Header) - {Header.ORIGIN_TOPIC_ID}


def test_the_record_s_own_headers_keep_their_order_and_repetitions() -> None:
    own = (("trace", b"\xff"), ("trace", b"2"), ("empty", b""))
    assert dead_letter_of(record(event(), headers=own)).headers[:3] == own


def test_a_record_that_failed_before_has_a_higher_count_and_its_first_time() -> None:
    made = dead_letter_of(record(event()))
    for attempt in (2, 3):
        made = dead_letter_of(record(event(), topic="tickets.redo", headers=made.headers), LATER)
        found = dict(made.headers)
        assert found[Header.ATTEMPTS] == str(attempt).encode()
        assert found[Header.FIRST_FAILED_AT] == NOW.isoformat().encode()
        assert found[Header.LAST_FAILED_AT] == LATER.isoformat().encode()
        assert found[Header.ORIGIN_TOPIC] == b"tickets.redo"
        assert len(made.headers) == len(found)


def test_the_replay_count_is_carried_over() -> None:
    made = dead_letter_of(record(event(), topic="tickets.redo", headers=((Header.REPLAYS.value, b"2"),)))
    assert [value for name, value in made.headers if name == Header.REPLAYS] == [b"2"]


def test_headers_that_a_source_writes_under_millrace_s_names_are_not_trusted() -> None:
    """Only records in redo were written by Millrace."""
    forged = (
        (Header.REPLAYS.value, b"99"),
        (Header.ATTEMPTS.value, b"7"),
        (Header.FIRST_FAILED_AT.value, b"2020-01-01"),
    )
    found = dict(dead_letter_of(record(event(), headers=forged)).headers)
    assert (found[Header.REPLAYS], found[Header.ATTEMPTS]) == (b"0", b"1")
    assert found[Header.FIRST_FAILED_AT] == NOW.isoformat().encode()


def test_a_null_header_stays_null() -> None:
    own = (("null", None), ("empty", b""), ("null", b"1"))
    assert dead_letter_of(record(event(), headers=own)).headers[:3] == own


@pytest.mark.parametrize("attempts", [b"", b"many", b"-3", b"\xff"])
def test_an_invalid_count_starts_again(attempts: bytes) -> None:
    made = dead_letter_of(record(event(), headers=((Header.ATTEMPTS.value, attempts),), topic="tickets.redo"))
    assert dict(made.headers)[Header.ATTEMPTS] == b"1"


def test_a_dead_letter_that_does_not_fit_has_two_smaller_forms() -> None:
    value, key = b"v" * 1_000_000, b"k" * 2_000
    made = dead_letter_of(record(event(), value=value, key=key, headers=(("own", b"h" * 1_000),)))
    cut = made.instead
    assert cut is not None
    assert (cut.topic, cut.key, cut.value) == (made.topic, key, value[: 256 << 10])
    reported = header_texts(cut.headers)
    assert reported[CutHeader.VALUE_BYTES] == "1000000"
    assert reported[CutHeader.VALUE_SHA256] == sha256(value).hexdigest()
    assert cut.headers[: len(made.headers)] == made.headers
    bare = cut.instead
    assert bare is not None
    assert (bare.topic, bare.key, bare.value, bare.instead) == (made.topic, None, None, None)
    reported = header_texts(bare.headers)
    assert (reported[CutHeader.HEADERS], reported[CutHeader.KEY_SHA256]) == ("1", sha256(key).hexdigest())
    assert reported[Header.ORIGIN_TOPIC] == "tickets"
    assert "own" not in reported


def test_a_record_that_could_not_be_read_is_a_dead_letter_that_states_it() -> None:
    made = dead_letter_of(record(event(), value=None, key=None, unreadable="value"))
    assert (made.key, made.value) == (None, None)
    assert header_texts(made.headers)[CutHeader.VALUE_BYTES] == "unknown"


def test_headers_beyond_the_limit_of_the_client_are_left_out_and_counted() -> None:
    own = (("own", b""),) * (MOST_HEADERS + 1)
    headers = dead_letter_of(record(event(), headers=own)).headers
    assert header_texts(headers)[CutHeader.HEADERS] == str(MOST_HEADERS + 1)
    assert "own" not in header_texts(headers)
