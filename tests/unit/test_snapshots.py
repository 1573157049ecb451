"""The rule of snapshots: the effect of an event, given the stored point, and which stored fields are carried over.

A green run does not prove that the store keeps its guard: the contract suites check that.
"""

from dataclasses import replace
from typing import Any

import pytest

from schemas.base import Frozen, Origin
from schemas.outcomes import Outcome
from shared.embedding.port import TEXT
from shared.engine.snapshots import Effect, Rules, digest_field, effect_of
from shared.engine.stream import Input
from shared.records import Point
from shared.vectorstore.port import Stored
from tests.support.assembly import Assembly, prepared_item
from tests.support.notes import NoteItem, NoteStages
from tests.support.streams import KINDS, NOTE_KIND, TICKET_KIND, Kind, on_each_stream

SAME, OTHER = "It should have been here on Monday.", "It has arrived broken."
ROUTE, INDEX, DELETE, SUPERSEDE, REPEAT = Effect


def stored_after(kind: Kind, *events: dict[str, Any]) -> Stored | None:
    """Return the stored point after these events, each in a batch of its own."""
    parts = Assembly(stream=kind.stream)
    for at, fields in enumerate(events):
        parts.settle(kind.record(fields, at))
    return parts.collection.lookup([kind.point_id()]).get(kind.point_id())


def effect(kind: Kind, before: list[dict[str, Any]], after: dict[str, Any]) -> Effect:
    item = prepared_item(kind.record(after), kind.stream)
    item.stored = stored_after(kind, *before)
    return effect_of(item, kind.stream.rules)


@on_each_stream
@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], (1, "created", SAME), ROUTE),
        ([], (1, "updated", SAME), ROUTE),
        ([], (1, "reopened", SAME), ROUTE),
        ([], (1, "solved", SAME), INDEX),
        ([], (1, "rated", SAME), INDEX),
        ([], (1, "deleted", None), DELETE),
        ([(1, "created", SAME)], (2, "created", SAME), ROUTE),
        ([(1, "created", SAME)], (2, "updated", SAME), INDEX),
        ([(1, "created", SAME)], (2, "updated", OTHER), ROUTE),
        ([(1, "created", SAME)], (2, "solved", OTHER), INDEX),
        ([(1, "created", SAME)], (2, "deleted", None), DELETE),
        ([(1, "solved", SAME)], (2, "updated", SAME), ROUTE),
        ([(1, "deleted", None)], (2, "updated", SAME), ROUTE),
        ([(1, "created", SAME), (2, "solved", OTHER)], (3, "reopened", OTHER), INDEX),
        ([(2, "created", SAME)], (1, "created", SAME), SUPERSEDE),
        ([(2, "deleted", None)], (1, "updated", OTHER), SUPERSEDE),
        ([(2, "created", SAME)], (1, "deleted", None), SUPERSEDE),
        ([(1, "created", SAME)], (1, "created", SAME), REPEAT),
        ([(1, "created", SAME)], (1, "created", OTHER), REPEAT),
        ([(1, "created", SAME), (2, "solved", SAME)], (1, "created", SAME), REPEAT),
        ([(1, "created", SAME), (2, "updated", OTHER)], (1, "created", SAME), SUPERSEDE),
        ([(1, "solved", SAME)], (1, "solved", SAME), REPEAT),
        ([(1, "solved", SAME)], (1, "solved", OTHER), SUPERSEDE),
        ([(1, "deleted", None)], (1, "deleted", None), REPEAT),
        ([(1, "deleted", None)], (1, "created", SAME), SUPERSEDE),
        ([(1, "created", SAME)], (1, "deleted", None), SUPERSEDE),
    ],
)
def test_the_effect_of_an_event_follows_from_the_stored_point(
    kind: Kind, before: list[tuple[int, str, str | None]], after: tuple[int, str, str | None], expected: Effect
) -> None:
    def event(version: int, reason: str, text: str | None) -> dict[str, Any]:
        return kind.event("T-1", version, reason, **({} if text is None else {"text": text}))

    assert effect(kind, [event(*each) for each in before], event(*after)) is expected


def test_without_a_valid_decision_nothing_counts_as_published_unless_the_stream_makes_no_decisions() -> None:
    stored = stored_after(KINDS[0], KINDS[0].event())
    assert stored is not None
    spoilt = replace(stored, payload={**stored.payload, "decision": "destroyed"})
    item = prepared_item(KINDS[0].record(KINDS[0].event(version=2, reason="updated", subject=...)))
    item.digests = {"text": str(stored.payload["text_digest"])}
    item.stored = spoilt
    assert effect_of(item, Rules(("text",), decides=True)) is ROUTE
    assert effect_of(item, Rules(("text",), decides=False)) is INDEX


