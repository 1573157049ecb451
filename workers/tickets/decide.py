"""Deciding: the vote of the tenant's labelled tickets, and the similar solved ones, in one batched query."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from schemas.tickets import Decision, LabelScore, SimilarTicket, TicketSnapshot
from shared.records import Vector
from shared.routing.neighbours import vote
from shared.settings import DecisionSettings
from shared.vectorstore.port import Collection, Hit, Query
from workers.tickets.prepare import TicketItem

TEXT_VECTOR = "text"
TOP_LABELS = 3
SPARE_HITS = 2
"""Similar tickets fetched for each one wanted, so that folding duplicates still leaves enough."""

SIMILAR_FIELDS = ("ticket_id", "label", "subject", "resolution", "satisfaction", "occurred_at", "text_digest")


def decide(items: Sequence[TicketItem], collection: Collection, settings: DecisionSettings) -> None:
    """Give every item its similar tickets and, unless a repeat already has one, its decision.

    Raises:
        Unavailable: the store cannot be read.
    """
    voters = collection.search([_voters(item, settings) for item in items])
    similar = collection.search([_similar(item, settings) for item in items]) if settings.similar else [[]] * len(items)
    for item, labelled, solved in zip(items, voters, similar, strict=True):
        item.similar = fold(_others(item, solved), settings.similar)
        if item.decision is None:
            neighbours = _others(item, labelled)[: settings.neighbours]
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


def fold(hits: Sequence[Hit], limit: int) -> tuple[SimilarTicket, ...]:
    """Return the best hits, of several with the same text only the first."""
    seen: set[object] = set()
    folded: list[SimilarTicket] = []
    for hit in hits:
        if hit.payload["text_digest"] not in seen and len(folded) < limit:
            seen.add(hit.payload["text_digest"])
            folded.append(_similar_ticket(hit))
    return tuple(folded)


def _others(item: TicketItem, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits that are not the ticket itself; queries ask for one more than they need."""
    return [hit for hit in hits if hit.id != item.point_id]


def _voters(item: TicketItem, settings: DecisionSettings) -> Query:
    return Query(
        vector=_vector(item),
        using=TEXT_VECTOR,
        limit=settings.neighbours + 1,
        equals={"tenant_id": item.event.tenant_id, "flags": "labelled"},
        payload=("label",),
    )


def _similar(item: TicketItem, settings: DecisionSettings) -> Query:
    return Query(
        vector=_vector(item),
        using=TEXT_VECTOR,
        limit=settings.similar * SPARE_HITS + 1,
        equals={"tenant_id": item.event.tenant_id, "flags": "solved"},
        at_least={"satisfaction": settings.min_satisfaction},
        payload=SIMILAR_FIELDS,
    )


def _vector(item: TicketItem) -> Vector:
    if item.text_embedded is None:
        raise ValueError("an item reaches the decision with its vector")
    return item.text_embedded.vector


def _similar_ticket(hit: Hit) -> SimilarTicket:
    payload = hit.payload
    return SimilarTicket.model_validate(
        {
            "score": min(1.0, hit.score),
            "occurred_at": datetime.fromisoformat(str(payload["occurred_at"])),
            **{name: payload[name] for name in ("ticket_id", "label", "subject", "resolution", "satisfaction")},
        }
    )
