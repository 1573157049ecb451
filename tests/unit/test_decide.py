"""Deciding: shares of the vote, what the decision contains, and who votes.

A green run does not prove that the thresholds are good; the measured accuracy is in the documents. What the policy
does with the shares is tested in `test_verdict.py`.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.decisions import Decision
from schemas.points import point_id
from shared.embedding.port import Matrix
from shared.errors import Fatal
from shared.records import Embedded, Point
from shared.routing.decider import Answer, Decider, Electorate, Routing, Undecided, to_decision
from shared.routing.neighbours import TEMPERATURE, vote
from shared.routing.policy import Policy
from shared.stream_settings import DecisionSettings
from shared.vectorstore.port import Hit, Stored
from tests.support.assembly import prepared_item
from tests.support.fakes import DIM, FakeCollection
from tests.support.tickets import deleted, event, record
from workers.tickets.decide import undecided
from workers.tickets.prepare import TicketItem
from workers.tickets.stages import TICKETS

SETTINGS = DecisionSettings()
POLICY = Policy.load(None)


def hit(label: str, score: float = 0.9, **payload: object) -> Hit:
    return Hit(uuid4(), score, {"label": label, **payload})


def item(**changes: Any) -> TicketItem:
    made: TicketItem = prepared_item(record(event(**changes)))
    made.embedded["text"] = Embedded(unit(1.0), 1)
    return made


def judged(asked: TicketItem, answer: Answer, policy: Policy = POLICY) -> Decision:
    """Return what the policy makes of an answer about a ticket."""
    return to_decision(undecided(asked), answer, policy)


def decider(store: FakeCollection, neighbours: int = SETTINGS.neighbours) -> Decider:
    electorate = Electorate(store, "text", neighbours, "ticket_id", TICKETS.points.is_ours)
    return Decider(Routing(POLICY), electorate)


def unit(cosine: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return a unit vector with this cosine to the first axis."""
    made = np.zeros(DIM, np.float32)
    made[0], made[1] = cosine, math.sqrt(1 - cosine**2)
    return made


def test_no_hits_give_no_vote() -> None:
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


def test_very_distant_neighbours_do_not_underflow() -> None:
    assert vote([hit("a", -1.0), hit("b", -1.0)], "label")[0][1] == pytest.approx(0.5)


def test_a_clear_vote_is_followed_and_the_decision_names_the_policy() -> None:
    decision = judged(item(priority="high"), Answer([("a", 0.8), ("b", 0.2)]))
    assert (decision.action, decision.action_reason, decision.confidence) == ("auto", "vote_clear", 0.8)
    assert (decision.label, decision.queue, decision.priority) == ("a", "a", "high")
    assert (decision.policy, decision.head, decision.scope) == (POLICY.sha256, None, None)


def test_the_policy_of_the_ticket_s_tenant_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "routing.toml"
    file.write_text(
        "default = {auto_at = 0.8, review_at = 0.4}\n"
        "[tenants.acme.labels.a]\nqueue = 'parcels'\npriority = 'urgent'\nauto_at = 0.9\n"
    )
    policy = Policy.load(file)
    ours, theirs = (judged(item(tenant_id=tenant), Answer([("a", 0.85)]), policy) for tenant in ("acme", "other"))
    assert (ours.action, ours.label, ours.queue, ours.priority) == ("review", "a", "parcels", "urgent")
    assert (theirs.action, theirs.label, theirs.queue, theirs.priority) == ("auto", "a", "a", "normal")


def test_a_split_vote_gives_the_shares_and_no_queue() -> None:
    decision = judged(item(), Answer([("a", 0.39), ("b", 0.31), ("c", 0.3)]))
    assert (decision.action, decision.action_reason, decision.confidence) == ("abstain", "vote_split", 0.39)
    assert (decision.label, decision.queue, len(decision.top)) == (None, None, 3)


def test_a_deletion_is_not_routed() -> None:
    gone = TICKETS.decode(record(deleted()))
    with pytest.raises(ValueError, match="a deletion was passed to the decision"):
        judged(gone, Answer([("a", 1.0)]))


def test_without_neighbours_it_abstains() -> None:
    decision = judged(item(), Answer([]))
    assert (decision.action, decision.action_reason, decision.top) == ("abstain", "no_labelled_neighbours", ())


