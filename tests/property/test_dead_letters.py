"""Any dead letter is read back as it was written, whatever its record contains.

Its bytes, its key and its source's own headers survive any number of failures and replays.

Green does not show that a broker keeps them; the tests on brokers check that.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from schemas.failures import HEADER_PREFIX, FailureReason
from schemas.failures import FailureHeader as Header
from shared.deadletters.envelope import COUNT_MAX, DeadLetter, parse_position, read_dead_letter, write_dead_letter
from shared.deadletters.replay_message import replay_message
from shared.errors import Rejected
from shared.records import Headers, Message, Record
from tests.support.letters import BY, NOON, record_of

YEARS = (datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001  (the zone is drawn)
COUNT = st.integers(0, 10**9 - 2)
HEADER = st.tuples(st.text(max_size=20) | st.sampled_from(list(Header)), st.none() | st.binary(max_size=30))
RECORD = st.builds(
    Record,
    topic=st.sampled_from(["tickets", "tickets.redo"]),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**41),
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(HEADER, max_size=6).map(tuple),
    topic_id=st.none() | st.text(max_size=22),
    unreadable=st.sampled_from([None, "headers"]),
)
TEXT = st.text(max_size=20)
FAILURE = st.builds(Rejected, st.sampled_from(FailureReason), TEXT, TEXT, TEXT)
ZONE = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class Earlier(NamedTuple):
    """The earlier failures that the headers of a redo record state."""

    attempts: int
    replays: int
    first_failed_at: datetime

    def headers(self) -> Headers:
        """Return the headers as a dead letter has them."""
        texts = {
            Header.ATTEMPTS: str(self.attempts),
            Header.REPLAYS: str(self.replays),
            Header.FIRST_FAILED_AT: self.first_failed_at.isoformat(),
        }
        return tuple((name.value, text.encode()) for name, text in texts.items())


COUNTED = st.integers(0, COUNT_MAX)
EARLIER = st.builds(Earlier, COUNTED, COUNTED, st.datetimes(*YEARS, timezones=ZONE))


def own(headers: Headers) -> list[tuple[str, bytes | None]]:
    return [each for each in headers if not each[0].startswith(HEADER_PREFIX)]


def forms(letter: Message) -> Iterator[Message]:
    """Yield a dead letter and then the smaller messages that are sent if the queue refuses it."""
    sent: Message | None = letter
    while sent is not None:
        yield sent
        sent = sent.instead


def read(sent: Message) -> DeadLetter:
    found = read_dead_letter(record_of(sent))
    assert isinstance(found, DeadLetter)
    return found


@given(RECORD, FAILURE, st.none() | EARLIER)
def test_a_dead_letter_is_read_back_as_it_was_written(
    record: Record, failure: Rejected, earlier: Earlier | None
) -> None:
    if earlier:
        record = replace(record, topic="tickets.redo", headers=record.headers + earlier.headers())
    else:
        record = replace(record, topic="tickets")  # a topic in which no header about earlier failures is trusted
    for sent in forms(write_dead_letter(record, failure, BY, NOON)):
        found = read(sent)
        assert (found.origin, found.topic_id) == ((record.topic, record.partition, record.offset), record.topic_id)
        assert (found.reason, found.field, found.detail, found.stage) == (
            failure.reason,
            failure.field,
            failure.detail,
            failure.stage,
        )
        assert found.attempts == (min(earlier.attempts + 1, COUNT_MAX) if earlier else 1)
        assert found.replays == (earlier.replays if earlier else 0)
        assert (found.first_failed_at, found.last_failed_at) == (earlier.first_failed_at if earlier else NOON, NOON)
        assert parse_position(str(found.origin)) == found.origin


@given(RECORD, FAILURE)
def test_the_whole_dead_letter_holds_the_record_and_the_smaller_ones_state_that_they_are_cut(
    record: Record, failure: Rejected
) -> None:
    whole, cut, bare = (read(sent) for sent in forms(write_dead_letter(record, failure, BY, NOON)))
    assert [whole.is_cut, cut.is_cut, bare.is_cut] == [False, True, True]
    assert (whole.record.key, whole.record.value) == (record.key, record.value)
    assert (cut.record.key, cut.record.value) == (record.key, record.value or b"")
    assert (bare.record.key, bare.record.value) == (record.key, None)
    assert own(whole.record.headers) == own(cut.record.headers) == own(record.headers)
    assert own(bare.record.headers) == []


@given(RECORD, FAILURE)
def test_of_a_record_that_cannot_be_decompressed_only_the_envelope_is_read_back(
    record: Record, failure: Rejected
) -> None:
    sent = write_dead_letter(replace(record, key=None, value=None, headers=(), unreadable="value"), failure, BY, NOON)
    found = read(sent)
    assert (sent.instead, found.is_cut, found.reason) == (None, True, failure.reason)
    assert found.origin == (record.topic, record.partition, record.offset)


@given(RECORD, st.lists(FAILURE, min_size=1, max_size=5))
def test_after_any_failures_and_replays_the_record_is_unchanged_and_the_count_is_right(
    record: Record, failures: list[Rejected]
) -> None:
    counts, last = [], record
    for failure in failures:
        letter = read(write_dead_letter(last, failure, BY, NOON))
        counts.append(letter.replays)
        last = record_of(replay_message(letter, "tickets", max_replays=10**9))
        assert (last.topic, last.key, last.value) == ("tickets.redo", record.key, record.value)
        assert own(last.headers) == own(record.headers)
        ours = [name for name, _ in last.headers if name.startswith(HEADER_PREFIX)]
        assert len(ours) == len(set(ours))
        assert {*ours, Header.ORIGIN_TOPIC_ID} == set(Header)
    assert counts == list(range(counts[0], counts[0] + len(counts))) or counts[0] >= 10**9 - 6


@given(RECORD, FAILURE, COUNT, st.integers(0, 10))
def test_a_dead_letter_is_quarantined_only_above_the_ceiling(
    record: Record, failure: Rejected, replays: int, ceiling: int
) -> None:
    before = write_dead_letter(record, failure, BY, NOON)
    headers = tuple((n, str(replays).encode() if n == Header.REPLAYS else v) for n, v in before.headers)
    letter = read(Message(before.topic, before.key, before.value, headers))
    sent = replay_message(letter, "tickets", ceiling)
    assert sent.topic == ("tickets.quarantine" if replays >= ceiling else "tickets.redo")
    assert read(sent).replays == replays + (replays < ceiling)


@given(st.lists(HEADER, max_size=12).map(tuple), st.none() | st.binary(max_size=20))
def test_any_headers_are_read_without_an_error(headers: tuple[tuple[str, bytes], ...], key: bytes | None) -> None:
    found = read_dead_letter(record_of(Message("tickets.dlq", key, b"", headers)))
    assert found.position.topic == "tickets.dlq"
    if isinstance(found, DeadLetter):
        assert found.tenant is None or b":" in (key or b"")
