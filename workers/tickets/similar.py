"""The similar solved tickets that a result carries."""

from collections.abc import Sequence
from datetime import datetime

from schemas.tickets import SimilarTicket
from shared.settings import DecisionSettings
from shared.vectorstore.port import Collection, Hit, Query
from workers.tickets.prepare import TEXT_VECTOR, TicketItem

SPARE_HITS = 2
"""Similar tickets fetched for each one wanted, so that folding duplicates still leaves enough."""

SIMILAR_FIELDS = ("ticket_id", "label", "subject", "resolution", "satisfaction", "occurred_at", "text_digest")


def find_similar(items: Sequence[TicketItem], collection: Collection, settings: DecisionSettings) -> None:
    """Give every item its similar tickets.

    Raises:
        Unavailable: the store cannot be read.
    """
    if not settings.similar:
        return
    for item, solved in zip(items, collection.search([_similar(item, settings) for item in items]), strict=True):
        item.similar = fold([hit for hit in solved if hit.id != item.point_id], settings.similar)


def fold(hits: Sequence[Hit], limit: int) -> tuple[SimilarTicket, ...]:
    """Return the best hits, of several with the same text only the first."""
    seen: set[object] = set()
    folded: list[SimilarTicket] = []
    for hit in hits:
        if hit.payload["text_digest"] not in seen and len(folded) < limit:
            seen.add(hit.payload["text_digest"])
            folded.append(_similar_ticket(hit))
    return tuple(folded)


def _similar(item: TicketItem, settings: DecisionSettings) -> Query:
    return Query(
        vector=item.text_vector,
        using=TEXT_VECTOR,
        limit=settings.similar * SPARE_HITS + 1,
        equals={"tenant_id": item.event.tenant_id, "flags": "solved"},
        at_least={"satisfaction": settings.min_satisfaction},
        payload=SIMILAR_FIELDS,
    )


def _similar_ticket(hit: Hit) -> SimilarTicket:
    payload = hit.payload
    return SimilarTicket.model_validate(
        {
            "score": min(1.0, hit.score),
            "occurred_at": datetime.fromisoformat(str(payload["occurred_at"])),
            **{name: payload[name] for name in ("ticket_id", "label", "subject", "resolution", "satisfaction")},
        }
    )
