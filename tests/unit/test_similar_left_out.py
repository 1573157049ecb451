"""Why a search for similar tickets found nothing. A green run does not prove that a real store counts fast enough."""

from datetime import UTC, datetime
from typing import Any

from schemas.search import SimilarTicket
from shared.errors import Unavailable
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import COUNTED_AT_ONCE, COUNTS_HOLD_S, Found, Question, SimilarSearch
from tests.support.fakes import FakeCollection, ManualClock
from tests.support.solved import ASKED, SETTINGS, collection, found, solved, unit
from workers.tickets.stages import TICKETS

# --- when nothing is found ---


def left_out(answer: Found[SimilarTicket]) -> tuple[int, int] | None:
    """Return the numbers of solved tickets left out as unrated, and as rated too low."""
    counted = None if answer.offerable is None else answer.offerable.left_out
    return None if counted is None else (counted.unrated, counted.rated_too_low)


def test_when_nothing_is_found_the_tickets_left_out_by_each_rule_are_counted() -> None:
    points = [solved(f"u{n}", 0.9, satisfaction=None) for n in range(4)]
    points += [solved(f"b{n}", 0.9, satisfaction=3) for n in range(2)]
    points += [solved("open", 0.9, flags=[]), solved("other", 0.9, tenant_id="other")]
    assert left_out(found(*points)) == (4, 2)
    assert left_out(found(*points, include_unrated=True)) is None
    assert left_out(found(*points, min_satisfaction=3)) is None
    assert left_out(found(*points[4:], include_unrated=True)) == (0, 2)
    assert left_out(found()) == (0, 0)


def test_each_reason_names_the_setting_that_admits_the_tickets() -> None:
    answer = found(solved("a", 0.9, satisfaction=None), solved("b", 0.9, satisfaction=2))
    assert answer.offerable is not None
    unrated, too_low = answer.offerable.reasons(SETTINGS, "tickets")
    include_unrated = "set MILLRACE_TICKETS__SEARCH__INCLUDE_UNRATED=true to include them"
    assert unrated == f"1 without a rating (`satisfaction`): {include_unrated}"
    assert too_low == "1 rated below 4: lower MILLRACE_TICKETS__SEARCH__MIN_SATISFACTION to include them"
    assert (answer.offerable.total, answer.offerable.offered) == (2, 0)


def test_nothing_is_counted_if_something_was_found_or_nothing_is_searched() -> None:
    points = [solved("a", 0.9), solved("b", 0.9, satisfaction=None)]
    assert left_out(found(*points)) is None
    assert left_out(found(*points, limit=0)) is None


def test_a_batch_counts_once_for_each_tenant_without_hits() -> None:
    points = collection(solved("a", 0.9, satisfaction=None))
    search = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours)
    asked = [Question(tenant, ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC)) for tenant in ("acme", "other") * 3]
    assert [left_out(answer) for answer in search.find(asked)] == [(1, 0), (0, 0)] * 3
    assert sorted(points.effects) == ["candidates 6", *["count"] * 4, "payloads"]


def test_a_failed_count_stops_nothing_and_is_not_retried_at_once() -> None:
    class CannotCount(FakeCollection):
        def count(self, equals: Any, at_least: Any) -> int:
            self.effects.append("count")
            raise Unavailable("store", "too slow")

    points = CannotCount()
    points.upsert([solved("a", 0.9, satisfaction=None)])
    search = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours, ManualClock())
    asked = [Question("acme", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC))]
    assert [left_out(answer) for _ in range(3) for answer in search.find(asked)] == [None] * 3
    assert points.effects.count("count") == 1


def test_with_many_tenants_some_are_counted_in_a_later_batch() -> None:
    points = collection()
    search = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours, ManualClock())
    asked = [Question(f"t{n}", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC)) for n in range(COUNTED_AT_ONCE + 3)]
    assert [left_out(answer) for answer in search.find(asked)] == [(0, 0)] * COUNTED_AT_ONCE + [None] * 3
    assert [left_out(answer) for answer in search.find(asked)] == [(0, 0)] * len(asked)


def test_a_count_is_reused_for_a_while() -> None:
    points, clock = collection(solved("a", 0.9, satisfaction=None)), ManualClock()
    search = SimilarSearch(points, SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours, clock)
    asked = [Question("acme", ASKED, unit(1.0), datetime(2026, 1, 1, tzinfo=UTC))]
    assert left_out(search.find(asked)[0]) == (1, 0)
    points.upsert([solved("b", 0.9, satisfaction=1)])
    assert left_out(search.find(asked)[0]) == (1, 0)
    clock.seconds += COUNTS_HOLD_S
    assert left_out(search.find(asked)[0]) == (1, 1)
