"""Pictures of tickets converge: any versions in any order, repeated, with workers that die before they send anything.

Green does not show two workers that look up one ticket at the same moment, of which `docs/decisions/0030` says what may
happen.
"""

import random
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records import Message
from tests.support.drawn_tickets import REDO, Tickets
from tests.support.pictured import images, ticket
from tests.support.products import drawn

SNAPSHOTS = st.sampled_from([{}, {"a": "x"}, {"a": "x"}, {"a": "y"}, {"b": "x"}, {"a": "x", "b": "x"}])
VERSIONS = st.lists(st.one_of(SNAPSHOTS, SNAPSHOTS, st.none()), min_size=1, max_size=5)
"""The images of each version, by id: what is drawn. None: it deletes the ticket."""

DELIVERIES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([True, True, False])), max_size=6)
"""Versions that are delivered, in order, and whether the worker dies once it has written the point."""


class Died(Exception):
    """The worker has died."""


def event_of(version: int, drawings: dict[str, str] | None) -> dict[str, Any]:
    """Return the event of a version."""
    if drawings is None:
        return ticket(version, "deleted", subject=..., body=...)
    media = {name: drawn(text) for name, text in drawings.items()}
    return ticket(version, "created" if version == 1 else "updated", images=images(**media), body=f"text {version}")


def deliver(tickets: Tickets, event: dict[str, Any], dies: bool) -> None:
    """Let the worker settle an event, or die once its point is written."""

    def die(called: str) -> None:
        if called == "settle_step_done":
            raise Died

    tickets.parts.reported.watch = die if dies else None
    with suppress(Died):
        tickets.settle(event)
    tickets.parts.reported.watch = None


def shuffled(messages: list[Message], seed: int) -> list[Message]:
    """Return what was sent in any order, some of it twice."""
    chosen = random.Random(seed)  # noqa: S311  (no secret)
    doubled = messages + chosen.sample(messages, len(messages) // 2)
    chosen.shuffle(doubled)
    return doubled


@settings(max_examples=200, deadline=None)
@given(VERSIONS, DELIVERIES, st.randoms(use_true_random=False))
def test_the_pictures_that_are_stored_are_those_that_the_newest_version_lists(
    versions: list[dict[str, str] | None], deliveries: list[tuple[int, bool]], order: random.Random
) -> None:
    tickets = Tickets()
    events = [event_of(number, drawings) for number, drawings in enumerate(versions, 1)]
    for index, dies in deliveries:
        deliver(tickets, events[index % len(events)], dies)
    order.shuffle(events)  # every version is delivered at last, in any order
    for event in events:
        deliver(tickets, event, dies=False)
    reader = Tickets(tickets.collection)
    reader.parts.sink.delivered += shuffled(tickets.parts.delivered(REDO), order.randrange(1 << 30))
    reader.finish()
    wanted = versions[-1] or {}
    assert {name: reader.payload(name)["read_text"] for name in reader.alive()} == wanted
    assert reader.parts.reported.named("version_conflict") == []