def test_a_stored_decision_shows_that_something_was_published_even_without_its_version() -> None:
    stored = stored_after(TICKET_KIND, TICKET_KIND.event())
    assert stored is not None
    spoilt = replace(stored, payload={**stored.payload, "decided_version": None})
    item = prepared_item(TICKET_KIND.record(TICKET_KIND.event(version=2, reason="updated")))
    item.stored = spoilt
    assert effect_of(item, TICKET_KIND.stream.rules) is INDEX


def unused_fields(kind: Kind) -> set[str]:
    """Return the field of the digest of the sound, if the stream could store vectors of it and does not."""
    sound = kind.stream.sound
    return set() if sound is None or sound in kind.stream.inputs else {digest_field(sound.name)}


@on_each_stream
def test_a_stored_point_has_the_fields_and_types_of_the_stream_s_schema(kind: Kind) -> None:
    for events in ([kind.event()], [kind.event(), kind.event(version=2, reason="solved")], [kind.deleted()]):
        stored = stored_after(kind, *events)
        assert stored is not None
        assert kind.stream.points.foreign_reason(kind.point_id(), stored.payload) is None
        schema = kind.stream.tombstone if stored.payload["deleted"] else kind.stream.payload
        empty = {name for name, field in schema.model_fields.items() if field.default == ()}
        assert set(stored.payload) == set(schema.model_fields) - unused_fields(kind) - empty


def corrected(parts: Assembly, kind: Kind, **fields: object) -> None:
    """Write fields that people own into the stored point, as their events will do."""
    point = parts.collection.points[kind.point_id()]
    parts.collection.points[point.id] = Point(
        point.id, point.version, point.vectors, {**point.payload, **fields}, point.sparse
    )


OWNED = ("corrected_label", "hidden_suggestion")
OWNING = [
    kind if kind.stream.owned_fields else replace(kind, stream=replace(kind.stream, owned_fields=OWNED))
    for kind in KINDS
]


@pytest.mark.parametrize("kind", OWNING, ids=lambda kind: kind.name)
@pytest.mark.parametrize("reason", ["created", "updated", "solved", "rated", "reopened"])
def test_fields_that_people_own_are_carried_over_by_later_snapshots_and_by_replays(kind: Kind, reason: str) -> None:
    parts = Assembly(stream=kind.stream)
    first = kind.event()
    parts.settle(kind.record(first))
    corrected(parts, kind, corrected_label="billing", hidden_suggestion=True, foreign="not carried over")
    parts.settle(kind.record(kind.event(version=2, reason=reason, text=OTHER), 1))
    parts.settle(kind.record(first, 2))
    stored = parts.collection.points[kind.point_id()]
    assert (stored.version, kind.text_of(stored.payload)) == (2, OTHER)
    assert [stored.payload[name] for name in OWNED] == ["billing", True]
    assert "foreign" not in stored.payload


@pytest.mark.parametrize("kind", OWNING, ids=lambda kind: kind.name)
def test_a_deletion_removes_the_fields_that_people_own(kind: Kind) -> None:
    parts = Assembly(stream=kind.stream)
    parts.settle(kind.record(kind.event()))
    corrected(parts, kind, hidden_suggestion=True)
    [settled] = parts.settle(kind.record(kind.deleted(version=2), 1))
    assert settled.outcome is Outcome.DELETED
    assert "hidden_suggestion" not in parts.collection.points[kind.point_id()].payload


class Alerting(NoteStages):
    """Publishes each note to a second topic too."""

    def results(self, item: NoteItem, origin: Origin) -> list[tuple[str, Frozen]]:
        """Return the result, twice."""
        [(_, filed)] = super().results(item, origin)
        return [("notes.filed", filed), ("notes.alerts", filed)]


def test_a_result_may_go_to_several_topics_which_belong_to_the_topics_of_the_stream() -> None:
    topics = ("notes.filed", "notes.alerts")
    stream = replace(NOTE_KIND.stream, result_topics=topics, stages=lambda resources: Alerting(resources.decoder))
    parts = Assembly(stream=stream)
    parts.settle(NOTE_KIND.record(NOTE_KIND.event()))
    parts.settle(NOTE_KIND.record(NOTE_KIND.event(version=2, reason="solved"), 1))
    assert [[message.key for message in parts.delivered(topic)] for topic in topics] == [[b"acme:T-1"]] * 2
    assert set(topics) <= {topic.name for topic in stream.topics()}
    assert stream.result_topic == "notes.filed", "the audit compares the results of the first topic"


def test_a_stream_in_which_no_input_makes_a_decision_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one input must have affects_result=True"):
        replace(NOTE_KIND.stream, inputs=(Input("text", TEXT),))
