"""The effects of each `reason` on the point and on the result, over a store in memory and a fake model.

A green run does not prove that decisions are good, nor that the real store or the real model behave like the stand-ins.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from schemas.failures import FailureReason
from schemas.outcomes import Outcome
from schemas.points import point_id
from schemas.tickets import TicketPayload, TicketTombstone
from shared.records import Point, Settled, Vector
from shared.vectorstore.port import is_unit
from tests.support.assembly import Assembly
from tests.support.tickets import deleted, event, record

ONE = point_id("acme", "tickets", "T-1")


def send(parts: Assembly, *events: dict[str, Any]) -> list[Settled]:
    """Settle each event as a batch of its own and return the settled items."""
    start = len(parts.source.committed)
    return [settled for at, fields in enumerate(events) for settled in parts.settle(record(fields, start + at))]


def stored(parts: Assembly, point: UUID = ONE) -> Point:
    return parts.collection.points[point]


def payload(parts: Assembly, point: UUID = ONE) -> TicketPayload:
    return TicketPayload.model_validate(dict(stored(parts, point).payload), strict=False)


def embedded(parts: Assembly) -> list[str]:
    """Return the texts embedded since the last call."""
    texts = [text for call in parts.model.calls for text in call]
    parts.model.calls.clear()
    return texts


def teach(parts: Assembly, label: str = "delivery", subject: str = "Where is my parcel?", **changes: Any) -> None:
    """Store a ticket that a person has labelled."""
    fields = {"ticket_id": f"L-{label}", "subject": subject, "agent_label": label, "reason": "solved"} | changes
    send(parts, event(**fields))
    parts.model.calls.clear()


UNCHANGED = {"event_version": 2, "reason": "updated"}
CHANGED = UNCHANGED | {"body": "It has arrived broken."}


def test_created_writes_text_vector_and_payload_and_is_routed() -> None:
    parts = Assembly()
    [settled] = send(parts, event(priority="high", attributes={"vip": True, "floor": 3}))
    assert settled.outcome is Outcome.ROUTED
    assert set(stored(parts).vectors) == {"text"}
    kept = payload(parts)
    assert (kept.subject, kept.priority, kept.attributes) == (event()["subject"], "high", {"vip": True, "floor": 3})
    assert (kept.decided_version, kept.flags) == (1, ())
    [result] = parts.results()
    assert (result.ticket_id, result.event_version, result.decision.priority, result.text_windows) == (
        "T-1",
        1,
        "high",
        1,
    )
    assert result.decision.action_reason == "no_labelled_neighbours"


def test_an_update_with_the_same_text_is_indexed_and_not_embedded() -> None:
    parts = Assembly()
    send(parts, event())
    before = stored(parts).vectors["text"]
    embedded(parts)
    [settled] = send(parts, event(**UNCHANGED, priority="urgent"))
    assert settled.outcome is Outcome.INDEXED
    assert settled.results == ()
    assert embedded(parts) == []
    assert np.array_equal(stored(parts).vectors["text"], before)
    assert (payload(parts).event_version, payload(parts).priority) == (2, "urgent")


def test_an_update_with_another_text_is_embedded_and_routed_again() -> None:
    parts = Assembly()
    send(parts, event())
    embedded(parts)
    [settled] = send(parts, event(**CHANGED))
    assert settled.outcome is Outcome.ROUTED
    assert len(embedded(parts)) == 1
    assert [result.event_version for result in parts.results()] == [1, 2]
    assert payload(parts).decided_version == 2


def test_an_update_of_text_that_is_only_kept_is_stored_and_routes_nothing() -> None:
    parts = Assembly()
    body = "It has arrived broken."
    quoted = f"{body}\n\nOn 4 May 2026 at 10:00 Shop <a@example.com> wrote:\n> macro {'{}'}"
    send(parts, event(body=quoted.format(1)))
    terms = stored(parts).sparse["terms"]
    assert embedded(parts) == [f"Where is my parcel?\n\n{body}"]
    [settled] = send(parts, event(**UNCHANGED | {"body": quoted.format(2)}))
    assert (settled.outcome, embedded(parts), len(parts.results())) == (Outcome.INDEXED, [], 1)
    kept = payload(parts)
    assert kept.body.endswith("Shop <[mail]> wrote:\n> macro 2")
    assert (kept.body_embedded, kept.event_version) == (body, 2)
    assert stored(parts).sparse["terms"].indices.tolist() == terms.indices.tolist(), "text that was cut gives no terms"


def test_a_body_that_is_embedded_whole_is_stored_once() -> None:
    parts = Assembly()
    send(parts, event(reason="solved", resolution="Sent again.\nBest regards\nAl"))
    found = payload(parts)
    assert (found.body_embedded, found.resolution_embedded) == (None, "Sent again.")
    assert found.resolution == "Sent again.\nBest regards\nAl"
    assert embedded(parts)[-1] == "Sent again."


def test_a_text_that_differs_only_in_its_bytes_is_unchanged() -> None:
    parts = Assembly()
    send(parts, event(subject="Café", body="Where?"))
    [settled] = send(parts, event(**UNCHANGED, subject="Cafe\N{COMBINING ACUTE ACCENT} ") | {"body": "\nWhere?\n"})
    assert settled.outcome is Outcome.INDEXED


def test_vectors_stored_as_float16_are_reused_and_less_precise_ones_are_computed_again() -> None:
    parts = Assembly()
    solved = event(reason="solved", resolution="Sent again.")
    send(parts, solved)
    texts = embedded(parts)
    ways: list[tuple[Callable[[Vector], Any], list[str]]] = [
        (lambda vector: vector.astype(np.float16).astype(np.float32), []),
        (lambda vector: np.round(vector * 0.5), texts),
        (lambda vector: np.stack([vector, vector]), texts),
        (lambda vector: vector * np.nan, texts),
    ]
    for version, (kept, again) in enumerate(ways, 2):
        parts.collection.points[ONE] = replace(
            stored(parts), vectors={name: kept(vector) for name, vector in stored(parts).vectors.items()}
        )
        send(parts, solved | {"event_version": version, "reason": "rated", "satisfaction": 5})
        assert sorted(embedded(parts)) == sorted(again), version
        assert all(is_unit(vector) for vector in stored(parts).vectors.values())


def test_an_update_of_an_unknown_ticket_is_enough_to_route_it() -> None:
    parts = Assembly()
    [settled] = send(parts, event(**UNCHANGED))
    assert settled.outcome is Outcome.ROUTED


def test_an_update_of_a_ticket_that_was_never_routed_routes_it() -> None:
    parts = Assembly()
    outcomes = [each.outcome for each in send(parts, event(reason="solved"), event(**UNCHANGED))]
    assert outcomes == [Outcome.INDEXED, Outcome.ROUTED]


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "solved", "resolution": "Sent again."},
        {"reason": "rated", "resolution": "Sent again.", "satisfaction": 5},
        {"reason": "updated", "resolution": "Sent again."},
        {"reason": "solved", "resolution": "Sent again.", "body": "Another text."},
    ],
)
def test_a_solved_ticket_is_indexed_with_its_resolution_as_a_second_vector(changes: dict[str, Any]) -> None:
    parts = Assembly()
    [_, settled] = send(parts, event(), event(event_version=2, **changes) | changes)
    assert settled.outcome is Outcome.INDEXED
    assert set(stored(parts).vectors) == {"text", "resolution"}
    assert payload(parts).flags == ("solved",)
    assert len(parts.results()) == 1


def test_a_resolution_is_embedded_once() -> None:
    parts = Assembly()
    send(parts, event(), event(event_version=2, reason="solved", resolution="Sent again."))
    before = stored(parts).vectors["resolution"]
    embedded(parts)
    send(parts, event(event_version=3, reason="rated", resolution="Sent again.", satisfaction=5))
    assert embedded(parts) == []
    assert np.array_equal(stored(parts).vectors["resolution"], before)
    send(parts, event(event_version=4, reason="solved", resolution="Paid back."))
    assert embedded(parts) == ["Paid back."]


def test_a_resolution_that_was_withdrawn_leaves_no_vector() -> None:
    parts = Assembly()
    send(parts, event(event_version=1, reason="solved", resolution="Sent again."))
    send(parts, event(event_version=2, reason="reopened"))
    assert set(stored(parts).vectors) == {"text"}
    assert payload(parts).resolution_digest is None


def test_a_poison_resolution_dead_letters_the_record() -> None:
    parts = Assembly()
    [settled] = send(parts, event(reason="solved", resolution="POISON"))
    assert settled.outcome is Outcome.DEAD_LETTERED
    assert settled.failure is not None
    assert settled.failure.reason is FailureReason.MODEL_FAILED
    assert parts.collection.points == {}


def test_reopened_with_the_same_text_is_indexed_and_no_longer_solved() -> None:
    parts = Assembly()
    settled = send(parts, event(), event(event_version=2, reason="solved"), event(event_version=3, reason="reopened"))
    assert [each.outcome for each in settled] == [Outcome.ROUTED, Outcome.INDEXED, Outcome.INDEXED]
    assert payload(parts).flags == ()


def test_reopened_with_another_text_is_routed_again() -> None:
    parts = Assembly()
    [_, _, settled] = send(
        parts,
        event(),
        event(event_version=2, reason="solved"),
        event(event_version=3, reason="reopened", body="It broke again."),
    )
    assert settled.outcome is Outcome.ROUTED


def test_deleted_leaves_a_tombstone_without_text_or_vector() -> None:
    parts = Assembly()
    [_, settled] = send(parts, event(), deleted(event_version=2))
    assert (settled.outcome, settled.results) == (Outcome.DELETED, ())
    assert stored(parts).vectors == {}
    TicketTombstone.model_validate(dict(stored(parts).payload))
    assert event()["subject"] not in str(stored(parts).payload)


def test_a_ticket_that_was_never_seen_can_be_deleted() -> None:
    parts = Assembly()
    [settled] = send(parts, deleted(event_version=7))
    assert (settled.outcome, stored(parts).version) == (Outcome.DELETED, 7)


def test_an_older_event_after_a_deletion_is_superseded() -> None:
    parts = Assembly()
    [_, settled] = send(parts, deleted(event_version=3), event(event_version=2))
    assert settled.outcome is Outcome.SUPERSEDED
    assert stored(parts).payload["deleted"] is True


def test_a_newer_event_brings_a_deleted_ticket_back() -> None:
    parts = Assembly()
    [_, _, settled] = send(parts, event(), deleted(event_version=2), event(event_version=3, reason="reopened"))
    assert settled.outcome is Outcome.ROUTED
    assert parts.results()[-1].decision.previous_queue is None


def test_a_repeat_publishes_the_same_decision_again_and_writes_nothing() -> None:
    parts = Assembly()
    send(parts, event())
    teach(parts)  # the vote would now give another answer
    written = parts.effects.count("upsert 1")
    embedded(parts)
    [settled] = send(parts, event())
    assert (settled.outcome, settled.point) == (Outcome.ROUTED, None)
    assert embedded(parts) == []
    assert parts.effects.count("upsert 1") == written
    first, again = parts.results()
    assert again.decision == first.decision


def test_a_repeat_of_an_event_that_was_only_indexed_publishes_nothing() -> None:
    parts = Assembly()
    solved = event(event_version=2, reason="solved")
    settled = send(parts, event(), solved, solved)
    assert [each.outcome for each in settled] == [Outcome.ROUTED, Outcome.INDEXED, Outcome.INDEXED]
    assert len(parts.results()) == 1


def test_a_repeat_of_an_update_that_kept_an_older_decision_publishes_nothing() -> None:
    parts = Assembly()
    settled = send(parts, event(), event(**UNCHANGED), event(**UNCHANGED))
    assert settled[2].outcome is Outcome.INDEXED
    assert len(parts.results()) == 1


def test_a_repeated_deletion_is_deleted_again() -> None:
    parts = Assembly()
    [_, settled] = send(parts, deleted(), deleted())
    assert (settled.outcome, settled.point) == (Outcome.DELETED, None)


def test_a_conflicting_repeat_publishes_nothing_of_the_losing_content() -> None:
    """The first content of a version wins, so that a repeat publishes the same result as before."""
    parts = Assembly()
    send(parts, event(priority="low"), event(priority="urgent"))
    assert {result.model_dump_json(exclude={"source"}) for result in parts.results()} == {
        parts.results()[0].model_dump_json(exclude={"source"})
    }


def test_a_decision_is_carried_over_by_events_that_are_only_indexed() -> None:
    parts = Assembly()
    teach(parts)
    send(parts, event())
    before = payload(parts)
    assert before.decision is not None
    assert before.decision.queue == "delivery"
    send(parts, event(**UNCHANGED), event(event_version=3, reason="solved"))
    assert (payload(parts).decision, payload(parts).decided_version) == (before.decision, 1)
