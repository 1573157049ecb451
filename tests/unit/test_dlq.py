"""Listing and replaying over topics in memory: what is sent, what is committed and when, what is kept in memory.

A green run does not prove that a real reader returns every dead letter, nor that a killed process resumes: the tests on
brokers kill one.
"""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from schemas.failures import FailureReason
from shared.broker.delivery import ATTEMPTS
from shared.broker.port import Reader
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.deadletters.histogram import Histogram
from shared.deadletters.replay import (
    CHUNK_BYTES,
    CHUNK_DEAD_LETTERS,
    Plan,
    Replay,
    Replayed,
    find_dead_letters,
    newest,
    replay_group,
    selected_dead_letters,
)
from shared.deadletters.selection import Criteria, Selection
from shared.errors import Fatal, Unavailable
from shared.records import Message, Record, RecordPosition, TopicPartition, Watermarks
from tests.support.fakes import FakeSink, ManualClock
from tests.support.letters import NOON, message, record_of

DLQ = "tickets.dlq"
ZERO, ONE = TopicPartition(DLQ, 0), TopicPartition(DLQ, 1)
DEEP = FailureReason.TOO_DEEP


class MemoryQueue:
    """Partitions in memory, read as a `TopicReader` reads them; `read` counts the messages it returned."""

    def __init__(self, topic: str = DLQ) -> None:
        self.partitions: dict[TopicPartition, list[Record]] = {TopicPartition(topic, number): [] for number in (0, 1)}
        self.lows = dict.fromkeys(self.partitions, 0)
        self.handed_out = 0

    def put(self, sent: Message, partition: int = 0, minutes: float = 0) -> None:
        held = self.partitions[TopicPartition(sent.topic, partition)]
        held.append(record_of(sent, len(held), partition, minutes))

    def watermarks(self, topic: str) -> dict[TopicPartition, Watermarks]:
        return {where: Watermarks(self.lows[where], len(held)) for where, held in self.partitions.items()}

    def committed(self, topics: Sequence[str]) -> dict[TopicPartition, int]:
        return {}

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        return {}

    def read(self, topic: str, start: Mapping[TopicPartition, int] | None = None) -> Iterator[Record]:
        for where, held in self.partitions.items():
            assert where.topic == topic
            if start is None or where in start:
                for record in held[max(self.lows[where], (start or {}).get(where, 0)) :]:
                    self.handed_out += 1
                    yield record


