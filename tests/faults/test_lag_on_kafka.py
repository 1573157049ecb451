"""Lag and age on a real Kafka: the test keeps the truth itself, and compares age (within 2 s) and state in each phase.

Green does not show several brokers, a partition without a leader (`tests/unit/test_lag_meter.py` has a stand-in), nor
retention that runs by itself: records are deleted by request, which is the same for a reader.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka import admin as kafka_admin

from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.errors import Unavailable
from shared.lag.states import PartitionLag, State
from shared.records import TopicPartition as Place
from tests.support.kafka.config import SHORT_SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.lag_looks import LOOK_EVERY_S, STUCK_AFTER_S, TOLERANCE_S, Looks, aged
from tests.support.lag_truth import TIMEOUT_S, Truth, member_of, now_ms
from tests.support.services import missing
from tests.support.tickets import event
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

library: Any = kafka_admin  # its type stubs leave out `ConfigResource`

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaServer]:
    """Yield a broker with short sessions for this module."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer(session_timeout_s=SHORT_SESSION_TIMEOUT_S) as server:
        yield server


@pytest.fixture(scope="module")
def truth(kafka: KafkaServer) -> Truth:
    """Return what produces and remembers."""
    return Truth(kafka.bootstrap)


def tickets_from(first: int) -> Callable[[int], tuple[bytes, bytes]]:
    """Return what makes keys and valid events, numbered from `first` on."""

    def content(at: int) -> tuple[bytes, bytes]:
        name = f"T-{first + at}"
        return f"acme:{name}".encode(), json.dumps(event(ticket_id=name, event_id=f"e-{first + at}")).encode()

    return content


def test_a_worker_that_is_slower_than_its_producer_then_killed_then_back(
    kafka: KafkaServer, truth: Truth, tmp_path: Path
) -> None:
    """A real worker; it catches up when nothing more comes."""
    create_topics(kafka.bootstrap, TICKETS.topics(1), 1)
    plan = Plan(kafka.bootstrap, str(tmp_path / "store"), max_records=2, slow_s=0.4)
    reader, sent = TopicReader(kafka.bootstrap, plan.group), 0

    def committed() -> int:
        return reader.committed(["tickets"]).get(Place("tickets", 0), 0)

    def is_right(found: PartitionLag, earlier_s: float) -> bool:
        later_s = truth.age_s("tickets", committed())
        return later_s - TOLERANCE_S <= found.age_s(now_ms()) <= earlier_s + TOLERANCE_S

    with closing(Looks(kafka.bootstrap, plan.group, "tickets", is_ours=True, stuck_after_s=TIMEOUT_S)) as looks:
        with worker_process(plan) as worker:
            wait_until(lambda: looks.topics() == {"tickets"}, TIMEOUT_S, "the group")
            behind, began_s = 0, time.monotonic()
            while behind < 3:
                truth.produce("tickets", 40, content=tickets_from(sent))
                sent += 40
                earlier_s = truth.age_s("tickets", committed())
                found = looks.one()
                assert found.state in (State.BEHIND, State.CAUGHT_UP)
                assert is_right(found, earlier_s), (found, earlier_s)
                assert looks.report.topics[0].members == 1
                behind += found.state is State.BEHIND and found.age_s(now_ms()) > TOLERANCE_S / 2
                assert time.monotonic() - began_s < TIMEOUT_S
            worker.send_signal(signal.SIGKILL)
        dead = looks.until(lambda each: each.state is State.STALLED, "stalled")
        assert looks.report.topics[0].members == 0
        assert 0 < dead.records == sent - committed()
        assert aged(dead, truth.age_s("tickets", committed()))
        time.sleep(1)
        assert aged(looks.one(), truth.age_s("tickets", committed())), "the age grows although nothing happens"
        with worker_process(Plan(kafka.bootstrap, plan.store)):
            looks.until(lambda each: each.state is State.CAUGHT_UP, "caught up")
            assert (committed(), looks.one().age_s(now_ms())) == (sent, 0.0)
    results = sum(1 for _ in TopicReader(kafka.bootstrap).read("tickets.routed"))
    with closing(Looks(kafka.bootstrap, "reader-of-results", "tickets.routed")) as looks:
        truth.commit("reader-of-results", "tickets.routed", 1)
        assert looks.one().state is State.STALLED
        assert looks.one().records == results - 1 >= sent - 1


