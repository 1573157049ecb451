"""The audit of a backfill and of the live group beside it: each counts its own, within its bounds.

The topics are in memory and were written by the real settling code. A green run does not prove that bounds are read back
from Kafka: `tests/faults/test_backfill.py` does.
"""

from dataclasses import replace

import pytest

from schemas.failures import BACKFILL_HEADER
from schemas.outcomes import LedgerEntry
from shared.audit.audited_backfill import AuditedBackfill
from shared.backfill_marks import mark_headers
from shared.broker.bounds import NO_BOUNDS, Bounds
from shared.records import Backfill, Record, TopicPartition, Watermarks
from shared.retry.lane import redo_message
from tests.support.assembly import Assembly
from tests.support.audited import World, counts
from tests.support.fakes import FakeCollection
from tests.support.streams import NOTE_KIND, TICKET_KIND

GROUP = "backfill-2026"
PLACE = TopicPartition("tickets", 0)


def within(first: int, end: int) -> AuditedBackfill:
    return AuditedBackfill(GROUP, {PLACE: Bounds(first, end, NO_BOUNDS.wanted)})


class Filled:
    """Five tickets that live workers have settled, and three of which a backfill has processed again."""

    def __init__(self, *, index_only: bool = False, collection: FakeCollection | None = None) -> None:
        self.world = World()
        self.records: list[Record] = [
            TICKET_KIND.record(TICKET_KIND.event(f"T-{number}"), number) for number in range(5)
        ]
        self.world.settle(*self.records)
        worker = Assembly(backfill=Backfill(GROUP, index_only), collection=collection or self.world.parts.collection)
        self.world.settle(*self.records[1:4], by=worker)

    def ours(self, bounds: AuditedBackfill, committed: int = 4) -> dict[str, int]:
        """Audit the backfill, whose group has committed this offset."""
        self.world.reader.offsets[PLACE] = committed
        return counts(self.world.audit(backfill=bounds))

    def theirs(self) -> dict[str, int]:
        """Audit the group of the live workers."""
        self.world.reader.offsets[PLACE] = 5
        return counts(self.world.audit())


@pytest.mark.parametrize("index_only", [False, True])
def test_both_groups_are_clean(index_only: bool) -> None:
    filled = Filled(index_only=index_only)
    assert (filled.ours(within(1, 4)), filled.theirs()) == ({}, {})


def test_what_was_settled_outside_the_bounds_is_reported() -> None:
    assert Filled().ours(within(1, 3)) == {"conflicting": 1}
    assert Filled().ours(within(2, 4)) == {"conflicting": 1}


def test_what_was_not_settled_within_the_bounds_is_missing_once_it_is_committed() -> None:
    assert Filled().ours(within(0, 4)) == {"missing": 1}
    assert Filled().ours(within(1, 5), committed=5) == {"missing": 1}
    assert Filled().ours(within(1, 5)) == {"pending": 1}


def test_records_beyond_the_bounds_are_neither_missing_nor_pending() -> None:
    assert Filled().ours(within(1, 4), committed=5) == {}


def test_a_result_of_the_other_group_replaces_no_missing_one() -> None:
    for index, bounds in ((0, None), (-1, within(1, 4))):
        filled = Filled()
        results = filled.world.held("results")
        assert [BACKFILL_HEADER in dict(each.headers) for each in results] == [False] * 5 + [True] * 3
        del results[2 if index == 0 else -1]
        assert (filled.theirs() if bounds is None else filled.ours(bounds)) == {"missing": 1}


def test_a_ledger_message_of_the_other_group_replaces_no_missing_one() -> None:
    filled = Filled()
    ledger = filled.world.held("ledger")
    kept = [each for each in ledger if LedgerEntry.model_validate_json(each.value or b"").backfill is None]
    assert len(kept) < len(ledger)
    ledger[:] = [each for each in ledger if each not in kept]
    assert filled.theirs() == {"missing": 5}
    ledger[:] = kept
    assert filled.ours(within(1, 4)) == {"missing": 3}


def test_two_results_that_differ_are_a_conflict_within_one_group_only() -> None:
    filled = Filled()
    results = filled.world.held("results")
    marked = next(each for each in results if BACKFILL_HEADER in dict(each.headers))
    results.remove(marked)
    results.append(replace(marked, value=TICKET_KIND.contradicted(marked.value)))
    assert (filled.ours(within(1, 4)), filled.theirs()) == ({}, {})
    results.append(replace(marked, offset=99))
    assert filled.ours(within(1, 4)) == {"conflicting": 1, "repeated": 1}


