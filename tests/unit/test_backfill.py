"""The bounds of a backfill, its times, its pace and its end, without a broker.

A green run does not prove that Kafka keeps the metadata of commits: `tests/faults/test_backfill.py` does.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import TopicPartition as KafkaPartition

from millrace.backfilling import Ending, Progress, progress_of, wanted_of
from shared.broker.bounds import NO_BOUNDS, Bounds, Commit, Wanted, bounds_in, topic_id_in, write_metadata
from shared.broker.pace import Pace
from shared.broker.start_offsets import is_of_another, set_starts
from shared.errors import Fatal, Unavailable
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.records import TopicPartition
from tests.support.fakes import ManualClock
from tests.unit.test_metrics import SETTLED

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WANTED = Wanted(1_000, 2_000, True, False)
TOPIC_ID = "Zm9vYmFyYmF6cXV4cXV4MQ"


@pytest.mark.parametrize("topic_id", [TOPIC_ID, None])
@pytest.mark.parametrize("wanted", [WANTED, Wanted(0, 7, False, True)])
def test_bounds_survive_the_metadata_of_a_commit(topic_id: str | None, wanted: Wanted) -> None:
    bounds = Bounds(3, 9, wanted)
    written = write_metadata(topic_id, bounds)
    assert (bounds_in(written), topic_id_in(written)) == (bounds, topic_id)
    assert not is_of_another(written, topic_id)
    assert is_of_another(written, "another") == (topic_id is not None)


@pytest.mark.parametrize(
    "text", [None, "", TOPIC_ID, "other tools write this", f"{TOPIC_ID} backfill 1 x 3 4 now results"]
)
def test_other_metadata_has_no_bounds(text: str | None) -> None:
    assert bounds_in(text) is None


def test_a_resumed_backfill_agrees_although_now_is_later() -> None:
    later = Wanted(1_000, 3_000, True, False)
    assert WANTED.agrees_with(later)
    for other in (
        Wanted(999, 2_000, True, False),
        Wanted(1_000, 2_000, False, False),
        Wanted(1_000, 2_000, True, True),
    ):
        assert not WANTED.agrees_with(other)


def test_times_are_read_as_elsewhere() -> None:
    wanted = wanted_of("2026-01-01", "now", index_only=False, now=NOW)
    assert wanted == Wanted(1_767_225_600_000, 1_780_272_000_000, True, False)
    assert wanted_of("2026-05-25", "2026-05-30T00:00:00Z", index_only=True, now=NOW).is_now is False


@pytest.mark.parametrize(
    ("first", "until", "says"),
    [
        ("yesterday", "now", "--from yesterday"),
        ("2026-01-01", "soon", "--until soon"),
        ("7d", "now", "an age is another time"),
        ("2026-03-01", "2026-02-01", "is not after"),
        ("2026-03-01", "2026-03-01", "is not after"),
        ("2026-03-01", "2026-07-01", "in the future"),
    ],
)
def test_times_that_enclose_nothing_are_refused(first: str, until: str, says: str) -> None:
    with pytest.raises(Fatal, match=says):
        wanted_of(first, until, index_only=False, now=NOW)


def test_the_pace_is_kept_and_no_rest_is_saved_up() -> None:
    clock = ManualClock()
    pace, taken = Pace(50, clock), 0
    clock.seconds += 60
    for _ in range(100):
        allowed = pace.allowed(256, 0.1)
        pace.took(allowed)
        taken += allowed
        assert allowed <= 10
        clock.seconds += 0.1
    assert 500 <= taken <= 520


def test_it_ends_when_the_whole_group_has_finished_and_not_while_the_brokers_are_silent() -> None:
    looks: Iterator[Progress | Unavailable] = iter(
        [Progress(0, 9), Unavailable("broker", "silent"), Progress(5, 9), Progress(9, 9)]
    )

    def measure() -> Progress:
        found = next(looks)
        if isinstance(found, Unavailable):
            raise found
        return found

    lifecycle = Lifecycle(ManualClock(), 60)
    ending = Ending(measure, lifecycle, ManualClock())
    ending.watch()
    assert (ending.finished, lifecycle.stopping.is_set(), next(looks, None)) == (True, True, None)


def test_it_stops_when_its_progress_can_never_be_read_again() -> None:
    def measure() -> Progress:
        raise Fatal("the commits were deleted")

    lifecycle = Lifecycle(ManualClock(), 60)
    ending = Ending(measure, lifecycle, ManualClock())
    ending.watch()
    assert (ending.finished, lifecycle.stopping.is_set(), str(ending.failure)) == (
        False,
        True,
        "the commits were deleted",
    )


PLACE, OTHER = TopicPartition("tickets", 0), TopicPartition("tickets", 1)
PLAN = {PLACE: Bounds(0, 9, WANTED), OTHER: Bounds(5, 5, WANTED)}


class Committed:
    """A reader of a group with these commits."""

    def __init__(self, commits: dict[TopicPartition, Commit]) -> None:
        self._commits = commits

    def commits(self, topics: Sequence[str]) -> dict[TopicPartition, Commit]:
        """Return the commits."""
        return self._commits


def progress(commits: dict[TopicPartition, Commit]) -> Progress:
    reader: Any = Committed(commits)
    return progress_of(reader, "tickets", PLAN)


def test_the_bounds_beside_the_commits_count_because_another_process_may_have_replaced_the_plan() -> None:
    nothing = Commit(5, PLAN[OTHER])
    assert progress({PLACE: Commit(4, PLAN[PLACE]), OTHER: nothing}) == Progress(4, 9)
    assert progress({PLACE: Commit(9, Bounds(0, 12, WANTED)), OTHER: nothing}) == Progress(9, 12)
    assert progress({PLACE: Commit(7, Bounds(0, 7, WANTED)), OTHER: nothing}).is_finished


def test_a_group_that_has_lost_its_commits_can_not_go_on() -> None:
    for left in ({}, {PLACE: Commit(4, PLAN[PLACE])}):
        with pytest.raises(Fatal, match="the commits of the backfill in topic tickets were deleted"):
            progress(left)


class Lookup:
    """A consumer whose group has committed this."""

    def __init__(self, metadata: str) -> None:
        self._metadata = metadata

    def committed(self, partitions: list[KafkaPartition], timeout: float) -> list[KafkaPartition]:
        """Return the commits."""
        return [KafkaPartition(each.topic, each.partition, 4, self._metadata) for each in partitions]


def starts(metadata: str, *, bounded: bool) -> dict[TopicPartition, Bounds]:
    consumer: Any = Lookup(metadata)
    return set_starts(consumer, [KafkaPartition("tickets", 0)], {"tickets": TOPIC_ID}, bounded=bounded)


def test_the_bounds_of_an_earlier_topic_are_refused_and_so_are_live_workers_in_the_group() -> None:
    bounds = Bounds(3, 9, WANTED)
    assert starts(write_metadata(TOPIC_ID, bounds), bounded=True) == {PLACE: bounds}
    assert starts(TOPIC_ID, bounded=True) == {PLACE: NO_BOUNDS}
    with pytest.raises(Fatal, match="was created again"):
        starts(write_metadata("another", bounds), bounded=True)
    with pytest.raises(Fatal, match="belongs to a backfill"):
        starts(write_metadata(TOPIC_ID, bounds), bounded=False)


def test_results_of_a_backfill_are_not_counted_as_those_of_live_traffic() -> None:
    counted = {}
    for backfills in (False, True):
        registry = Registry()
        Metrics("tickets", registry, backfills=backfills).results_settled([SETTLED], 1_000.0, 50.0)
        text = registry.render().decode()
        counted[backfills] = [
            line for line in text.splitlines() if "result_seconds_count" in line and " 0.0" not in line
        ]
    assert counted[False]
    assert counted[True] == []
