"""Versions of a ticket through a whole worker: decisions by vote and similar tickets, which only tickets have.

Green shows that a repeated result equals the first one. It does not show that the result is right.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.test_versions import Desk, desk_of
from tests.support.in_process import results_of
from tests.support.streams import TICKET_KIND
from tests.support.tickets import event


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Return a fresh broker and store."""
    with desk_of(TICKET_KIND, tmp_path) as made:
        yield made


def test_a_repeated_record_publishes_the_same_decision(desk: Desk) -> None:
    """Also decisions with shares of a vote, whose last bits a store may change."""
    desk.work(
        *[event(ticket_id=f"L-{n}", reason="solved", agent_label=f"label {n % 4}", body=f"{n}") for n in range(30)]
    )
    fresh = [event(ticket_id=f"N-{n}", body=f"new {n}") for n in range(40)]
    desk.work(*fresh)
    desk.work(*fresh)
    reported = [result.decision for result in results_of(desk.bootstrap)]
    assert len(reported) == 80
    assert all(decision.confidence not in (None, 0.0, 1.0) for decision in reported), (
        "each share has bits that a store may change"
    )
    desk.assert_clean()


def test_a_repeat_after_the_text_has_changed_is_compared_by_its_own_text(desk: Desk) -> None:
    solved = [event(ticket_id=f"L-{word}", reason="solved", satisfaction=5, body=word) for word in ("alpha", "beta")]
    desk.work(*solved)
    first = event(ticket_id="N", body="alpha")
    desk.one_by_one(first, event(ticket_id="N", event_version=2, reason="solved", body="beta"), first)
    once, again = [result.similar for result in results_of(desk.bootstrap)]
    assert [hit.ticket_id for hit in once] == [hit.ticket_id for hit in again] == ["L-alpha", "L-beta"]
