"""Deciding: the trained head or, where there is none, the vote of labelled tickets; and what the policy makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from schemas.ours import is_ticket_id
from schemas.tickets import Decision, LabelScore, TicketSnapshot
from shared.routing.neighbours import vote
from shared.routing.policy import Policy
from shared.routing.verdict import Judged, judge, ranked
from shared.vectorstore.port import Collection, Hit, Query
from shared.vectorstore.widening import search_ours
from workers.tickets.prepare import TEXT_VECTOR, TicketItem

if TYPE_CHECKING:  # what a head needs takes seconds to import, and the vote does without
    from shared.routing.head import Head

TOP_LABELS = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found out about an item's label.

    Attributes:
        shares: Labels with their share of the vote or probability, best first.
        head: Fingerprint of the head that answered; None: a vote.
        scope: The head's scope score; None of a vote.
        in_scope: Whether the head has seen the like; always true of a vote.
    """

    shares: Sequence[tuple[str, float]]
    head: str | None = None
    scope: float | None = None
    in_scope: bool = True


class Decider:
    """Decides items by a head, or by the vote of the tenant's labelled tickets.

    Args:
        policy: What is done with a label.
        neighbours: How many labelled tickets vote.
        head: Decides instead of the vote.

    Raises:
        Fatal: the policy says nothing of some of the head's labels.
    """

    def __init__(self, policy: Policy, neighbours: int, head: "Head | None" = None) -> None:
        if head is not None:
            policy.check_labels(head.labels)
        self._policy, self._neighbours, self._head = policy, neighbours, head

    @property
    def head_fingerprint(self) -> str | None:
        """The head's fingerprint; None where the vote decides."""
        return None if self._head is None else self._head.fingerprint

    def decide(self, items: Sequence[TicketItem], collection: Collection) -> None:
        """Give every item its decision, unless a repeat already has one.

        Raises:
            Unavailable: the store cannot be read.
        """
        undecided = [item for item in items if item.decision is None]
        if not undecided:
            return
        answers = self._vote(undecided, collection) if self._head is None else _ask(self._head, undecided)
        for item, answer in zip(undecided, answers, strict=True):
            item.decision = to_decision(item, answer, self._policy)

    def _vote(self, items: Sequence[TicketItem], collection: Collection) -> list[Answer]:
        voters = search_ours([self._voters(item) for item in items], collection.search, _may_vote)
        return [
            Answer(vote([hit for hit in hits if hit.id != item.point_id][: self._neighbours], "label"))
            for item, hits in zip(items, voters, strict=True)
        ]

    def _voters(self, item: TicketItem) -> Query:
        return Query(
            vector=item.text_vector,
            using=TEXT_VECTOR,
            limit=self._neighbours + 1,  # itself may be among them
            equals={"tenant_id": item.event.tenant_id, "flags": "labelled"},
            payload=("tenant_id", "ticket_id", "label"),
        )


def _may_vote(_: Query, hit: Hit) -> bool:
    """Return whether a hit is a labelled ticket of ours, and not what another program wrote into the collection."""
    return isinstance(hit.payload.get("label"), str) and isfinite(hit.score) and is_ticket_id(hit.id, hit.payload)


def to_decision(item: TicketItem, answer: Answer, policy: Policy) -> Decision:
    """Turn an answer into a decision under the policy."""
    event = item.event
    if not isinstance(event, TicketSnapshot):
        raise ValueError("a deleted ticket is not routed")
    judged = Judged(
        shares=answer.shares,
        kind="vote" if answer.head is None else "head",
        in_scope=answer.in_scope,
        has_text=bool(item.text),
        agent_decided=event.agent_label is not None,
        priority=event.priority,
        tenant_id=event.tenant_id,
    )
    verdict = judge(judged, policy)
    return Decision(
        action=verdict.action,
        action_reason=verdict.action_reason,
        label=verdict.label,
        queue=verdict.queue,
        priority=verdict.priority,
        confidence=verdict.confidence,
        top=tuple(LabelScore(label=label, share=min(1.0, share)) for label, share in answer.shares[:TOP_LABELS]),
        previous_queue=_previous_queue(item),
        policy=policy.sha256,
        head=answer.head,
        scope=answer.scope,
    )


def _previous_queue(item: TicketItem) -> str | None:
    previous = item.stored.payload.get("decision") if item.stored is not None else None
    queue = previous.get("queue") if isinstance(previous, dict) else None
    return queue if isinstance(queue, str) else None


def _ask(head: "Head", items: Sequence[TicketItem]) -> list[Answer]:
    told = head.predict([item.text for item in items], np.stack([item.text_vector for item in items]))
    return [
        Answer(ranked(head.labels, shares), head.fingerprint, float(scope), bool(scope >= head.scope_at))
        for shares, scope in zip(told.probabilities, told.scope, strict=True)
    ]
