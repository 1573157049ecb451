"""Versions of a ticket through a whole worker: what only tickets have, decisions by vote and similar tickets.

Green shows that what is published again says what it said at first. It does not show that it is right.
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
    """Give a fresh broker and store."""
    with desk_of(TICKET_KIND, tmp_path) as made:
        yield made


def test_read_again_every_decision_is_told_as_it_was(desk: Desk) -> None:
    """Also one with shares of a vote in it, whose last bits a store may change."""
    desk.work(
        *[event(ticket_id=f"L-{n}", reason="solved", agent_label=f"label {n % 4}", body=f"{n}") for n in range(30)]
    )
    fresh = [event(ticket_id=f"N-{n}", body=f"new {n}") for n in range(40)]
    desk.work(*fresh)
    desk.work(*fresh)
    reported = [result.decision for result in results_of(desk.bootstrap)]
    assert len(reported) == 80
    assert all(decision.confidence not in (None, 0.0, 1.0) for decision in reported), "there is something to be changed"
    desk.assert_clean()


def test_told_again_after_the_text_has_changed_it_is_compared_by_its_own(desk: Desk) -> None:
    solved = [event(ticket_id=f"L-{word}", reason="solved", satisfaction=5, body=word) for word in ("alpha", "beta")]
    desk.work(*solved)
    first = event(ticket_id="N", body="alpha")
    desk.one_by_one(first, event(ticket_id="N", event_version=2, reason="solved", body="beta"), first)
    once, again = [result.similar for result in results_of(desk.bootstrap)]
    assert [hit.ticket_id for hit in once] == [hit.ticket_id for hit in again] == ["L-alpha", "L-beta"]
