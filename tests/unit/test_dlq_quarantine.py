"""Replaying the quarantine, and records that have several dead letters, over topics in memory.

A green run does not prove that a worker accepts the replayed records; `tests/faults/test_dlq_on_kafka.py` runs one.
"""

from typing import Any

import pytest

from schemas.failures import FailureHeader as Header
from schemas.failures import FailureReason
from shared.deadletters.duplicates import SeenRecords
from shared.deadletters.envelope import DeadLetter, read_dead_letter, write_dead_letter
from shared.deadletters.replay import Plan, Replay, Replayed, Span, dead_letter_topic, find_dead_letters, replay_group
from shared.deadletters.selection import Criteria, Selection
from shared.errors import Fatal, Rejected
from shared.records import Message, RecordPosition, TopicPartition
from tests.support.letters import BY, NOON, dead_letter, message, record_of
from tests.unit.test_dlq import DLQ, ONE, ZERO, World

QUARANTINE = "tickets.quarantine"
FAILURE = Rejected(FailureReason.MODEL_FAILED, "body", "found x", "embed")


def quarantined(number: int, replays: int = 3, **changes: Any) -> Message:
    """Return a dead letter as a replay wrote it to the quarantine."""
    sent = dead_letter(number, headers=((Header.REPLAYS.value, str(replays).encode()),), **changes).record
    return Message(QUARANTINE, sent.key, sent.value, sent.headers)


def fail_again(world: World, seen: int) -> int:
    """Let a worker fail on the records sent to redo since `seen`; return the number of records sent so far."""
    for offset, sent in enumerate(world.sink.delivered[seen:], seen):
        if sent.topic == "tickets.redo":
            world.queue.put(write_dead_letter(record_of(sent, offset), FAILURE, BY, NOON))
    return len(world.sink.delivered)


def replays_in_redo(world: World) -> list[int]:
    found = [read_dead_letter(record_of(sent)) for sent in world.sink.delivered if sent.topic == "tickets.redo"]
    return [each.replays for each in found if isinstance(each, DeadLetter)]


def test_a_ticket_that_always_fails_is_sent_once_per_run_however_many_dead_letters_it_has() -> None:
    world, seen = World(1), 0
    for _ in range(4):
        world.replay()
        seen = fail_again(world, seen)
    assert [len(held) for held in world.queue.partitions.values()] == [4, 0]
    for letters in (4, 5, 6):
        assert world.replay(restart=True, max_replays=9) == Replayed(replayed=1, repeated=letters - 1)
        seen = fail_again(world, seen)
    world.group.clear()
    assert world.replay() == Replayed(replayed=1, repeated=6), (
        "the result is the same after Kafka has dropped the group"
    )


def test_the_quarantine_is_read_and_the_replay_count_starts_at_1_whatever_it_was() -> None:
    world = World(topic=QUARANTINE)
    for number, replays in enumerate((0, 3, 9, 10**9 - 1)):
        world.queue.put(quarantined(number, replays), number % 2)
    assert world.replay(quarantine=True) == Replayed(replayed=4)
    assert (world.sent(), world.sent(QUARANTINE)) == ([0, 1, 2, 3], [])
    assert replays_in_redo(world) == [1] * 4
    assert world.group == {TopicPartition(QUARANTINE, 0): 2, TopicPartition(QUARANTINE, 1): 2}
    assert world.replay(quarantine=True) == Replayed()


def test_a_record_from_the_quarantine_that_fails_again_is_replayed_as_often_as_before_it_returns() -> None:
    world, seen = World(topic=QUARANTINE), 0
    world.queue.put(quarantined(7))
    world.replay(quarantine=True)
    queue = World()
    queue.sink.delivered.extend(world.sink.delivered)
    outcomes = []
    for _ in range(3):
        seen = fail_again(queue, seen)
        outcomes.append(queue.replay(max_replays=3))
    assert outcomes == [Replayed(replayed=1), Replayed(replayed=1), Replayed(quarantined=1)]


