"""Members of one group share partitions and hand them over without a gap: embedded and Kafka, both protocols.

What it shows: records in hand are committed before a partition moves, within a deadline; the others are read again by
the next owner; no record read under an ended lease is held or committed. A green run does not prove anything about many
members, about a member that dies (the broker's session time decides then), or how long a partition stands still during
a hand-over on a busy cluster.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaPartition

from shared.broker.poller import Poller
from shared.broker.port import Source
from shared.broker.reader import TopicReader
from shared.broker.source import KafkaSource
from shared.clock import SystemClock
from shared.records import Record
from tests.support.brokers import (
    PARTITIONS,
    Broker,
    by_partition,
    messages,
    next_offsets,
    numbers,
    offsets,
    take,
    until,
    wait_until_blocked,
)

LEAVE_S = 5.0
"""The shortest session time of the brokers under test is 6 s; a partition that moves sooner was released by its member."""

pytestmark = pytest.mark.parametrize("broker", ["embedded", "kafka", "kafka-classic"], indirect=True)


def shared_by(*members: Source) -> bool:
    """Return whether the partitions are spread over all members."""
    return all(member.assigned for member in members) and sum(member.assigned for member in members) == PARTITIONS


def test_records_in_hand_are_committed_before_their_partition_moves(broker: Broker) -> None:
    topic = broker.filled(200)
    first = broker.join(topic)
    records = first.hold(take(first, 200))
    second = broker.join(topic)
    wait_until_blocked(first)
    assert second.assigned == 0
    assert first.commit(records) == 0
    until(lambda: shared_by(first, second), "partitions on both")
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)
    broker.produce(messages(topic, 200, first=200))
    ours, theirs = shares(first, second, 200)
    assert numbers(ours + theirs) == list(range(200, 400))
    assert not set(by_partition(ours)) & set(by_partition(theirs))
    for place, found in offsets(records + ours + theirs).items():
        assert found == list(range(len(found))), place


def test_records_read_ahead_of_a_partition_that_moved_are_not_held(broker: Broker) -> None:
    topic = broker.filled(200)
    first = broker.join(topic)
    records = take(first, 200)
    second = broker.join(topic)
    until(lambda: shared_by(first, second), "partitions on both")
    again = take(second, len(records) - len(first.hold(records)))
    kept = first.hold(records)
    assert set(by_partition(kept)) | set(by_partition(again)) == set(range(PARTITIONS))
    assert numbers(kept + again) == list(range(200))
    assert first.commit(kept) == 0
    assert second.commit(second.hold(again)) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)


def test_records_that_are_not_settled_in_time_are_lost_without_error_and_delivered_again(broker: Broker) -> None:
    topic = broker.filled(200)
    first = broker.join(topic, max_poll_interval_s=10)  # the deadline is therefore two seconds
    records = first.hold(take(first, 200))
    second = broker.join(topic)
    until(lambda: shared_by(first, second), "partitions on both")
    moved = take(second, len(records) - len(first.hold(records)))
    assert 0 < len(moved) < 200
    assert first.commit(records) == len(moved)
    committed = TopicReader(broker.bootstrap, topic).committed([topic])
    assert {place for place, offset in committed.items() if offset} == {r.topic_partition for r in first.hold(records)}
    assert second.commit(second.hold(moved)) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)


def test_a_paused_member_releases_its_partitions_at_once(broker: Broker) -> None:
    topic = broker.filled(100)
    first = broker.join(topic)
    records = first.hold(take(first, 100))
    first.pause()
    second = broker.join(topic)
    until(lambda: shared_by(first, second), "partitions on both")
    moved = take(second, len(records) - len(first.hold(records)))
    assert numbers(first.hold(records) + moved) == list(range(100))


def test_a_partition_that_is_assigned_again_has_a_new_lease(broker: Broker) -> None:
    topic = broker.filled(100)
    first = broker.join(topic)
    old = take(first, 100)
    second = broker.join(topic)
    until(lambda: shared_by(first, second), "partitions on both")
    stayed = first.hold(old)
    first.release()
    second.close()
    until(lambda: first.assigned == PARTITIONS, "all partitions back")
    assert first.hold(old) == stayed
    assert first.commit(old) == 100 - len(stayed)
    moved = take(first, 100 - len(stayed))
    assert numbers(stayed + moved) == list(range(100))
    assert first.commit(first.hold(moved)) == 0
    assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(old)


def test_a_closed_member_leaves_at_once(broker: Broker) -> None:
    topic = broker.filled(10)
    first, second = broker.join(topic), broker.join(topic)
    until(lambda: shared_by(first, second), "partitions on both")
    begun_s = time.monotonic()
    second.close()
    until(lambda: first.assigned == PARTITIONS, "all partitions on the one left", LEAVE_S)
    assert time.monotonic() - begun_s < LEAVE_S


def test_closing_does_not_wait_for_records_in_hand(broker: Broker) -> None:
    topic = broker.filled(10)
    source = broker.join(topic)
    records = source.hold(take(source, 10))
    begun_s = time.monotonic()
    source.close()
    assert time.monotonic() - begun_s < LEAVE_S
    assert source.hold(records) == []
    assert source.commit(records) == 10
    assert numbers(take(broker.join(topic), 10)) == list(range(10))


def test_a_commit_that_is_unconfirmed_when_its_partition_moves_is_no_outage(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confirmations arrive by polling, and no poll runs inside a rebalance callback."""
    topic, sent = broker.filled(100), threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr("shared.broker.source.Poller", partial(LateConfirmation, sent))
        source = KafkaSource(broker.bootstrap, [topic], topic, broker.settings(), SystemClock())
    try:
        records = source.hold(take(source, 100))
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(source.commit, records)
            assert sent.wait(30)
            second = broker.join(topic)
            assert lost.result(60) == 0
        until(lambda: shared_by(source, second), "partitions on both")
        assert TopicReader(broker.bootstrap, topic).committed([topic]) == next_offsets(records)
    finally:
        source.close()


class LateConfirmation(Poller):
    """Receives the confirmation of a commit only after the next rebalance callback, as if that one came first."""

    def __init__(self, sent: threading.Event, *args: Any) -> None:
        self._sent = sent
        self._late: list[tuple[KafkaError | None, list[KafkaPartition]]] | None = []
        super().__init__(*args)

    def _on_commit(self, error: KafkaError | None, partitions: list[KafkaPartition]) -> None:
        if self._late is None:
            super()._on_commit(error, partitions)
        else:
            self._late.append((error, partitions))
            self._sent.set()

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        super()._on_revoke(consumer, partitions)
        late, self._late = self._late or [], None
        for each in late:
            super()._on_commit(*each)


def shares(first: Source, second: Source, count: int) -> tuple[list[Record], list[Record]]:
    """Take N records from two members together."""
    ours: list[Record] = []
    theirs: list[Record] = []

    def enough() -> bool:
        ours.extend(first.take(count, 0.05))
        theirs.extend(second.take(count, 0.05))
        return len(ours) + len(theirs) >= count

    until(enough, f"{count} records on two members")
    return ours, theirs
