"""The audit over records that were lost unread, and over topics that were deleted and created again, in memory.

A green run does not prove that workers detect a loss: `tests/faults/test_unread.py` shows that on Kafka.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from schemas.outcomes import Outcome
from shared.records import Record, TopicPartition, UnreadOffsets, Watermarks
from tests.support.audited import World, counts
from tests.support.tickets import event, record

ONLY = TopicPartition("tickets", 0)


def tickets(numbers: Sequence[int], topic_id: str | None = None) -> list[Record]:
    """Return one ticket record for each number, at that offset."""
    return [record(event(ticket_id=f"T-{at}"), at, topic_id=topic_id) for at in numbers]


def report(world: World, first: int, last: int, topic_id: str | None = None) -> None:
    """Let a worker report that these offsets were deleted before they were read."""
    known = len(world.parts.sink.delivered)
    world.parts.settler.report_unread([UnreadOffsets(ONLY, topic_id, first, last)])
    for message in world.parts.sink.delivered[known:]:
        world.reader.write(message)


@pytest.fixture
def world() -> World:
    """Yield a stream whose first three records are settled and whose next three were removed unread."""
    built = World()
    built.settle(*tickets(range(3)))
    return built


def test_records_that_a_worker_reported_as_unread_are_lost_and_not_clean(world: World) -> None:
    report(world, 3, 5)
    world.settle(*tickets([6]))
    findings = world.audit()
    assert counts(findings) == {"unread_lost": 3}
    assert not findings.clean
    assert findings.line() == "audit: missing 0, stale 0, conflicting 0, repeated 0, lost unread 3"


def test_the_same_loss_reported_again_is_one_loss(world: World) -> None:
    report(world, 3, 5)
    report(world, 3, 8)
    report(world, 4, 4)
    assert counts(world.audit()) == {"unread_lost": 6}


def test_records_that_another_group_had_settled_are_not_lost(world: World) -> None:
    report(world, 1, 4)
    assert counts(world.audit()) == {"unread_lost": 2}


def test_a_committed_offset_below_the_log_is_a_loss_before_any_worker_reports_it(world: World) -> None:
    world.reader.topics["tickets"] = tickets([8, 9])
    world.reader.marks[ONLY] = Watermarks(8, 10)
    assert counts(world.audit()) == {"unread_lost": 5, "pending": 2, "below_retention": 3}


def test_without_any_commit_no_record_was_due() -> None:
    world = World()
    world.reader.topics["tickets"] = tickets([8, 9])
    world.reader.marks[ONLY] = Watermarks(8, 10)
    assert counts(world.audit()) == {"pending": 2}


def test_entries_about_an_earlier_topic_of_the_same_name_are_not_compared() -> None:
    world = World()
    world.reader.ids = {"tickets": "new"}
    world.settle(*tickets(range(4), "old"), record({"nonsense": 1}, 4, topic_id="old"))
    world.reader.topics["tickets"].clear()
    report(world, 0, 1, "old")
    world.settle(record({"nonsense": 1}, 0, topic_id="new"), *tickets([1, 2], "new"))
    findings = world.audit(points=False)
    assert counts(findings) == {"former": 5}
    assert (findings.settled, findings.clean) == (3, True)


def test_a_record_of_the_new_topic_is_not_covered_by_the_ledger_of_the_old_one() -> None:
    world = World()
    world.reader.ids = {"tickets": "new"}
    world.settle(*tickets(range(4), "old"))
    world.reader.topics["tickets"] = tickets(range(4), "new")
    assert counts(world.audit(points=False)) == {"former": 4, "missing": 4}


def test_entries_that_name_no_topic_id_are_accepted() -> None:
    world = World()
    world.reader.ids = {"tickets": "new"}
    world.settle(*tickets(range(3)))
    assert counts(world.audit()) == {}
    assert world.parts.reported.named("batch_settled")[0][0] == {Outcome.ROUTED: 3}


def test_records_are_equal_whatever_the_id_of_their_topic() -> None:
    assert replace(tickets([1], "old")[0], topic_id="new") == tickets([1])[0]
