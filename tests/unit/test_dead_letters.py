"""Dead letters read back: parsing the envelope, selecting, counting and replaying.

A green run does not prove that a broker keeps the headers; the tests on brokers check that.
"""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.failures import FailureHeader as Header
from schemas.failures import FailureReason, count_of
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope, parse_position, read_dead_letter
from shared.deadletters.histogram import KINDS_MAX, OTHERS, UNREADABLE, Histogram
from shared.deadletters.replay_message import replay_message
from shared.deadletters.selection import Criteria, Selection, parse_time
from shared.records import Message, RecordPosition
from tests.support.letters import NOON, NOON_MS, dead_letter, message, record_of

FOREIGN = WithoutEnvelope(record_of(Message("tickets.dlq", b"k", b"v")), "millrace-origin-topic")


def test_the_envelope_is_read_back() -> None:
    found = dead_letter(7)
    assert found.origin == RecordPosition("tickets", 0, 7)
    assert str(found.position) == "tickets.dlq/0@7"
    assert (found.reason, found.field, found.detail, found.stage) == ("model_failed", "body", "found x", "embed")
    assert (found.attempts, found.replays, found.tenant) == (1, 0, "acme")
    assert found.first_failed_at == found.last_failed_at == NOON


def test_a_key_of_another_form_gives_no_tenant() -> None:
    assert dead_letter(key=None).tenant is None
    assert dead_letter(key=b"no colon").tenant is None
    assert dead_letter(key=b"\xff:1").tenant == "\ufffd"


@pytest.mark.parametrize("missing", [Header.ORIGIN_TOPIC, Header.ORIGIN_PARTITION, Header.ORIGIN_OFFSET, Header.REASON])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_without_an_envelope_it_is_unreadable_and_the_reason_is_given(missing: Header, value: bytes | None) -> None:
    sent = message()
    headers = tuple((name, value or b"") for name, _ in [(missing.value, value)] if value is not None)
    others = tuple(each for each in sent.headers if each[0] != missing)
    found = read_dead_letter(record_of(Message(sent.topic, sent.key, sent.value, others + headers)))
    if missing in (Header.REASON, Header.ORIGIN_TOPIC) and value == b"\xff":
        assert isinstance(found, DeadLetter)
    else:
        assert isinstance(found, WithoutEnvelope)
        assert found.missing == missing


@pytest.mark.parametrize("time", [b"", b"soon", b"2026-05-01T10:00:00", b"0001-01-01T00:00:00+23:00", b"\xff"])
def test_an_invalid_time_is_read_as_none(time: bytes) -> None:
    sent = message()
    headers = tuple((name, time if name == Header.LAST_FAILED_AT else value) for name, value in sent.headers)
    found = read_dead_letter(record_of(Message(sent.topic, sent.key, sent.value, headers)))
    assert isinstance(found, DeadLetter)
    assert found.last_failed_at is None


@pytest.mark.parametrize(
    ("text", "count"), [(None, 0), ("", 0), ("7", 7), ("-1", 0), ("1e3", 0), ("²", 0), ("٣", 0), ("9" * 10, 0)]
)
def test_a_count_is_a_plain_number_or_0(text: str | None, count: int) -> None:
    assert count_of(text) == count


@pytest.mark.parametrize("text", ["tickets.dlq/3@17", "a/b/0@0"])
def test_a_position_survives_the_round_trip_through_text(text: str) -> None:
    assert str(parse_position(text)) == text


@pytest.mark.parametrize(
    "text", ["", "tickets", "tickets/1", "tickets@1", "/1@2", "t/x@1", "t/1@", "t/1@-1", "t/\u0661@1"]
)
def test_a_text_that_is_no_position_is_read_as_none(text: str) -> None:
    assert parse_position(text) is None


@pytest.mark.parametrize(
    ("criteria", "matches"),
    [
        (Criteria(), True),
        (Criteria(reasons=("model_failed", "too_deep")), True),
        (Criteria(reasons=("too_deep",)), False),
        (Criteria(fields=("attributes",)), True),
        (Criteria(fields=("attributes.size",)), True),
        (Criteria(fields=("attrib",)), False),
        (Criteria(stages=("embed",)), True),
        (Criteria(stages=("decode",)), False),
        (Criteria(tenants=("acme",)), True),
        (Criteria(tenants=("other",)), False),
        (Criteria(reasons=("model_failed",), tenants=("other",)), False),
        (Criteria(since="2026-05-01T12:00:00Z"), True),
        (Criteria(since="2026-05-01T12:00:01Z"), False),
        (Criteria(until="2026-05-01T12:00:00Z"), False),
        (Criteria(until="2026-05-01T12:00:01"), True),
        (Criteria(since="2h", until="30m"), True),
        (Criteria(since="30m"), False),
    ],
)
def test_criteria_select_dead_letters(criteria: Criteria, matches: bool) -> None:
    selection = Selection(criteria, NOON + timedelta(hours=1))
    assert selection.matches(dead_letter(field="attributes.size")) is matches