def test_a_quiet_topic_is_caught_up_and_a_member_that_does_not_commit_is_stuck(truth: Truth) -> None:
    topic = truth.topic("quiet")
    truth.produce(topic, 10, now_ms() - HOUR_MS)
    with (
        member_of(truth, "quiet-group", topic) as member,
        closing(Looks(truth.bootstrap, "quiet-group", topic)) as looks,
    ):
        member.commit(topic, 10)
        until_s = time.monotonic() + 2 * STUCK_AFTER_S
        while time.monotonic() < until_s:
            quiet = looks.one()
            assert (quiet.state, quiet.age_s(now_ms()), quiet.records) == (State.CAUGHT_UP, 0.0, 0)
            time.sleep(LOOK_EVERY_S)
        truth.produce(topic, 3)
        began_s = time.monotonic()
        assert looks.one().state is State.BEHIND, "it has not been seen for long enough"
        stuck = looks.until(lambda each: each.state is not State.BEHIND, "stuck")
        assert stuck.state is State.STUCK
        assert time.monotonic() - began_s >= STUCK_AFTER_S
        assert aged(stuck, truth.age_s(topic, 10))
        assert looks.topic().members == 1
        member.commit(topic, 12)
        assert looks.one().state is State.BEHIND, "it moves"
        member.commit(topic, 13)
        assert looks.one().state is State.CAUGHT_UP


def test_a_burst_after_a_quiet_hour_is_as_old_as_its_first_unread_record(truth: Truth) -> None:
    topic = truth.topic("burst")
    truth.produce(topic, 5, now_ms() - 3 * HOUR_MS)
    truth.commit("burst-group", topic, 5)
    truth.produce(topic, 1, now_ms() - HOUR_MS)
    truth.produce(topic, 2_000)
    with closing(Looks(truth.bootstrap, "burst-group", topic)) as looks:
        found = looks.one()
        assert (found.state, found.records) == (State.STALLED, 2_001)
        assert aged(found, truth.age_s(topic, 5))
        assert found.age_s(now_ms()) > 3_590
        truth.commit("burst-group", topic, 6)
        assert aged(looks.one(), truth.age_s(topic, 6))
        truth.produce(topic, 1, now_ms() + HOUR_MS)
        truth.commit("burst-group", topic, 2_006)
        assert looks.one().age_s(now_ms()) == 0.0, "a time in the future"
        assert looks.report.topics[0].records == 1


def test_retention_that_overtakes_a_group(truth: Truth) -> None:
    topic = truth.topic("overtaken", retention_ms=str(2 * HOUR_MS))
    for at in range(10):
        truth.produce(topic, 10, now_ms() - HOUR_MS + at * 60_000)
    truth.commit("late", topic, 20)
    with closing(Looks(truth.bootstrap, "late", topic)) as looks:
        before = looks.one()
        assert aged(before, truth.age_s(topic, 20))
        assert before.expiry_s(now_ms()) == pytest.approx(7_200 - truth.age_s(topic, 20), abs=TOLERANCE_S)
        truth.admin.delete_records([TopicPartition(topic, 0, 55)])[TopicPartition(topic, 0)].result(TIMEOUT_S)
        lost = looks.one()
        assert (lost.state, lost.lost, lost.records) == (State.EXPIRED, 35, 45)
        assert aged(lost, truth.age_s(topic, 55)), "the age is clamped to the log's start"
        truth.commit("late", topic, 60)
        assert looks.one().lost == 0
        truth.admin.delete_records([TopicPartition(topic, 0, 100)])[TopicPartition(topic, 0)].result(TIMEOUT_S)
        emptied = looks.one()
        assert (emptied.state, emptied.lost, emptied.records, emptied.age_s(now_ms())) == (State.EXPIRED, 40, 0, 0.0)


