"""The ledger's ranges by example; the round trip is tested in `tests/property`.

A green run does not prove that the ledger is complete; the audit's tests check that.
"""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from schemas.outcomes import LedgerEntry, OffsetRange, Outcome, to_ranges

R, D = Outcome.ROUTED, Outcome.DELETED


@pytest.mark.parametrize(
    ("pairs", "ranges"),
    [
        ([], []),
        ([(5, R)], [(5, 5, R)]),
        ([(5, R), (6, R), (7, R)], [(5, 7, R)]),
        ([(5, R), (6, D), (7, R)], [(5, 5, R), (6, 6, D), (7, 7, R)]),
        ([(5, R), (7, R)], [(5, 5, R), (7, 7, R)]),
        ([(0, R), (1, R), (2, D), (3, D)], [(0, 1, R), (2, 3, D)]),
    ],
)
def test_adjacent_offsets_with_one_outcome_are_one_range(
    pairs: list[tuple[int, Outcome]], ranges: list[tuple[int, int, Outcome]]
) -> None:
    assert [(span.first, span.last, span.outcome) for span in to_ranges(pairs)] == ranges


@pytest.mark.parametrize(("first", "last"), [(5, 4), (-1, 0)])
def test_an_invalid_range_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValidationError):
        OffsetRange(first=first, last=last, outcome=R)


def test_an_empty_entry_is_refused() -> None:
    with pytest.raises(ValidationError, match="ranges"):
        LedgerEntry(stream="tickets", topic="tickets", partition=0, ranges=(), model="x", settled_at=datetime.now(UTC))


def test_the_outcomes_are_a_closed_list() -> None:
    assert {outcome.value for outcome in Outcome} == {
        "routed", "indexed", "deleted", "superseded", "deferred", "dead_lettered",
    }  # fmt: skip
    with pytest.raises(ValueError, match="lost"):
        Outcome("lost")
