"""What a ticket's result says: the decision, the similar solved tickets and the suggested reply."""

from collections.abc import Sequence

from schemas.tickets import TicketSnapshot
from shared.routing.decider import Decider, Undecided
from shared.search.similar import Question, SimilarSearch
from workers.tickets.prepare import TicketItem


def decide(items: Sequence[TicketItem], decider: Decider) -> None:
    """Give every item its decision, unless a repeat already has one.

    Raises:
        Unavailable: the store cannot be read.
    """
    open_ = [item for item in items if item.decision is None]
    for item, decision in zip(open_, decider.decide([undecided(item) for item in open_]), strict=True):
        item.decision = decision


def find_similar(items: Sequence[TicketItem], search: SimilarSearch) -> None:
    """Give every item its similar tickets and its suggested reply.

    Raises:
        Unavailable: the store cannot be read.
    """
    questions = [
        Question(item.event.tenant_id, item.text, item.text_vector, item.event.occurred_at, item.point_id)
        for item in items
    ]
    for item, found in zip(items, search.find(questions), strict=True):
        item.similar, item.suggested_reply = found.similar, found.reply
        item.similar_left_out = None if found.solved is None else found.solved.left_out


def undecided(item: TicketItem) -> Undecided:
    """Return what a ticket is decided by."""
    event = item.event
    if not isinstance(event, TicketSnapshot):
        raise ValueError("a deleted ticket is not routed")
    return Undecided(
        point_id=item.point_id,
        tenant_id=event.tenant_id,
        text=item.text,
        vector=item.text_vector,
        priority=event.priority,
        agent_decided=event.agent_label is not None,
        previous_queue=item.previous_queue,
    )