def test_transactions_that_abort_commit_and_stay_open(truth: Truth) -> None:
    topic = truth.topic("transactions")
    producer = Producer({"bootstrap.servers": truth.bootstrap, "transactional.id": "t", "log_level": 0})
    producer.init_transactions(TIMEOUT_S)

    def write(at_ms: int) -> None:
        producer.begin_transaction()
        for _ in range(10):
            producer.produce(topic, b"{}", partition=0, timestamp=at_ms)
        assert producer.flush(TIMEOUT_S) == 0

    write(now_ms() - HOUR_MS)
    producer.abort_transaction(TIMEOUT_S)  # offsets 0 to 9, and the marker 10
    truth.commit("reader", topic, 0)
    with closing(Looks(truth.bootstrap, "reader", topic)) as looks:
        aborted = looks.one()
        assert (aborted.state, aborted.records, aborted.age_s(now_ms())) == (State.CAUGHT_UP, 0, 0.0)
        truth.admin.delete_records([TopicPartition(topic, 0, 11)])[TopicPartition(topic, 0)].result(TIMEOUT_S)
        assert looks.one().state is State.CAUGHT_UP, "what was seen to hold no record is no loss"
        at_ms = now_ms() - 60_000
        write(at_ms)  # offsets 11 to 20
        held = looks.one()
        assert (held.state, held.records, held.held_back) == (State.CAUGHT_UP, 0, 10)
        producer.commit_transaction(TIMEOUT_S)  # the marker 21
        found = looks.until(lambda each: each.records > 0, "the committed records")
        assert (found.state, found.records, found.is_counted, found.held_back) == (State.STALLED, 10, True, 0)
        assert aged(found, 60.0)
        truth.commit("reader", topic, 21)
        assert (looks.one().state, looks.one().records) == (State.CAUGHT_UP, 0), "only a marker is left"
    truth.admin.delete_records([TopicPartition(topic, 0, 22)])[TopicPartition(topic, 0)].result(TIMEOUT_S)
    with closing(Looks(truth.bootstrap, "reader", topic)) as looks:  # without a memory
        assert (looks.one().state, looks.one().lost) == (State.CAUGHT_UP, 0), "the marker is no loss"


def test_gaps_of_a_compacted_topic_do_not_count(truth: Truth) -> None:
    setting = library.AlterConfigOpType.SET
    backoff = library.ConfigEntry("log.cleaner.backoff.ms", "100", incremental_operation=setting)
    broker = library.ConfigResource(library.ResourceType.BROKER, "1", incremental_configs=[backoff])
    truth.admin.incremental_alter_configs([broker])[broker].result(TIMEOUT_S)
    topic = truth.topic(
        "compacted",
        cleanup_policy="compact",
        segment_ms="50",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="1",
    )
    truth.produce(topic, 50, now_ms() - HOUR_MS)
    time.sleep(0.2)
    at_ms = now_ms() - 600_000
    truth.produce(topic, 1, at_ms)
    time.sleep(0.2)
    truth.produce(topic, 1, content=lambda _: (b"other", b"{}"))
    truth.commit("compacting", topic, 10)
    end_s = time.monotonic() + TIMEOUT_S
    while True:
        with closing(Looks(truth.bootstrap, "compacting", topic)) as looks:  # each time without a memory
            found = looks.one()
        if found.records == 2:
            break
        assert time.monotonic() < end_s, found
        time.sleep(0.5)
    assert found.is_counted
    assert found.expiry_s(now_ms()) == float("inf")
    assert aged(found, (now_ms() - at_ms) / 1000)


