"""The retry lane without a broker: when a record is tried again, what its headers say, and that they do not grow.

Green does not show that a broker keeps the records, nor that the redrive sends each once
(`tests/faults/test_retry_on_kafka.py`).
"""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from schemas.failures import FailureReason, RetryHeader
from schemas.outcomes import Outcome
from shared.deadletters.envelope import DeadLetter, read_dead_letter, with_replays
from shared.errors import Deferred, Rejected
from shared.records import Deferral, Message, Provenance, Record, header_texts
from shared.retry.lane import JITTER, RetryLane, read_waiting, redo_message, write_waiting
from shared.stream_settings import RetrySettings
from tests.support.assembly import Assembly
from tests.support.fakes import ManualClock
from tests.support.streams import NOTE_KIND, WITH_MEDIA, Kind

URI = "https://media.example/1.png"
NOT_THERE = Deferred(FailureReason.MEDIA_NOT_FOUND, "attachment", "nothing is there")
HOST_DOWN = Deferred(FailureReason.MEDIA_HOST_DOWN, "attachment", "the host is down", attempted=False)
PROVENANCE = Provenance("notes", "30bde1f0")


def lane_of(clock: ManualClock | None = None, settings: RetrySettings | None = None) -> RetryLane:
    rng = Random(1)  # noqa: S311  (no secret)
    return RetryLane("notes", settings or RetrySettings(), clock or ManualClock(), rng)


def item(kind: Kind, version: int = 1, reason: str = "created", offset: int = 0) -> Record:
    event = kind.referring(URI, "T-1", version, reason)
    return replace(kind.record(event, offset), headers=(("trace", b"1"), ("millrace-retry-attempts", b"7")))


def note(offset: int = 0) -> Record:
    return item(NOTE_KIND, offset=offset)


def come_back(message: Message, offset: int, kind: Kind = NOTE_KIND) -> Record:
    """Return what the worker reads once the redrive has sent a waiting record to the redo topic."""
    waiting = Record(message.topic, 0, offset, 0, message.key, message.value, message.headers)
    sent = redo_message(waiting, kind.name)
    return Record(sent.topic, 0, offset, 0, sent.key, sent.value, sent.headers)


def tour(settings: RetrySettings, failure: Deferred) -> tuple[list[Deferral], Rejected]:
    """Let a record fail until it is dead-lettered; return its deferrals and the rejection."""
    clock = ManualClock()
    lane = lane_of(clock, settings)
    record, deferrals = note(), list[Deferral]()
    while True:
        found = lane.next_attempt(record, failure)
        if isinstance(found, Rejected):
            return deferrals, found
        deferrals.append(found)
        clock.seconds += found.due_at_ms / 1000 - clock.now().timestamp()
        record = come_back(write_waiting(record, found, PROVENANCE, clock.now()), len(deferrals))


def test_each_attempt_waits_longer_and_the_last_reason_ends_the_tour() -> None:
    settings = RetrySettings(tiers_s=(10, 120, 900), attempts_per_tier=2)
    clock = ManualClock()
    deferrals, end = tour(settings, NOT_THERE)
    assert [each.tier for each in deferrals] == [1, 1, 2, 2, 3, 3]
    assert [each.attempts for each in deferrals] == [1, 2, 3, 4, 5, 6]
    at_s = clock.now().timestamp()
    for deferral, least_s in zip(deferrals, (10, 20, 120, 240, 900, 1800), strict=True):
        wait_s = deferral.due_at_ms / 1000 - at_s
        assert least_s - 0.01 <= wait_s <= least_s * (1 + JITTER)
        at_s += wait_s
    assert end.reason is FailureReason.MEDIA_NOT_FOUND
    assert "7 attempts" in end.detail


def test_what_was_not_tried_spends_no_attempt_and_ends_by_its_age() -> None:
    settings = RetrySettings(tiers_s=(10, 120, 900), give_up_after_s=100)
    deferrals, end = tour(settings, HOST_DOWN)
    assert {(each.tier, each.attempts) for each in deferrals} == {(1, 0)}
    assert len(deferrals) >= 8, "it gave up too early"
    assert end.reason is FailureReason.MEDIA_HOST_DOWN


