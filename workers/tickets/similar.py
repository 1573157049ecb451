"""The similar solved tickets and the suggested reply that a result carries."""

from collections.abc import Sequence

from shared.retrieval.similar import Question, SimilarSearch
from workers.tickets.prepare import TicketItem


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
