"""Determines the result of a ticket: the decision, the similar solved tickets and the suggested reply."""

from collections.abc import Sequence

from schemas.search import SimilarTicket
from schemas.tickets import TicketSnapshot
from shared.routing.decider import Undecided
from shared.search.similar import Question, SimilarSearch
from workers.tickets.prepare import TEXT, TicketItem


def find_similar(items: Sequence[TicketItem], search: SimilarSearch[SimilarTicket]) -> None:
    """Set the similar tickets and the suggested reply of every item.

    Raises:
        Unavailable: the store cannot be read.
    """
    questions = [
        Question(
            item.event.tenant_id,
            item.text,
            item.text_vector,
            item.event.occurred_at,
            item.point_id,
            None if item.stored is None else item.stored.payload,
            language=item.language,
            customer_id=_customer(item),
        )
        for item in items
    ]
    for item, found in zip(items, search.find(questions), strict=True):
        item.similar, item.suggested_reply = found.similar, found.reply
        item.similar_left_out = found.left_out


def _customer(item: TicketItem) -> str | None:
    return item.event.customer_id if isinstance(item.event, TicketSnapshot) else None


def undecided(item: TicketItem) -> Undecided:
    """Return the data by which a ticket is decided."""
    event = item.event
    if not isinstance(event, TicketSnapshot):
        raise ValueError("a deletion was passed to the decision")
    return Undecided(
        point_id=item.point_id,
        tenant_id=event.tenant_id,
        text=item.text,
        vectors={TEXT: item.text_vector},
        priority=event.priority,
        agent_decided=event.agent_label is not None,
        previous_queue=item.previous_queue,
        abstains=None if item.text else "no_text",
    )