def test_what_takes_long_waits_in_a_higher_tier_and_spends_no_attempt() -> None:
    long = Deferred(FailureReason.MEDIA_SLOW, "attachment", "many wait", attempted=False, least_tier=2)
    settings = RetrySettings(tiers_s=(10, 100, 1_000), attempts_per_tier=2)
    clock = ManualClock()
    waits = lane_of(clock, settings).next_attempt(note(), long)
    assert isinstance(waits, Deferral)
    assert (waits.tier, waits.attempts) == (2, 0)
    assert 100 <= waits.due_at_ms / 1000 - clock.now().timestamp() <= 100 * (1 + JITTER)
    back = come_back(write_waiting(note(), waits, PROVENANCE, clock.now()), 1)
    tried = lane_of(clock, settings).next_attempt(back, NOT_THERE)
    assert isinstance(tried, Deferral)
    assert (tried.tier, tried.attempts) == (1, 1)


def test_a_record_that_could_not_be_tried_is_not_given_up_however_long_it_has_waited() -> None:
    begun = Deferred(FailureReason.MEDIA_SLOW, "attachment", "begun", attempted=False, expires=False)
    settings, clock = RetrySettings(give_up_after_s=100), ManualClock()
    lane = lane_of(clock, settings)
    waits = lane.next_attempt(note(), begun)
    assert isinstance(waits, Deferral)
    back = come_back(write_waiting(note(), waits, PROVENANCE, clock.now()), 1)
    clock.seconds += 1_000
    later = lane.next_attempt(back, begun)
    assert isinstance(later, Deferral)
    assert later.attempts == 0
    assert isinstance(lane.next_attempt(back, NOT_THERE), Rejected), "now it has been tried"


def test_the_headers_are_replaced_and_do_not_grow() -> None:
    lane = lane_of()
    record, sizes = note(offset=41), list[int]()
    for number in range(6):
        found = lane.next_attempt(record, NOT_THERE)
        assert isinstance(found, Deferral)
        message = write_waiting(record, found, PROVENANCE, ManualClock().now())
        names = [name for name, _ in message.headers]
        assert len(names) == len(set(names))
        sizes.append(sum(len(name) + len(value or b"") for name, value in message.headers))
        assert (message.key, message.value) == (record.key, record.value)
        assert header_texts(message.headers)[RetryHeader.INPUT] == "notes/0@41"
        assert message.headers[0] == ("trace", b"1"), "the source's own header is kept"
        record = come_back(message, number)
    assert max(sizes) - min(sizes) < 20


def test_a_source_cannot_write_the_count() -> None:
    found = lane_of().next_attempt(note(), NOT_THERE)
    assert isinstance(found, Deferral)
    assert found.attempts == 1


def test_a_replayed_dead_letter_starts_its_attempts_again() -> None:
    lane = lane_of()
    found = lane.next_attempt(note(), NOT_THERE)
    assert isinstance(found, Deferral)
    waiting = come_back(write_waiting(note(), found, PROVENANCE, ManualClock().now()), 1)
    letter = read_dead_letter(waiting)
    assert isinstance(letter, DeadLetter)
    assert not {name for name, _ in with_replays(letter, 1)} & set(RetryHeader)


@pytest.mark.parametrize("header", [RetryHeader.TIER, RetryHeader.DUE_AT_MS])
@pytest.mark.parametrize("value", [b"", b"-1", b"x", b"9" * 40, None])
def test_headers_of_another_program_are_not_read(header: RetryHeader, value: bytes | None) -> None:
    found = lane_of().next_attempt(note(), NOT_THERE)
    assert isinstance(found, Deferral)
    message = write_waiting(note(), found, PROVENANCE, ManualClock().now())
    headers = tuple((name, value if name == header else kept) for name, kept in message.headers)
    assert read_waiting(Record(message.topic, 0, 0, 0, message.key, message.value, headers)) is None


