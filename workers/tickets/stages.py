"""The stages of the tickets stream, as the pipeline calls them: decode, embed, decide, build.

What each `reason` does to the point and to the result is the table in `docs/delivery.md`; here it is `_needs_routing`
and `build`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.base import UtcDatetime
from schemas.outcomes import Outcome
from schemas.points import Flag, TicketPayload, TicketTombstone
from schemas.tickets import Decision, Origin, TicketDeleted, TicketRouted, TicketSnapshot
from schemas.topics import result_topic
from shared.embedding.service import Embedder
from shared.errors import Rejected
from shared.records import Embedded, Message, Point, Record, Settled, Vector
from shared.retrieval.similar import TERMS_VECTOR, SimilarSearch
from shared.text.customers import CustomerIds
from shared.text.preparation import Prepared, Preparer
from shared.vectorstore.port import Collection, CollectionSpec, is_unit
from shared.vectorstore.terms import terms_digest
from workers.tickets.decide import Decider
from workers.tickets.prepare import STREAM, TEXT_VECTOR, TicketItem, decode_ticket, prepare
from workers.tickets.similar import find_similar

RESOLUTION_VECTOR = "resolution"
WINDOWS_LIMIT = 1 << 20
"""No text fills so many windows: such a number was written over ours."""

MOMENT: TypeAdapter[datetime] = TypeAdapter(UtcDatetime)


def collection_spec(name: str, dim: int) -> CollectionSpec:
    """Return the collection of tickets under a model: its vectors, its terms, and the fields that filters use.

    What the terms depend on stands in the name beside the model's fingerprint: another tokenizer is another collection.
    """
    return CollectionSpec(
        alias=STREAM,
        name=f"{name}__{terms_digest()}",
        vectors={TEXT_VECTOR: dim, RESOLUTION_VECTOR: dim},
        indexes={"tenant_id": "keyword", "flags": "keyword", "satisfaction": "integer"},
        sparse=(TERMS_VECTOR,),
        conditions=4,  # of a similar search: tenant, solved, rated high enough or not rated
    )


class TicketStages:
    """What the tickets stream supplies to the pipeline."""

    stream = STREAM

    def __init__(
        self,
        collection: Collection,
        embedder: Embedder[str],
        preparer: Preparer,
        customers: CustomerIds,
        decider: Decider,
        similar: SimilarSearch,
    ) -> None:
        self._collection, self._embedder = collection, embedder
        self._preparer, self._customers = preparer, customers
        self._decider, self._similar = decider, similar

    def decode(self, record: Record) -> TicketItem:
        """Validate a record."""
        return decode_ticket(record)

    def prepare(self, items: Sequence[TicketItem]) -> None:
        """Prepare the text of every ticket and take the digests that spare work."""
        for item in items:
            prepare(item, self._preparer, self._customers)

    def embed(self, items: Sequence[TicketItem]) -> None:
        """Take vectors over from the store where the text is unchanged, and embed the rest in one call."""
        wanted: list[tuple[TicketItem, str, str]] = []
        for item in items:
            if isinstance(item.event, TicketDeleted):
                continue
            _take_over(item)
            if item.text_embedded is None:
                wanted.append((item, "text_embedded", item.text))
            if item.resolution is not None and item.resolution_embedded is None:
                wanted.append((item, "resolution_embedded", item.resolution.embedded))
        for (item, slot, _), answer in zip(wanted, self._embedder.embed([w[2] for w in wanted]), strict=True):
            if isinstance(answer, Rejected):
                item.rejected = answer
            else:
                setattr(item, slot, answer)

    def decide(self, items: Sequence[TicketItem]) -> None:
        """Decide what is to be routed; a repeat keeps the decision that is stored."""
        routed = [item for item in items if _needs_routing(item)]
        for item in items:
            item.decision = None
        for item in routed:
            item.decision = _stored_decision(item) if item.is_repeat else None
        self._decider.decide(routed, self._collection)
        find_similar(routed, self._similar)

    def build(self, item: TicketItem) -> Settled:
        """Build the point and the result."""
        if item.is_conflict and not _needs_routing(item):
            return Settled(item.record, Outcome.SUPERSEDED)
        if isinstance(item.event, TicketDeleted):
            return self._settled(item, Outcome.DELETED, tombstone(item.event, item.content), {})
        if not _needs_routing(item):
            return self._settled(item, Outcome.INDEXED, payload(item, item.event), vectors(item))
        result = Message(result_topic(STREAM), item.record.key, self._result(item, item.event))
        return self._settled(item, Outcome.ROUTED, payload(item, item.event), vectors(item), result)

    def _settled(
        self,
        item: TicketItem,
        outcome: Outcome,
        content: TicketPayload | TicketTombstone,
        named: dict[str, Vector],
        result: Message | None = None,
    ) -> Settled:
        point = None
        if not item.is_repeat:
            terms = {TERMS_VECTOR: self._similar.stored_terms(item.text)} if named else {}
            point = Point(item.point_id, item.version, named, content.model_dump(mode="json"), terms)
        return Settled(item.record, outcome, item.point_id, item.version, point, result)

    def _result(self, item: TicketItem, event: TicketSnapshot) -> bytes:
        record = item.record
        if item.decision is None or item.text_embedded is None:
            raise ValueError("a routed item has a decision and a vector")
        result = TicketRouted(
            tenant_id=event.tenant_id,
            ticket_id=event.ticket_id,
            event_version=event.event_version,
            occurred_at=_stored_moment(item) or event.occurred_at,
            decision=item.decision,
            similar=item.similar,
            similar_left_out=item.similar_left_out,
            suggested_reply=item.suggested_reply,
            text_windows=item.text_embedded.windows,
            model=self._embedder.fingerprint,
            source=Origin(
                topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset
            ),
        )
        return result.model_dump_json().encode()


def payload(item: TicketItem, event: TicketSnapshot) -> TicketPayload:
    """Return what is stored beside a ticket's vectors."""
    routed = item.decision is not None
    return TicketPayload(
        **event.model_dump(
            include={
                "tenant_id", "ticket_id", "event_version", "occurred_at", "subject", "body", "language", "channel",
                "customer_id", "priority", "attributes", "resolution", "satisfaction",
            }
        ),
        body_embedded=_if_other(item.body),
        resolution_embedded=None if item.resolution is None else _if_other(item.resolution),
        label=event.agent_label,
        flags=flags(event),
        content_digest=item.content,
        text_digest=item.text_digest,
        text_windows=1 if item.text_embedded is None else item.text_embedded.windows,
        resolution_digest=item.resolution_digest,
        decision=item.decision if routed else _stored_decision(item),
        decided_version=item.version if routed else item.published_version,
    )  # fmt: skip


