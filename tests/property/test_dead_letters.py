"""Whatever a record holds, its bytes, its key and its source's own headers survive any number of failures and replays.

Green does not show that a broker keeps them; the tests on brokers are for that.
"""

from hypothesis import given
from hypothesis import strategies as st

from schemas.failures import HEADER_PREFIX, FailureReason
from schemas.failures import FailureHeader as Header
from shared.deadletters.letter import DeadLetter, parse_place, read_letter
from shared.deadletters.resend import resend
from shared.errors import Rejected
from shared.records import Headers, Message, Record
from tests.letters import ENVELOPES, NOON, stood

COUNT = st.integers(0, 10**9 - 2)
HEADER = st.tuples(st.text(max_size=20) | st.sampled_from(list(Header)), st.binary(max_size=30))
RECORD = st.builds(
    Record,
    topic=st.sampled_from(["tickets", "tickets.redo"]),
    partition=st.integers(0, 11),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(-1, 2**41),
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(HEADER, max_size=6).map(tuple),
)
FAILURE = st.builds(Rejected, st.sampled_from(FailureReason), st.text(max_size=20), st.text(max_size=20))


def own(headers: Headers) -> list[tuple[str, bytes | None]]:
    return [each for each in headers if not each[0].startswith(HEADER_PREFIX)]


def read(sent: Message) -> DeadLetter:
    found = read_letter(stood(sent))
    assert isinstance(found, DeadLetter)
    return found


@given(RECORD, FAILURE)
def test_a_dead_letter_is_read_back_as_it_was_written(record: Record, failure: Rejected) -> None:
    found = read(ENVELOPES.dead_letter(record, failure, NOON))
    assert found.origin == (record.topic, record.partition, record.offset)
    assert (found.reason, found.field, found.detail) == (failure.reason, failure.field, failure.detail)
    assert (found.record.key, found.record.value) == (record.key, record.value)
    assert parse_place(str(found.origin)) == found.origin


@given(RECORD, st.lists(FAILURE, min_size=1, max_size=5))
def test_failing_and_replayed_again_and_again_the_record_stays_and_the_count_rises(
    record: Record, failures: list[Rejected]
) -> None:
    counts, last = [], record
    for failure in failures:
        letter = read(ENVELOPES.dead_letter(last, failure, NOON))
        counts.append(letter.replays)
        last = stood(resend(letter, "tickets", max_replays=10**9))
        assert (last.topic, last.key, last.value) == ("tickets.redo", record.key, record.value)
        assert own(last.headers) == own(record.headers)
        assert len([name for name, _ in last.headers if name.startswith(HEADER_PREFIX)]) == len(
            set(Header) - {Header.ORIGIN_TOPIC_ID}
        )
    assert counts == list(range(counts[0], counts[0] + len(counts))) or counts[0] >= 10**9 - 6


@given(RECORD, FAILURE, COUNT, st.integers(0, 10))
def test_past_the_ceiling_and_only_then_it_is_quarantined(
    record: Record, failure: Rejected, replays: int, ceiling: int
) -> None:
    before = ENVELOPES.dead_letter(record, failure, NOON)
    headers = tuple((n, str(replays).encode() if n == Header.REPLAYS else v) for n, v in before.headers)
    letter = read(Message(before.topic, before.key, before.value, headers))
    sent = resend(letter, "tickets", ceiling)
    assert sent.topic == ("tickets.quarantine" if replays >= ceiling else "tickets.redo")
    assert read(sent).replays == replays + (replays < ceiling)


@given(st.lists(HEADER, max_size=12).map(tuple), st.none() | st.binary(max_size=20))
def test_any_headers_are_read_without_an_error(headers: tuple[tuple[str, bytes], ...], key: bytes | None) -> None:
    found = read_letter(stood(Message("tickets.dlq", key, b"", headers)))
    assert found.place.topic == "tickets.dlq"
    if isinstance(found, DeadLetter):
        assert found.tenant is None or b":" in (key or b"")