# --- in a worker ---

in_a_worker = pytest.mark.parametrize("kind", WITH_MEDIA, ids=lambda kind: kind.name)


@in_a_worker
def test_a_record_waits_until_its_medium_is_there(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    [first] = parts.settle(item(kind))
    assert first.outcome is Outcome.DEFERRED
    assert parts.collection.points == {}
    [message] = parts.delivered(kind.retries[0])
    parts.fetcher.contents[URI] = kind.medium()
    [second] = parts.settle(come_back(message, 3, kind))
    assert second.outcome is Outcome.ROUTED
    assert parts.collection.points[kind.point_id()].payload[kind.medium_digest] is not None


@in_a_worker
def test_a_record_whose_attempts_are_spent_becomes_a_dead_letter_with_the_last_reason(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream, retry=RetrySettings(attempts_per_tier=1))
    record = item(kind)
    for tier in (1, 2, 3):
        [settled] = parts.settle(record)
        assert settled.outcome is Outcome.DEFERRED
        [message] = parts.delivered(kind.retries[tier - 1])
        record = come_back(message, tier, kind)
    [settled] = parts.settle(record)
    assert settled.outcome is Outcome.DEAD_LETTERED
    [letter] = parts.delivered(kind.dlq)
    read = read_dead_letter(Record(letter.topic, 0, 0, 0, letter.key, letter.value, letter.headers))
    assert isinstance(read, DeadLetter)
    assert (read.reason, read.field, read.attempts) == ("media_not_found", kind.media_field, 4)
    assert letter.value == item(kind).value


@in_a_worker
def test_one_missing_medium_holds_up_no_other_record(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    other = kind.record(kind.event("T-2"), 1)
    assert [each.outcome for each in parts.settle(item(kind), other)] == [Outcome.DEFERRED, Outcome.ROUTED]


@in_a_worker
def test_what_is_forbidden_never_tours_the_tiers(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    parts.fetcher.failures[URI] = Rejected(FailureReason.MEDIA_FORBIDDEN, "medium", "not allowed", "fetch")
    [settled] = parts.settle(item(kind))
    assert settled.outcome is Outcome.DEAD_LETTERED
    assert not any(parts.delivered(topic) for topic in kind.retries)


@in_a_worker
def test_a_repeat_and_a_superseded_version_need_no_medium(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    parts.fetcher.contents[URI] = kind.medium()
    parts.settle(item(kind, version=2))
    parts.fetcher.contents.clear()
    settled = parts.settle(item(kind, version=2, offset=1), item(kind, version=1, offset=2))
    assert [each.outcome for each in settled] == [Outcome.ROUTED, Outcome.SUPERSEDED]


@in_a_worker
def test_a_deferred_version_does_not_keep_an_older_one_from_being_stored(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    older = kind.record(kind.event("T-1", 1), 0)
    assert [each.outcome for each in parts.settle(older, item(kind, version=2, reason="updated", offset=1))] == [
        Outcome.ROUTED,
        Outcome.DEFERRED,
    ]
    assert parts.collection.points[kind.point_id()].version == 1


@in_a_worker
def test_a_version_that_lost_while_it_waited_is_superseded(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    parts.settle(item(kind, version=1))
    [message] = parts.delivered(kind.retries[0])
    parts.settle(kind.record(kind.event("T-1", 2, "updated"), 1))
    [settled] = parts.settle(come_back(message, 0, kind))
    assert settled.outcome is Outcome.SUPERSEDED


def test_the_time_of_the_first_failure_is_kept() -> None:
    clock = ManualClock()
    lane = lane_of(clock)
    first = lane.next_attempt(note(), NOT_THERE)
    assert isinstance(first, Deferral)
    record = come_back(write_waiting(note(), first, PROVENANCE, clock.now()), 0)
    clock.seconds += 60
    second = lane.next_attempt(record, NOT_THERE)
    assert isinstance(second, Deferral)
    assert second.since == first.since == clock.now() - timedelta(seconds=60)