class World:
    """A queue and the parts that a replay of it needs."""

    def __init__(self, count: int = 0, topic: str = DLQ) -> None:
        self.queue, self.sink, self.clock = MemoryQueue(topic), FakeSink(), ManualClock()
        self.group: dict[TopicPartition, int] = {}
        self.effects = self.sink.effects
        for number in range(count):
            self.queue.put(message(number), number % 2, minutes=number)

    def committed(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {where: self.group[where] for where in partitions if where in self.group}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.effects.append("commit")
        self.group |= offsets

    def close(self) -> None:
        pass

    @property
    def reader(self) -> Reader:
        return self.queue

    def replay(self, criteria: Criteria | None = None, restart: bool = False, **changes: object) -> Replayed:
        plan = Plan("tickets", Selection(criteria or Criteria(), NOON), **changes)  # type: ignore[arg-type]
        replaying = Replay(self.reader, self.sink, self, self.clock)
        return replaying.run(plan, replaying.begin(plan, restart), lambda records: None)

    def sent(self, topic: str = "tickets.redo") -> list[int]:
        found = [read_dead_letter(record_of(sent)) for sent in self.sink.delivered if sent.topic == topic]
        return sorted(letter.origin.offset for letter in found if isinstance(letter, DeadLetter))


def test_every_dead_letter_is_sent_once_and_the_next_run_sends_none() -> None:
    world = World(10)
    assert world.replay() == Replayed(replayed=10)
    assert world.sent() == list(range(10))
    assert world.replay() == Replayed()


def test_offsets_are_committed_chunk_by_chunk_after_the_records_are_confirmed() -> None:
    world = World(2 * CHUNK_DEAD_LETTERS + 1)
    world.replay()
    assert [effect.split()[0] for effect in world.effects] == ["produce", "flush", "commit"] * 3
    assert [len(effect.split()) - 1 for effect in world.effects[::3]] == [CHUNK_DEAD_LETTERS, CHUNK_DEAD_LETTERS, 1]
    assert world.group == {ZERO: CHUNK_DEAD_LETTERS + 1, ONE: CHUNK_DEAD_LETTERS}


def test_records_that_were_not_confirmed_are_not_committed_and_the_next_run_sends_them() -> None:
    world = World(3)
    world.sink.undelivered = ATTEMPTS
    with pytest.raises(Unavailable, match="run the same command again"):
        world.replay()
    assert world.group == {}
    assert world.replay() == Replayed(replayed=3)


def test_killed_between_confirmation_and_commit_it_repeats_one_chunk() -> None:
    world = World(2 * CHUNK_DEAD_LETTERS)
    whole = Replay(world.reader, world.sink, world, world.clock)
    plan = Plan("tickets", Selection(Criteria(), NOON))

    def die(records: int) -> None:
        world.group.clear()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole.run(plan, whole.begin(plan, False), die)
    world.replay()
    assert sorted(set(world.sent())) == list(range(2 * CHUNK_DEAD_LETTERS))
    assert len(world.sent()) == 3 * CHUNK_DEAD_LETTERS


def test_criteria_leave_other_dead_letters_to_other_criteria() -> None:
    world = World()
    for number in range(6):
        world.queue.put(message(number, DEEP if number % 2 else FailureReason.MODEL_FAILED))
    assert world.replay(Criteria(reasons=("too_deep",))) == Replayed(replayed=3, skipped=3)
    assert world.sent() == [1, 3, 5]
    names = {replay_group("tickets", Selection(Criteria(reasons=(r,)), NOON)) for r in ("too_deep", "model_failed")}
    assert len(names) == 2
    assert all(name.startswith("millrace-tickets-dlq-replay-") for name in names)


def test_dead_letters_newer_than_the_time_limit_are_not_skipped() -> None:
    world = World(10)  # even numbers in partition 0, odd ones in partition 1, one a minute
    assert world.replay(Criteria(until="2026-05-01T12:05:00Z")) == Replayed(replayed=5)
    assert world.group == {ZERO: 3, ONE: 2}
    assert world.replay(Criteria(until="2026-05-01T12:08:00Z")) == Replayed(replayed=3)
    assert world.sent() == list(range(8))


def test_reading_stops_once_every_partition_has_reached_dead_letters_that_are_too_new() -> None:
    world = World()
    for number in range(200):
        world.queue.put(message(number), minutes=number)
    assert world.replay(Criteria(until="2026-05-01T12:05:00Z")) == Replayed(replayed=5)
    assert world.queue.handed_out == 6


def test_dead_letters_that_arrived_after_the_start_are_left_to_the_next_run() -> None:
    world = World(4)
    plan = Plan("tickets", Selection(Criteria(), NOON))
    whole = Replay(world.reader, world.sink, world, world.clock)
    spans = whole.begin(plan, False)
    world.queue.put(message(99))
    assert whole.run(plan, spans, lambda records: None).replayed == 4
    assert world.replay() == Replayed(replayed=1)


def test_a_limit_stops_exactly_and_the_next_run_continues() -> None:
    world = World(10)
    assert world.replay(limit=3) == Replayed(replayed=3)
    assert world.replay(limit=3) == Replayed(replayed=3)
    assert world.replay() == Replayed(replayed=4)
    assert world.sent() == list(range(10))


def test_dead_letters_replayed_too_often_are_quarantined_and_counted() -> None:
    world = World()
    for replays in range(5):
        world.queue.put(message(replays, headers=(("millrace-replays", str(replays).encode()),)))
    assert world.replay(max_replays=2) == Replayed(replayed=2, quarantined=3)
    assert world.sent() == [0, 1]
    assert world.sent("tickets.quarantine") == [2, 3, 4]


def test_a_message_without_an_envelope_is_skipped_and_counted() -> None:
    world = World(1)
    world.queue.put(Message(DLQ, b"k", b"v"))
    assert world.replay() == Replayed(replayed=1, unreadable=1)
    assert world.group == {ZERO: 2}


def test_a_dry_run_counts_the_same_and_has_no_effect() -> None:
    world = World(10)
    assert world.replay(dry_run=True) == Replayed(replayed=10)
    assert world.replay(dry_run=True, restart=True, limit=4, rate_per_s=1.0) == Replayed(replayed=4)
    assert (world.effects, world.group, world.clock.waits) == ([], {}, [])


def test_a_restart_begins_with_the_oldest_and_is_committed_before_anything_is_sent() -> None:
    world = World(4)
    world.replay()
    world.effects.clear()
    assert world.replay(restart=True) == Replayed(replayed=4)
    assert [effect.split()[0] for effect in world.effects] == ["commit", "produce", "flush", "commit"]


def test_dead_letters_purged_during_the_replay_do_not_stop_it() -> None:
    world = World(10)
    world.replay(limit=2)
    world.queue.lows = {ZERO: 3, ONE: 5}
    assert world.replay() == Replayed(replayed=2)


@pytest.mark.parametrize(("rate", "chunk"), [(0.5, 1), (4.0, 4), (9_999.0, CHUNK_DEAD_LETTERS)])
def test_the_rate_limits_the_chunk_and_the_duration(rate: float, chunk: int) -> None:
    world = World(12)
    start_s = world.clock.monotonic_s()
    world.replay(rate_per_s=rate)
    assert world.clock.monotonic_s() - start_s == pytest.approx(12 / rate)
    assert len(world.effects[0].split()) - 1 == min(chunk, 12)


def test_chunks_are_limited_by_bytes_too() -> None:
    world = World()
    for number in range(20):
        world.queue.put(message(number, value=b"x" * (CHUNK_BYTES // 4)))
    world.replay()
    assert max(len(effect.split()) - 1 for effect in world.effects if effect.startswith("produce")) == 4


def test_no_more_than_one_chunk_is_read_ahead() -> None:
    world = World(4 * CHUNK_DEAD_LETTERS)
    seen: list[int] = []
    whole = Replay(world.reader, world.sink, world, world.clock)
    plan = Plan("tickets", Selection(Criteria(), NOON))
    whole.run(plan, whole.begin(plan, False), lambda records: seen.append(world.queue.handed_out))
    assert seen == [CHUNK_DEAD_LETTERS * times for times in (1, 2, 3, 4)]


def test_the_newest_are_kept_in_order_and_all_are_counted() -> None:
    world, histogram = World(50), Histogram()
    made: list[str] = []

    def render(letter: object) -> str:
        assert isinstance(letter, DeadLetter)
        made.append(str(letter.origin.offset))
        return made[-1]

    found = selected_dead_letters(world.reader, DLQ, Selection(Criteria(), NOON))
    assert newest(found, 3, histogram, render) == ["47", "48", "49"]
    assert histogram.count == 50


def test_fewer_dead_letters_than_requested_are_all_shown() -> None:
    found = selected_dead_letters(World(2).reader, DLQ, Selection(Criteria(), NOON))
    assert newest(found, 20, Histogram(), lambda letter: str(letter.position)) == ["tickets.dlq/0@0", "tickets.dlq/1@0"]


def test_dead_letters_are_yielded_one_by_one() -> None:
    world = World(50)
    found = selected_dead_letters(world.reader, DLQ, Selection(Criteria(tenants=("acme",)), NOON))
    next(found)
    assert world.queue.handed_out == 1


def test_a_dead_letter_is_found_by_its_position_and_by_its_origin() -> None:
    world = World(6)
    [by_place] = find_dead_letters(world.reader, "tickets", RecordPosition(DLQ, 1, 2))
    [by_origin] = find_dead_letters(world.reader, "tickets", RecordPosition("tickets", 0, 5))
    assert by_place == by_origin
    world.queue.put(message(5))
    assert len(find_dead_letters(world.reader, "tickets", RecordPosition("tickets", 0, 5))) == 2


@pytest.mark.parametrize(
    "place", [RecordPosition(DLQ, 1, 3), RecordPosition("tickets", 0, 6), RecordPosition("other", 0, 0)]
)
def test_a_dead_letter_that_does_not_exist_is_an_error(place: RecordPosition) -> None:
    with pytest.raises(Fatal, match=f"no dead letter is at {place}"):
        find_dead_letters(World(6).reader, "tickets", place)
