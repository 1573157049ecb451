"""Deciding: the vote of the tenant's labelled tickets."""

from collections.abc import Sequence
from typing import Any

from schemas.tickets import Decision, LabelScore, TicketSnapshot
from shared.routing.neighbours import vote
from shared.settings import DecisionSettings
from shared.vectorstore.port import Collection, Query
from workers.tickets.prepare import TEXT_VECTOR, TicketItem

TOP_LABELS = 3


def decide(items: Sequence[TicketItem], collection: Collection, settings: DecisionSettings) -> None:
    """Give every item its decision, unless a repeat already has one.

    Raises:
        Unavailable: the store cannot be read.
    """
    undecided = [item for item in items if item.decision is None]
    voters = collection.search([_voters(item, settings) for item in undecided])
    for item, labelled in zip(undecided, voters, strict=True):
        neighbours = [hit for hit in labelled if hit.id != item.point_id][: settings.neighbours]
        item.decision = judge(item, vote(neighbours, "label"), settings)


def judge(item: TicketItem, shares: Sequence[tuple[str, float]], settings: DecisionSettings) -> Decision:
    """Turn the vote into an action: `auto`, `review`, or `abstain` with the reason."""
    previous = item.stored.payload.get("decision") if item.stored is not None else None
    previous_queue = previous.get("queue") if isinstance(previous, dict) else None
    top = tuple(LabelScore(label=label, share=min(1.0, share)) for label, share in shares[:TOP_LABELS])
    common: dict[str, Any] = {"top": top, "previous_queue": previous_queue}
    if not item.text:
        return Decision(action="abstain", action_reason="no_text", **common)
    if not shares:
        return Decision(action="abstain", action_reason="no_labelled_neighbours", **common)
    label, share = top[0].label, top[0].share
    if share < settings.review_at:
        return Decision(action="abstain", action_reason="vote_split", confidence=share, **common)
    agent_decided = isinstance(item.event, TicketSnapshot) and item.event.agent_label is not None
    sure = share >= settings.auto_at
    return Decision(
        action="auto" if sure and not agent_decided else "review",
        action_reason="agent_decided" if agent_decided else "vote_clear" if sure else "vote_unsure",
        label=label,
        queue=label,
        confidence=share,
        **common,
    )


def _voters(item: TicketItem, settings: DecisionSettings) -> Query:
    return Query(
        vector=item.text_vector,
        using=TEXT_VECTOR,
        limit=settings.neighbours + 1,  # itself may be among them
        equals={"tenant_id": item.event.tenant_id, "flags": "labelled"},
        payload=("label",),
    )