def test_bytes_key_and_the_rest_of_the_envelope_stay_the_same() -> None:
    world = World(topic=QUARANTINE)
    world.queue.put(quarantined(7, value=b"\x00\xff"))
    world.replay(quarantine=True)
    [before], [after] = world.queue.partitions[TopicPartition(QUARANTINE, 0)], world.sink.delivered
    assert (after.key, after.value) == (before.key, before.value)
    kept = [each for each in before.headers if each[0] != Header.REPLAYS]
    assert sorted(after.headers) == sorted([*kept, (Header.REPLAYS.value, b"1")])


def test_each_record_is_sent_once_however_many_dead_letters_it_has() -> None:
    world = World(topic=QUARANTINE)
    for sent in (quarantined(7), quarantined(8), quarantined(7, replays=5), quarantined(7, value=b"other")):
        world.queue.put(sent)
    assert world.replay(quarantine=True, dry_run=True) == Replayed(replayed=3, repeated=1)
    assert world.replay(quarantine=True) == Replayed(replayed=3, repeated=1)


def test_a_dead_letter_that_is_not_selected_does_not_suppress_another_of_the_same_record() -> None:
    world = World()
    for reason in (FailureReason.TOO_DEEP, FailureReason.MODEL_FAILED):
        world.queue.put(message(7, reason))
    assert world.replay(Criteria(reasons=("model_failed",))) == Replayed(replayed=1, skipped=1)


def test_each_topic_has_its_own_group_for_the_same_criteria() -> None:
    selection = Selection(Criteria(), NOON)
    groups = [replay_group("tickets", selection, quarantine) for quarantine in (False, True)]
    assert groups[0].replace("-dlq-", "-quarantine-") == groups[1] != groups[0]
    assert [dead_letter_topic("tickets", quarantine) for quarantine in (False, True)] == [DLQ, QUARANTINE]


def test_a_replay_knows_which_partitions_have_a_committed_position() -> None:
    world, plan = World(3), Plan("tickets", Selection(Criteria(), NOON))
    replaying = Replay(world.reader, world.sink, world, world.clock)
    assert replaying.begin(plan, False) == {ZERO: Span(0, 2, False), ONE: Span(0, 1, False)}
    world.group[ZERO] = 1
    assert replaying.begin(plan, False) == {ZERO: Span(1, 2, True), ONE: Span(0, 1, False)}


def test_a_dead_letter_of_the_quarantine_is_found_by_its_position_and_by_its_origin() -> None:
    world = World(topic=QUARANTINE)
    world.queue.put(quarantined(5))
    [by_place] = find_dead_letters(world.reader, "tickets", RecordPosition(QUARANTINE, 0, 0))
    [by_origin] = find_dead_letters(world.reader, "tickets", RecordPosition("tickets.redo", 0, 5), quarantine=True)
    assert by_place == by_origin
    with pytest.raises(Fatal, match="no dead letter is at tickets/0@6"):
        find_dead_letters(world.reader, "tickets", RecordPosition("tickets", 0, 6), quarantine=True)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((b"k", b"v"), (b"k", None)),
        ((None, b"v"), (b"", b"v")),
        ((b"1:", b"v"), (b"", b"1:v")),
        ((b"a", b"b"), (b"b", b"a")),
    ],
)
def test_a_record_is_identified_by_its_key_and_its_bytes(
    first: tuple[bytes | None, bytes | None], second: tuple[bytes | None, bytes | None]
) -> None:
    met = SeenRecords()
    reported = [
        met.meet(dead_letter(number, key=key, value=value))
        for number, (key, value) in enumerate((first, second, first))
    ]
    assert reported == [False, False, True]


def test_the_number_of_remembered_records_is_bounded() -> None:
    met = SeenRecords(most=2)
    reported = [met.meet(dead_letter(number)) for number in (1, 2, 1, 3, 2, 1)]
    assert reported == [False, False, True, False, True, False], "the oldest is forgotten first"