def _if_other(prepared: Prepared) -> str | None:
    return None if prepared.embedded == prepared.kept else prepared.embedded


def flags(event: TicketSnapshot) -> tuple[Flag, ...]:
    """Return what searches filter on."""
    found: list[tuple[Flag, bool]] = [("solved", event.solved), ("labelled", event.agent_label is not None)]
    return tuple(flag for flag, holds in found if holds)


def tombstone(event: TicketDeleted, content: str) -> TicketTombstone:
    """Return what is stored of a deleted ticket."""
    return TicketTombstone(
        tenant_id=event.tenant_id, ticket_id=event.ticket_id, event_version=event.event_version, content_digest=content
    )


def vectors(item: TicketItem) -> dict[str, Vector]:
    """Return the named vectors of a ticket."""
    named = {TEXT_VECTOR: item.text_embedded, RESOLUTION_VECTOR: item.resolution_embedded}
    return {name: embedded.vector for name, embedded in named.items() if embedded is not None}


def _needs_routing(item: TicketItem) -> bool:
    """Whether a result is published: for new tickets, and again when the text of an open one has changed."""
    event = item.event
    if isinstance(event, TicketDeleted):
        return False
    stored = item.stored.payload if item.stored is not None else {}
    if item.is_repeat:
        return item.published_version == item.version
    if event.reason == "created":
        return True
    changed = stored.get("text_digest") != item.text_digest
    return not event.solved and (changed or _stored_decision(item) is None)


def _take_over(item: TicketItem) -> None:
    """Take the stored vectors of what has not changed since, unless they were spoilt or are kept too coarsely."""
    if item.stored is None:
        return
    kept = {name: vector for name, vector in item.stored.vectors.items() if is_unit(vector)}
    old = item.stored.payload
    same = item.stored.version == item.version or old.get("text_digest") == item.text_digest
    windows = old.get("text_windows")
    if same and type(windows) is int and 0 < windows < WINDOWS_LIMIT and TEXT_VECTOR in kept:
        item.text_embedded = Embedded(kept[TEXT_VECTOR], windows)
    if old.get("resolution_digest") == item.resolution_digest and RESOLUTION_VECTOR in kept:
        item.resolution_embedded = Embedded(kept[RESOLUTION_VECTOR], 1)


def _stored_decision(item: TicketItem) -> Decision | None:
    """Return the decision that is stored; what is no decision of ours is as good as none."""
    stored: Any = item.stored.payload.get("decision") if item.stored is not None else None
    try:
        return None if stored is None else Decision.model_validate(stored, strict=False)
    except ValidationError:
        return None


def _stored_moment(item: TicketItem) -> datetime | None:
    """Return when a conflicting version happened as the first one says, which has won; None if it can not be read."""
    if not item.is_conflict or item.stored is None:
        return None
    try:
        return MOMENT.validate_python(item.stored.payload.get("occurred_at"))
    except ValidationError:
        return None