def test_without_a_text_it_abstains_whatever_the_vote() -> None:
    assert judged(item(subject="", body=""), Answer([("a", 1.0)])).action_reason == "no_text"


def test_an_agent_s_ticket_is_reviewed_whatever_the_vote() -> None:
    decision = judged(item(agent_label="b"), Answer([("a", 1.0)]))
    assert (decision.action, decision.action_reason, decision.queue) == ("review", "agent_decided", "a")


def test_the_decision_holds_the_best_three_labels() -> None:
    top = judged(item(), Answer([("a", 0.5), ("b", 0.3), ("c", 0.1), ("d", 0.1)])).top
    assert [(each.label, each.share) for each in top] == [("a", 0.5), ("b", 0.3), ("c", 0.1)]


def test_a_share_just_above_one_by_a_rounding_error_becomes_one() -> None:
    assert judged(item(), Answer([("a", 1.0000000000000002)])).confidence == 1.0


@pytest.mark.parametrize(
    ("decision", "queue"), [({"queue": "billing"}, "billing"), ({"queue": None}, None), (None, None)]
)
def test_the_decision_holds_the_previous_queue(decision: object, queue: str | None) -> None:
    asked = item(event_version=2)
    asked.stored = Stored(1, {"decision": decision}, {})
    assert judged(asked, Answer([("a", 1.0)])).previous_queue == queue


def solved(ticket_id: str, cosine: float, **changes: Any) -> Point:
    """Return the point of a solved, labelled and well-rated ticket."""
    payload: dict[str, object] = {
        "tenant_id": "acme", "ticket_id": ticket_id, "event_version": 1, "flags": ["solved", "labelled"],
        "label": "delivery", "satisfaction": 5, "subject": ticket_id, "resolution": "Sent again.",
        "occurred_at": "2026-01-01T00:00:00Z", "text_digest": ticket_id,
    }  # fmt: skip
    payload |= changes
    return Point(point_id(str(payload["tenant_id"]), "tickets", ticket_id), 1, {"text": unit(cosine)}, payload)


def collection(*points: Point) -> FakeCollection:
    made = FakeCollection()
    made.upsert(points)
    return made


def decided(asked: TicketItem, *points: Point, settings: DecisionSettings = SETTINGS) -> TicketItem:
    decider(collection(*points), settings.neighbours).decide_items([asked], undecided)
    return asked


def test_the_nearest_labelled_tickets_decide() -> None:
    settings = DecisionSettings(neighbours=2)
    asked = decided(item(), solved("a", 0.9), solved("b", 0.9), solved("c", 0.5, label="billing"), settings=settings)
    assert asked.decision is not None
    assert (asked.decision.label, asked.decision.confidence) == ("delivery", 1.0)


def test_a_ticket_does_not_vote_for_itself() -> None:
    asked = item()
    itself = solved("T-1", 1.0, label="wrong")
    itself = Point(asked.point_id, 1, itself.vectors, itself.payload)
    decided(asked, itself, solved("a", 0.5), settings=DecisionSettings(neighbours=1))
    assert asked.decision is not None
    assert asked.decision.label == "delivery"


def test_another_tenant_s_tickets_do_not_vote() -> None:
    asked = decided(item(), solved("a", 0.9, tenant_id="other"))
    assert asked.decision is not None
    assert asked.decision.action_reason == "no_labelled_neighbours"


@pytest.mark.parametrize("changes", [{"label": 7}, {"label": None}, {"ticket_id": 7}, {"ticket_id": "b"}], ids=str)
def test_points_of_another_program_do_not_vote(changes: dict[str, Any]) -> None:
    foreign = solved("a", 0.99)
    asked = decided(
        item(), replace(foreign, payload=dict(foreign.payload) | changes), solved("c", 0.5, label="billing")
    )
    assert asked.decision is not None
    assert (asked.decision.label, asked.decision.confidence) == ("billing", 1.0)


def test_a_vector_that_is_not_a_number_does_not_vote() -> None:
    store = collection(solved("c", 0.5))
    spoilt = replace(solved("a", 0.9, label="spoilt"), vectors={"text": np.full(DIM, np.nan, np.float32)})
    store.points[spoilt.id] = spoilt
    asked = item()
    decider(store, 2).decide_items([asked], undecided)
    assert asked.decision is not None
    assert (asked.decision.label, asked.decision.confidence) == ("delivery", 1.0)


