"""Many groups that lag in one partition of a real Kafka: each of them gets its answer.

Green does not show groups on several brokers, nor a broker that is far away: then each answer takes its way there and back.
"""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.broker.first_records import FirstRecords
from shared.broker.group_lag import KafkaLagReader, Selection
from shared.clock import SystemClock
from shared.lag.port import Span
from shared.records import TopicPartition
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.lag_truth import TIMEOUT_S, Truth
from tests.support.services import missing

GROUPS = 140
MOST_S = 8.0
"""With answers that are held back for 100 ms, as they were once, 140 groups take 14 s."""


@pytest.fixture(scope="module")
def truth() -> Iterator[Truth]:
    """Yield what produces and remembers, on a broker for this module."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer() as server:
        yield Truth(server.bootstrap)


def spans_of(truth: Truth, topic: str) -> list[Span]:
    """Return the places of many groups in one partition, each with 1,000 records before it or more."""
    truth.topic(topic)
    truth.produce(topic, GROUPS + 1_000)
    return [Span(TopicPartition(topic, 0), at, GROUPS + 1_000) for at in range(GROUPS)]


def test_many_groups_at_different_places_of_a_partition_are_all_answered(truth: Truth) -> None:
    spans = spans_of(truth, "crowded")
    with closing(FirstRecords(truth.bootstrap, TIMEOUT_S, SystemClock())) as records:
        records.scan(spans[:1])
        began_s = time.monotonic()
        found = records.scan(spans)
        took_s = time.monotonic() - began_s
    assert [(found[span].first, found[span].fault) for span in spans] == [(span.start, None) for span in spans]
    assert took_s < MOST_S


def test_groups_that_one_scan_does_not_reach_are_the_first_of_the_next(truth: Truth) -> None:
    spans, answered = spans_of(truth, "crowded-too"), set[Span]()
    with closing(FirstRecords(truth.bootstrap, TIMEOUT_S, SystemClock())) as records:
        records.scan(spans[:1])
    with closing(FirstRecords(truth.bootstrap, 0.5, SystemClock())) as records:
        end_s = time.monotonic() + TIMEOUT_S
        while len(answered) < GROUPS:
            assert time.monotonic() < end_s, f"{len(answered)} of {GROUPS} groups have an answer"
            found = records.scan(spans)
            answered |= {span for span, scan in found.items() if scan.fault is None}


def test_a_look_beats_between_its_requests(truth: Truth) -> None:
    truth.produce(truth.topic("beating"), 1)
    truth.commit("beating-group", "beating", 0)
    beats: list[float] = []
    reader = KafkaLagReader(truth.bootstrap, Selection(["beating-group"], ["beating"]), 10, SystemClock())
    with closing(reader):
        found = reader.positions(lambda: beats.append(time.monotonic()))
    assert [each.name for each in found.groups] == ["beating-group"]
    assert len(beats) >= 6, "before the settings, each of three kinds of offsets, the list of groups, and each group"