def test_what_the_log_has_lost_beyond_the_bounds_was_not_to_be_read() -> None:
    filled = Filled()
    filled.world.reader.topics["tickets"].clear()
    filled.world.reader.marks[PLACE] = Watermarks(5, 5)
    assert filled.ours(within(1, 4)) == {"below_retention": 3}
    assert filled.ours(within(1, 5)) == {"below_retention": 3, "unread_lost": 1}


def test_a_result_that_only_a_backfill_has_published_is_no_missing_one() -> None:
    world, new = World(), FakeCollection()
    first = TICKET_KIND.record(TICKET_KIND.event(), 0)
    second = TICKET_KIND.record(TICKET_KIND.event(version=2, reason="updated"), 1)
    world.settle(first, second)
    worker = Assembly(backfill=Backfill(GROUP), collection=new)
    for each in (first, second):
        world.settle(each, by=worker)
    assert outcomes(world, None) == {0: "superseded", 1: "routed"}
    assert outcomes(world, GROUP) == {0: "routed", 1: "indexed"}
    world.parts.collection = new
    assert counts(world.audit()) == {}


def outcomes(world: World, group: str | None) -> dict[int, str]:
    """Return what the ledger says of each offset for a group."""
    entries = [LedgerEntry.model_validate_json(each.value or b"") for each in world.held("ledger")]
    return {span.first: span.outcome.value for each in entries if each.backfill == group for span in each.ranges}


@pytest.mark.parametrize("index_only", [False, True])
def test_dead_letters_and_deferred_records_are_counted_for_their_group(index_only: bool) -> None:
    kind, place = NOTE_KIND, TopicPartition("notes", 0)
    world, bounds = World(kind), AuditedBackfill(GROUP, {place: Bounds(0, 2, NO_BOUNDS.wanted)})
    worker = Assembly(stream=kind.stream, collection=world.parts.collection, backfill=Backfill(GROUP, index_only))
    records = [kind.record({"nonsense": 1}, 0), kind.record(kind.referring("https://x/a"), 1)]
    for by in (None, worker):
        world.settle(*records, by=by)
    assert [counts(world.audit(backfill=each)) for each in (None, bounds)] == [{"pending": 1}, {"pending": 1}]
    world.parts.fetcher.contents["https://x/a"] = kind.medium()
    lane = list(world.reader.topics[kind.retries[0]])
    for number, waiting in enumerate(lane):
        world.reader.write(redo_message(waiting, kind.name))
        world.settle(world.reader.topics[kind.redo][number])
        waits = {} if number else {"pending": 1}
        assert [counts(world.audit(backfill=each)) for each in (None, bounds)] == [{}, waits]
    for which in ("dlq", "retry"):
        assert_is_missing_for_its_group_only(world, bounds, which)


def assert_is_missing_for_its_group_only(world: World, bounds: AuditedBackfill, which: str) -> None:
    """Take each message away in turn: that of the live workers first."""
    held = world.reader.topics[world.kind.dlq if which == "dlq" else world.kind.retries[0]]
    whole = list(held)
    assert [BACKFILL_HEADER in dict(each.headers) for each in whole] == [False, True]
    for lost in (0, 1):  # Kafka removes the first message of a topic itself, so its loss counts as `purged`
        held[:] = [each for number, each in enumerate(whole) if number != lost]
        expected = {"missing": 1} if lost else {"purged": 1}
        assert counts(world.audit(backfill=bounds if lost else None)) == expected
        assert counts(world.audit(backfill=None if lost else bounds)) == {}
        held[:] = whole


def test_what_live_workers_finish_for_a_backfill_may_differ_from_what_they_published() -> None:
    world = World()
    world.settle(TICKET_KIND.record(TICKET_KIND.event(), 0))
    redone = TICKET_KIND.record(TICKET_KIND.event(), 0, topic=TICKET_KIND.redo, headers=mark_headers(Backfill(GROUP)))
    world.settle(redone)
    first, marked = world.held("results")
    world.held("results")[:] = [first, replace(marked, value=TICKET_KIND.contradicted(marked.value))]
    assert counts(world.audit()) == {}
    world.held("results").pop()
    assert counts(world.audit()) == {"missing": 1}
