"""The tickets stream: its stages and its descriptor, `TICKETS`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from typing_extensions import override

from schemas.base import Frozen, Origin
from schemas.decisions import Priority
from schemas.search import SimilarTicket
from schemas.tickets import (
    TICKET_EVENT,
    Channel,
    TicketContent,
    TicketDeleted,
    TicketFlag,
    TicketPayload,
    TicketRouted,
    TicketSnapshot,
    TicketTombstone,
)
from shared.embedding import port as modality
from shared.engine.resources import Resources
from shared.engine.snapshots import Asks
from shared.engine.stages import Content, Stages
from shared.engine.stream import Input, Stream
from shared.routing.decider import Decider
from shared.search.federated.findable import FINDABLE_TICKETS
from shared.search.filterable import Filterable
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import TERMS_VECTOR, SimilarSearch
from shared.text.customers import CustomerIds
from shared.text.language import detect_language
from shared.text.preparation import Prepared, Preparer
from shared.vectorstore.terms import terms_digest
from workers.tickets.decide import find_similar, undecided
from workers.tickets.prepare import RESOLUTION, TEXT, TicketItem, estimated_tokens, prepare

RESULT_TOPIC = "tickets.routed"


@dataclass(frozen=True, slots=True)
class TicketStages(Stages[TicketItem]):
    """What the tickets stream supplies to the pipeline."""

    preparer: Preparer
    customers: CustomerIds
    decider: Decider
    search: SimilarSearch[SimilarTicket]
    model: str

    @classmethod
    def of(cls, resources: Resources) -> "TicketStages":
        """Create the stages of a worker.

        Raises:
            Fatal: the model that detects languages cannot be read.
        """
        detect_language("")  # this reads the model, so that the first batch need not
        return cls(
            preparer=Preparer(resources.preparation),
            customers=CustomerIds(resources.customer_key, resources.preparation.phone_region),
            decider=resources.decider,
            search=SimilarSearch(resources.collection, SOLVED_TICKETS, resources.search, TICKETS.points.is_ours),
            model=resources.models[modality.TEXT.name],
        )

    @override
    def prepare(self, items: Sequence[TicketItem]) -> None:
        """Prepare the texts of every ticket."""
        for item in items:
            prepare(item, self.preparer, self.customers)

    @override
    def decide(self, items: Sequence[TicketItem]) -> None:
        """Decide, and search for similar tickets."""
        self.decider.decide_items(items, undecided)
        find_similar(items, self.search)

    @override
    def content(self, item: TicketItem) -> Content:
        event = _snapshot(item)
        content = TicketContent(
            **event.model_dump(
                include={
                    "occurred_at", "subject", "body", "language", "channel", "customer_id", "priority", "attributes",
                    "resolution", "satisfaction",
                }
            ),
            detected_language=item.detected_language,
            resolution_language=item.resolution_language,
            body_embedded=_if_different(item.body),
            resolution_embedded=None if item.resolution is None else _if_different(item.resolution),
            label=event.agent_label,
            flags=flags(event),
        )  # fmt: skip
        return Content(content.model_dump(mode="json"), {TERMS_VECTOR: self.search.stored_terms(item.text)})

    @override
    def results(self, item: TicketItem, origin: Origin) -> list[tuple[str, Frozen]]:
        """Return the result of a ticket that is routed."""
        if item.decision is None:
            raise ValueError("a routed item has no decision")
        event = _snapshot(item)
        result = TicketRouted(
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            event_version=event.event_version,
            occurred_at=item.occurred_at,
            language=item.language,
            decision=item.decision,
            similar=item.similar,
            similar_left_out=item.similar_left_out,
            suggested_reply=item.suggested_reply,
            text_windows=item.embedded[TEXT].windows,
            model=self.model,
            source=origin,
        )
        return [(RESULT_TOPIC, result)]


def asks(event: TicketSnapshot | TicketDeleted) -> Asks:
    """Return whether an event asks for a result: a new ticket always, an open ticket if its text has changed."""
    if event.reason == "created":
        return Asks.ALWAYS
    return Asks.NEVER if isinstance(event, TicketDeleted) or event.solved else Asks.IF_CHANGED


def flags(event: TicketSnapshot) -> tuple[TicketFlag, ...]:
    """Return the flags by which searches filter."""
    found: list[tuple[TicketFlag, bool]] = [("solved", event.solved), ("labelled", event.agent_label is not None)]
    return tuple(flag for flag, holds in found if holds)


def _snapshot(item: TicketItem) -> TicketSnapshot:
    if isinstance(item.event, TicketDeleted):
        raise ValueError("a deletion was passed where a snapshot of a ticket is needed")
    return item.event


def _if_different(prepared: Prepared) -> str | None:
    return None if prepared.embedded == prepared.kept else prepared.embedded


TICKETS: Stream[TicketSnapshot | TicketDeleted, TicketItem] = Stream(
    name="tickets",
    id_field="ticket_id",
    events=TICKET_EVENT,
    snapshot=TicketSnapshot,
    payload=TicketPayload,
    tombstone=TicketTombstone,
    result=TicketRouted,
    result_topics=(RESULT_TOPIC,),
    item=TicketItem,
    inputs=(Input(TEXT, modality.TEXT, affects_result=True), Input(RESOLUTION, modality.TEXT)),
    asks=asks,
    cost=estimated_tokens,
    cost_unit="tokens",
    stages=TicketStages.of,
    owned_fields=("corrected_label", "hidden_suggestion"),
    indexes={"tenant_id": "keyword", "flags": "keyword", "satisfaction": "integer"},
    filters={
        "occurred_at": Filterable(("occurred_at",), "datetime"),
        "channel": Filterable(("channel",), "keyword", choices=get_args(Channel)),
        "priority": Filterable(("priority",), "keyword", choices=get_args(Priority)),
        "label": Filterable(("label",), "keyword"),
        "predicted": Filterable(("decision", "label"), "keyword"),
        "queue": Filterable(("decision", "queue"), "keyword"),
        "language": Filterable(("detected_language",), "keyword"),
        "satisfaction": Filterable(("satisfaction",), "integer"),
    },
    sparse=(TERMS_VECTOR,),
    searchable=SOLVED_TICKETS,
    findable=FINDABLE_TICKETS,
    conditions=4,  # of a similar search: tenant, solved, rated high enough or not rated
    variants=(terms_digest(),),  # another tokenizer of terms needs another collection
)