def test_a_message_without_an_envelope_is_selected_by_time_alone() -> None:
    assert Selection(Criteria(), NOON).matches(FOREIGN)
    assert Selection(Criteria(since="1h"), NOON).matches(FOREIGN)
    assert not Selection(Criteria(until="1h"), NOON).matches(FOREIGN)
    assert not Selection(Criteria(tenants=("k",)), NOON).matches(FOREIGN)


def test_a_digest_depends_on_the_criteria_and_not_on_their_order() -> None:
    digest = Criteria(reasons=("a", "b"), since="2h").digest()
    assert Criteria(reasons=("b", "a", "b"), since="2h").digest() == digest
    others = [Criteria(), Criteria(reasons=("a",), since="2h"), Criteria(fields=("a", "b"), since="2h")]
    assert digest not in {other.digest() for other in others}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOON - timedelta(seconds=90)),
        ("5m", NOON - timedelta(minutes=5)),
        ("3d", NOON - timedelta(days=3)),
        ("1w", NOON - timedelta(weeks=1)),
        ("2026-04-01", datetime(2026, 4, 1, tzinfo=UTC)),
        ("2026-04-01T10:00:00+02:00", datetime(2026, 4, 1, 8, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    assert parse_time(text, NOON) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2", "h", "-2h", "2 h", "1.5h", "999999w", "9999999d", "٣h"])
def test_an_invalid_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as 2026"):
        parse_time(text, NOON)


def test_dead_letters_are_counted_by_kind_the_most_frequent_first() -> None:
    histogram = Histogram()
    for number in range(3):
        histogram.add(dead_letter(number, minutes=10 - number))
    histogram.add(dead_letter(reason=FailureReason.TOO_DEEP, field="value"))
    histogram.add(FOREIGN)
    rows = [(reason, name, kind.count) for reason, name, kind in histogram.rows()]
    assert rows == [("model_failed", "body", 3), ("too_deep", "value", 1), (UNREADABLE, "millrace-origin-topic", 1)]
    assert (histogram.count, histogram.oldest_ms) == (5, NOON_MS)
    many = histogram.rows()[0][2]
    assert (many.oldest_ms, many.newest_ms) == (NOON_MS + 8 * 60_000, NOON_MS + 10 * 60_000)


def test_an_empty_histogram_has_no_oldest() -> None:
    assert (Histogram().count, Histogram().oldest_ms, Histogram().rows()) == (0, None, [])


def test_the_number_of_kinds_is_bounded_and_every_dead_letter_is_counted() -> None:
    histogram = Histogram()
    for number in range(KINDS_MAX + 50):
        histogram.add(dead_letter(number, field=f"made.up.{number}"))
    assert len(histogram.kinds) == KINDS_MAX + 1
    assert histogram.count == KINDS_MAX + 50
    assert histogram.kinds["model_failed", OTHERS].count == 50


def test_a_replay_is_the_original_record_with_its_envelope_and_a_replay_count_one_higher() -> None:
    found = dead_letter(3, headers=(("trace", b"\xff"),))
    again = replay_message(found, "tickets", max_replays=3)
    assert (again.topic, again.key, again.value) == ("tickets.redo", found.record.key, found.record.value)
    before = [each for each in found.record.headers if each[0] != Header.REPLAYS]
    assert again.headers == (*before, ("millrace-replays", b"1"))


@pytest.mark.parametrize(
    ("replays", "topic"), [(2, "tickets.redo"), (3, "tickets.quarantine"), (9, "tickets.quarantine")]
)
def test_a_dead_letter_replayed_too_often_goes_to_quarantine_unchanged(replays: int, topic: str) -> None:
    found = dead_letter(headers=((Header.REPLAYS.value, str(replays).encode()),))
    assert found.replays == replays
    again = replay_message(found, "tickets", max_replays=3)
    assert again.topic == topic
    if topic == "tickets.quarantine":
        assert (again.key, again.value, again.headers) == (found.record.key, found.record.value, found.record.headers)
