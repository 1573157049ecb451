"""Deciding: shares of the vote, thresholds, reasons to abstain, and the folding of similar tickets.

A green run does not prove that the thresholds are good ones; the measured accuracy is in the documents.
"""

import math
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from schemas.tickets import Decision
from shared.records import Embedded, Point
from shared.routing.neighbours import TEMPERATURE, vote
from shared.settings import DecisionSettings
from shared.vectorstore.port import Hit, Stored
from tests.fakes import DIM, FakeCollection
from tests.tickets import event, record
from workers.tickets.decide import decide, judge
from workers.tickets.prepare import TicketItem, decode_ticket, prepare
from workers.tickets.similar import find_similar, fold

SETTINGS = DecisionSettings()


def hit(label: str, score: float = 0.9, **payload: object) -> Hit:
    return Hit(uuid4(), score, {"label": label, **payload})


def item(**changes: Any) -> TicketItem:
    made = decode_ticket(record(event(**changes)))
    prepare(made)
    made.text_embedded = Embedded(unit(1.0), 1)
    return made


def unit(cosine: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return a unit vector with this cosine to the first axis."""
    made = np.zeros(DIM, np.float32)
    made[0], made[1] = cosine, math.sqrt(1 - cosine**2)
    return made


def test_no_hits_no_vote() -> None:
    assert vote([], "label") == []


def test_equal_neighbours_vote_equally() -> None:
    shares = vote([hit("a"), hit("a"), hit("b")], "label")
    assert [label for label, _ in shares] == ["a", "b"]
    assert [share for _, share in shares] == pytest.approx([2 / 3, 1 / 3])


def test_a_nearer_neighbour_weighs_more() -> None:
    [(first, share), _] = vote([hit("far", 0.5), hit("near", 0.8)], "label")
    odds = math.exp(0.3 / TEMPERATURE)
    assert first == "near"
    assert share == pytest.approx(odds / (odds + 1))


def test_shares_sum_to_one_and_ties_go_to_the_first_name() -> None:
    shares = vote([hit(label, 0.7) for label in "cab"], "label")
    assert [label for label, _ in shares] == ["a", "b", "c"]
    assert sum(share for _, share in shares) == pytest.approx(1)


def test_very_unlike_neighbours_do_not_underflow() -> None:
    assert vote([hit("a", -1.0), hit("b", -1.0)], "label")[0][1] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("share", "action", "reason"),
    [
        (1.0, "auto", "vote_clear"),
        (0.8, "auto", "vote_clear"),
        (0.79, "review", "vote_unsure"),
        (0.4, "review", "vote_unsure"),
        (0.39, "abstain", "vote_split"),
    ],
)
def test_the_thresholds(share: float, action: str, reason: str) -> None:
    decision = judge(item(), [("a", share), ("b", 1 - share)], SETTINGS)
    assert (decision.action, decision.action_reason, decision.confidence) == (action, reason, share)
    assert decision.queue == (None if action == "abstain" else "a")


def test_thresholds_are_settings() -> None:
    settings = DecisionSettings(auto_at=0.5, review_at=0.2)
    assert judge(item(), [("a", 0.5)], settings).action == "auto"
    assert judge(item(), [("a", 0.2)], settings).action == "review"


def test_without_neighbours_it_abstains() -> None:
    decision = judge(item(), [], SETTINGS)
    assert (decision.action, decision.action_reason, decision.top) == ("abstain", "no_labelled_neighbours", ())


def test_without_a_text_it_abstains_whatever_the_vote() -> None:
    assert judge(item(subject="", body=""), [("a", 1.0)], SETTINGS).action_reason == "no_text"


def test_an_agent_s_ticket_is_reviewed_whatever_the_vote() -> None:
    decision = judge(item(agent_label="b"), [("a", 1.0)], SETTINGS)
    assert (decision.action, decision.action_reason, decision.queue) == ("review", "agent_decided", "a")


def test_the_best_three_labels_are_told() -> None:
    top = judge(item(), [("a", 0.5), ("b", 0.3), ("c", 0.1), ("d", 0.1)], SETTINGS).top
    assert [(each.label, each.share) for each in top] == [("a", 0.5), ("b", 0.3), ("c", 0.1)]


def test_a_share_a_rounding_error_above_one_is_one() -> None:
    assert judge(item(), [("a", 1.0000000000000002)], SETTINGS).confidence == 1.0


@pytest.mark.parametrize(
    ("decision", "queue"), [({"queue": "billing"}, "billing"), ({"queue": None}, None), (None, None)]
)
def test_the_queue_before_is_told(decision: object, queue: str | None) -> None:
    asked = item(event_version=2)
    asked.stored = Stored(1, {"decision": decision}, {})
    assert judge(asked, [("a", 1.0)], SETTINGS).previous_queue == queue


def solved(ticket_id: str, cosine: float, **changes: Any) -> Point:
    """Return the point of a solved, labelled and well rated ticket."""
    payload: dict[str, object] = {
        "tenant_id": "acme", "ticket_id": ticket_id, "event_version": 1, "flags": ["solved", "labelled"],
        "label": "delivery", "satisfaction": 5, "subject": ticket_id, "resolution": "Sent again.",
        "occurred_at": "2026-01-01T00:00:00Z", "text_digest": ticket_id,
    }  # fmt: skip
    return Point(uuid4(), 1, {"text": unit(cosine)}, payload | changes)


def collection(*points: Point) -> FakeCollection:
    made = FakeCollection()
    made.upsert(points)
    return made


def decided(asked: TicketItem, *points: Point, settings: DecisionSettings = SETTINGS) -> TicketItem:
    decide([asked], collection(*points), settings)
    find_similar([asked], collection(*points), settings)
    return asked


def similar(asked: TicketItem) -> list[str]:
    return [each.ticket_id for each in asked.similar]


def test_the_nearest_labelled_tickets_decide() -> None:
    settings = DecisionSettings(neighbours=2)
    asked = decided(item(), solved("a", 0.9), solved("b", 0.9), solved("c", 0.5, label="billing"), settings=settings)
    assert asked.decision is not None
    assert (asked.decision.label, asked.decision.confidence) == ("delivery", 1.0)


def test_similar_tickets_come_best_first_up_to_the_number_wanted() -> None:
    points = [solved(f"s{n}", 0.9 - n / 10) for n in range(7)]
    assert similar(decided(item(), *points)) == ["s0", "s1", "s2", "s3", "s4"]
    assert similar(decided(item(), *points, settings=DecisionSettings(similar=2))) == ["s0", "s1"]
    assert similar(decided(item(), *points, settings=DecisionSettings(similar=0))) == []


def test_duplicates_are_folded_and_others_take_their_place() -> None:
    points = [solved(f"s{n}", 0.95 - n / 20, text_digest="same" if n < 5 else str(n)) for n in range(9)]
    assert similar(decided(item(), *points)) == ["s0", "s5", "s6", "s7", "s8"]


@pytest.mark.parametrize(
    "changes", [{"flags": ["labelled"]}, {"satisfaction": 3}, {"satisfaction": None}, {"tenant_id": "other"}]
)
def test_what_is_no_answer_is_left_out(changes: dict[str, Any]) -> None:
    assert similar(decided(item(), solved("a", 0.9, **changes))) == []


def test_the_rating_wanted_is_a_setting() -> None:
    assert similar(
        decided(item(), solved("a", 0.9, satisfaction=2), settings=DecisionSettings(min_satisfaction=2))
    ) == ["a"]


def test_a_ticket_neither_votes_for_itself_nor_resembles_itself() -> None:
    asked = item()
    itself = solved("T-1", 1.0, label="wrong")
    itself = Point(asked.point_id, 1, itself.vectors, itself.payload)
    decided(asked, itself, solved("a", 0.5), settings=DecisionSettings(neighbours=1, similar=1))
    assert asked.decision is not None
    assert asked.decision.label == "delivery"
    assert similar(asked) == ["a"]


def test_another_tenant_s_tickets_do_not_vote() -> None:
    asked = decided(item(), solved("a", 0.9, tenant_id="other"))
    assert asked.decision is not None
    assert asked.decision.action_reason == "no_labelled_neighbours"


def test_a_decision_that_is_there_already_stays() -> None:
    asked = item()
    asked.decision = Decision(action="abstain", action_reason="no_text")
    decided(asked, solved("a", 0.9))
    assert asked.decision.action_reason == "no_text"
    assert similar(asked) == ["a"]


def test_a_batch_is_asked_in_two_searches() -> None:
    asked = collection(solved("a", 0.9))
    asked.effects.clear()
    items = [item(), item(ticket_id="T-2"), item(ticket_id="T-3")]
    decide(items, asked, SETTINGS)
    find_similar(items, asked, SETTINGS)
    assert asked.effects == ["search 3", "search 3"]


def test_a_score_a_rounding_error_above_one_is_one() -> None:
    point = solved("a", 1.0)
    [folded] = fold([Hit(UUID(int=1), 1.0000001, point.payload)], 1)
    assert folded.score == 1.0
    assert folded.occurred_at.isoformat() == "2026-01-01T00:00:00+00:00"