@pytest.mark.parametrize("queue", [7, ["billing"], {}, True])
def test_a_previous_queue_that_is_no_text_is_read_as_none(queue: object) -> None:
    asked = item(event_version=2)
    asked.stored = Stored(1, {"decision": {"queue": queue}}, {})
    assert judged(asked, Answer([("a", 1.0)])).previous_queue is None


def test_a_decision_that_already_exists_stays() -> None:
    asked = item()
    asked.decision = Decision(action="abstain", action_reason="no_text", priority="normal", policy=POLICY.sha256)
    decided(asked, solved("a", 0.9))
    assert asked.decision.action_reason == "no_text"


class Named:
    """A zero-shot judge of two labels that is certain of the second."""

    labels = ("hat", "shoe")
    using = "image"

    def probabilities(self, vectors: Matrix) -> NDArray[np.float32]:
        """Return the same probabilities for each vector."""
        assert vectors.shape[1] == DIM
        return np.tile(np.array([0.25, 0.75], np.float32), (len(vectors), 1))


def seen(row: int, *inputs: str, text: str = "") -> Undecided:
    """Return a product that has these inputs."""
    vectors = {name: unit(1.0) for name in inputs}
    return Undecided(point_id("acme", "tickets", str(row)), "acme", text, vectors, "normal", agent_decided=False)


def test_labels_are_judged_by_name_if_nobody_votes() -> None:
    electorate = Electorate(collection(), "image", 2, "ticket_id", TICKETS.points.is_ours)
    judging = Decider(Routing(POLICY, zero_shot=Named()), electorate)
    first, second = judging.decide([seen(1, "image"), seen(2, "text", text="a hat")])
    assert (first.action, first.action_reason, first.label, first.confidence) == ("review", "zero_shot", "shoe", 0.75)
    assert (first.head, first.scope, len(first.top)) == (None, None, 2)
    assert second.action_reason == "no_labelled_neighbours", "it lacks the vector that the judge compares"


def test_a_vote_comes_before_labels_judged_by_name() -> None:
    electorate = Electorate(collection(solved("a", 0.9)), "text", 2, "ticket_id", TICKETS.points.is_ours)
    judging = Decider(Routing(POLICY, zero_shot=Named()), electorate)
    [voted, unlabelled] = judging.decide([seen(1, "text", "image"), replace(seen(2, "text", "image"), tenant_id="x")])
    assert (voted.action_reason, voted.label) == ("vote_clear", "delivery")
    assert (unlabelled.action_reason, unlabelled.label) == ("zero_shot", "shoe")


def test_an_event_without_the_compared_vector_is_not_searched() -> None:
    store = collection(solved("a", 0.9))
    store.effects.clear()
    electorate = Electorate(store, "text", 2, "ticket_id", TICKETS.points.is_ours)
    lacking, having = Decider(Routing(POLICY), electorate).decide([seen(1, "image"), seen(2, "text")])
    assert (lacking.action_reason, having.action_reason) == ("no_labelled_neighbours", "vote_clear")
    assert store.effects == ["search 1"]


def test_a_policy_with_rows_needs_one_for_each_label_that_is_judged_by_name(tmp_path: Path) -> None:
    file = tmp_path / "routing.toml"
    file.write_text("default = {auto_at = 0.8, review_at = 0.4}\n[labels.shoe]\nqueue = 'footwear'\n")
    with pytest.raises(Fatal, match=r"no table for 1 of the zero-shot labels: add \[labels.hat\]$"):
        Routing(Policy.load(file), zero_shot=Named())
    file.write_text("default = {auto_at = 0.8, review_at = 0.4}\n")
    assert Routing(Policy.load(file), zero_shot=Named()).fingerprint is None


def test_a_batch_is_one_search() -> None:
    asked = collection(solved("a", 0.9))
    asked.effects.clear()
    items = [item(), item(ticket_id="T-2"), item(ticket_id="T-3")]
    decider(asked).decide_items(items, undecided)
    assert asked.effects == ["search 3"]