def test_a_group_that_is_deleted_or_reads_a_topic_no_more_has_no_series(truth: Truth) -> None:
    first, second = truth.topic("first"), truth.topic("second")
    truth.produce(first, 3)
    with closing(Looks(truth.bootstrap, "leaver", "*")) as looks:
        with member_of(truth, "leaver", first) as member:
            member.commit(first, 1)
            looks.topic()
            assert looks.names() >= {"leaver", first}
        with member_of(truth, "leaver", second) as member:
            member.commit(second, 0)
            end_s = time.monotonic() + TIMEOUT_S
            while looks.topics() != {second}:
                assert time.monotonic() < end_s
                time.sleep(LOOK_EVERY_S)
            assert first not in looks.names()
            assert [each.topic for each in looks.report.left] == [first]
        truth.admin.delete_consumer_groups(["leaver"])["leaver"].result(TIMEOUT_S)
        assert looks.topics() == set()
        assert looks.names() == set()
        assert {each.group for each in looks.report.left} == {"leaver"}


def test_a_foreign_group_without_a_commit_is_unknown_and_ours_starts_at_the_beginning(truth: Truth) -> None:
    topic = truth.topic("uncommitted", 3)
    truth.produce(topic, 4, now_ms() - HOUR_MS, partition=0)
    truth.produce(topic, 4, partition=1)
    truth.commit("foreign", topic, 1, partition=1)
    with closing(Looks(truth.bootstrap, "foreign", topic)) as looks:
        states = [each.state for each in looks.topic().partitions]
    assert states == [State.UNKNOWN, State.STALLED, State.CAUGHT_UP]
    with closing(Looks(truth.bootstrap, "foreign", topic, is_ours=True)) as looks:
        found = looks.topic()
    assert [each.records for each in found.partitions] == [4, 3, 0]
    assert aged(found.partitions[0], truth.age_s(topic, 0))


def test_groups_at_different_places_of_one_partition(truth: Truth) -> None:
    topic = truth.topic("shared")
    for minute in range(60, 0, -1):
        truth.produce(topic, 1, now_ms() - 60_000 * minute)
    places = {"shared-a": 0, "shared-b": 20, "shared-c": 59, "shared-d": 60}
    for group, offset in places.items():
        truth.commit(group, topic, offset)
    with closing(Looks(truth.bootstrap, "shared-*", topic)) as looks:
        assert looks.topics() == {topic}
        for lag in looks.report.topics:
            [found] = lag.partitions
            assert (found.records, found.is_counted) == (60 - places[lag.group], True)
            assert aged(found, truth.age_s(topic, places[lag.group]))


def test_a_thousand_partitions_take_little_time(truth: Truth) -> None:
    topic = truth.topic("wide", 1_000)
    truth.commit("wide-group", topic, 0, partition=7)
    truth.produce(topic, 1, now_ms() - HOUR_MS, partition=7)
    with closing(Looks(truth.bootstrap, "wide-group", topic)) as looks:
        found = looks.topic()
        assert aged(found.partitions[7], truth.age_s(topic, 0, 7))
        assert len(found.partitions) == 1_000

        looks.topic()

        assert looks.report.took_s < 5


def test_after_a_restart_of_the_broker_it_measures_again(own_kafka: KafkaServer) -> None:
    """A client that was connected before never reaches the group's coordinator again: it must be replaced."""
    truth = Truth(own_kafka.bootstrap)
    topic = truth.topic("restarted")
    truth.produce(topic, 5, now_ms() - HOUR_MS)
    truth.commit("restarted-group", topic, 2)
    with closing(Looks(own_kafka.bootstrap, "restarted-group", topic, timeout_s=3)) as looks:
        assert looks.one().state is State.STALLED
        own_kafka.kill()
        with pytest.raises(Unavailable):
            looks.one()
        own_kafka.start()
        end_s = time.monotonic() + TIMEOUT_S
        while not looks.topics() or looks.report.topics[0].state is State.UNKNOWN:
            assert time.monotonic() < end_s
        assert looks.one().records == 3
        assert aged(looks.one(), truth.age_s(topic, 2))
