"""The events of pictures of tickets: only Millrace sends them, and those that need no picture leave no reading behind.

Green does not show who may write to the redo topic, which is a matter of the broker's access rules.
"""

from dataclasses import replace
from typing import Any

import pytest

from schemas.failures import FailureHeader
from schemas.outcomes import Outcome
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.deadletters.replay_message import replay_message
from shared.engine.apart import ApartLoader
from shared.engine.stream import NOT_BY_SOURCES
from shared.records import Record, Settled
from tests.support.drawn_tickets import Tickets
from tests.support.pictured import ticket
from tests.support.products import drawn

REDO, QUEUE = "tickets.redo", "tickets.dlq"


@pytest.fixture
def tickets() -> Tickets:
    return Tickets()


def picture_event(reason: str = "pictured", version: int = 1) -> dict[str, Any]:
    """Return the event of a picture of T-1, or of its removal."""
    whole = ticket(version, reason)
    own = {name: value for name, value in whole.items() if name not in ("ticket_id", "subject", "body")}
    medium = {"image": drawn("an error")} if reason == "pictured" else {}
    return {**own, "attached_to": "T-1", "image_id": "a", **medium}


def replayed(tickets: Tickets) -> Record:
    """Return the newest dead letter as it comes back by a replay."""
    letter = read_dead_letter(tickets.given(tickets.parts.delivered(QUEUE)[-1]))
    assert isinstance(letter, DeadLetter)
    return tickets.given(replay_message(letter, "tickets", 3))


def assert_is_refused(settled: Settled) -> None:
    assert settled.outcome is Outcome.DEAD_LETTERED
    assert settled.failure is not None
    assert (settled.failure.field, settled.failure.detail) == ("reason", NOT_BY_SOURCES)


@pytest.mark.parametrize("reason", ["pictured", "image_removed"])
def test_a_source_cannot_send_the_event_of_a_picture_nor_by_a_replay(tickets: Tickets, reason: str) -> None:
    [refused] = tickets.settle(picture_event(reason, version=2**40))
    assert_is_refused(refused)
    for _ in range(2):
        [refused] = tickets.parts.settle(replayed(tickets))
        assert_is_refused(refused)
    assert not tickets.collection.points


def test_a_source_cannot_have_it_replayed_either_if_it_was_refused_for_another_reason(tickets: Tickets) -> None:
    tickets.settle(picture_event())
    letter = tickets.parts.delivered(QUEUE)[-1]
    other = [(name, b"off" if name == FailureHeader.DETAIL else value) for name, value in letter.headers]
    tickets.parts.sink.delivered[-1] = replace(letter, headers=tuple(other))
    [refused] = tickets.parts.settle(replayed(tickets))
    assert_is_refused(refused)


def test_the_event_of_a_picture_may_be_replayed(tickets: Tickets) -> None:
    damaged = picture_event() | {"image": {"inline": "AAAA"}}
    tickets.parts.settle(tickets.record(damaged, REDO))
    assert [each.outcome for each in tickets.finish()] == [Outcome.DEAD_LETTERED]
    [deferred] = tickets.parts.settle(replayed(tickets))
    assert deferred.outcome is Outcome.DEFERRED


def test_an_event_that_needs_no_picture_leaves_no_reading(tickets: Tickets) -> None:
    tickets.parts.settle(tickets.record(picture_event(), REDO))
    tickets.finish()
    assert tickets.alive() == {"a": 1}
    loader = tickets.parts.pipeline._media
    assert isinstance(loader, ApartLoader)
    [repeat] = tickets.parts.settle(tickets.record(picture_event(), REDO))
    assert repeat.outcome is Outcome.INDEXED
    assert loader._readings == {}
