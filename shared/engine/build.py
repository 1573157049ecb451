"""Builds the point and the results of an item whose effect is known, from the content that its stream supplies."""

from typing import Any, Generic

from schemas.base import Event, Origin
from schemas.outcomes import Outcome
from schemas.topics import redo_topic
from shared.backfill_marks import mark_headers, mark_of
from shared.engine.snapshots import (
    CONTENT_FIELD,
    DECISION_FIELD,
    PUBLISHED_FIELD,
    Effect,
    Item,
    ItemT,
    digest_field,
    windows_field,
)
from shared.engine.stages import FollowsUp, MeasuresItems, Stages
from shared.engine.stream import Stream
from shared.errors import Deferred, Rejected
from shared.facts import Facts, Judged, Measures
from shared.records import Backfill, Listed, Message, Point, Record, Settled
from shared.retry.lane import RetryLane, sent_at_ms
from shared.tracing.port import trace_headers
from shared.vectorstore.port import VERSION_FIELD

LABEL_FIELD = "label"
"""The payload field that holds the label that a person gave."""


class Builder(Generic[ItemT]):
    """Builds the data that settling writes.

    Args:
        stream: Defines the fields and topics.
        stages: Supply the content of points, and the results.
        lane: Decides when deferred records are tried again.
        backfill: The backfill of the worker, which marks what it sends; None for a worker of live traffic.
    """

    def __init__(
        self,
        stream: Stream[Any, ItemT],
        stages: Stages[ItemT],
        lane: RetryLane,
        backfill: Backfill | None = None,
    ) -> None:
        self._stream, self._stages, self._lane = stream, stages, lane
        self._backfill = backfill
        self._measured = stages if isinstance(stages, MeasuresItems) else None

    def build(self, record: Record, item: ItemT | None, refused: Rejected | None) -> Settled:
        """Return the outcome of a record, with the point and the results to write for it.

        Args:
            record: The record as it was read.
            item: Its event after all stages; None if the record was refused.
            refused: Why the record was refused; None if it was not.
        """
        failure = refused if item is None else item.rejected
        if item is None or failure is not None:
            return Settled(record, Outcome.DEAD_LETTERED, failure=failure)
        if item.deferred is not None:
            return self._deferred(record, item.deferred)
        follow_ups = self._follow_ups(item)
        if item.effect is Effect.SUPERSEDE:
            return Settled(record, Outcome.SUPERSEDED, follow_ups=follow_ups)
        point = None if item.effect is Effect.REPEAT else self._point(item)
        mark = self._mark(record)
        publishes = item.publishes and not (mark is not None and mark.index_only)
        results = self._results(item) if publishes else ()
        return Settled(
            record=record,
            outcome=_outcome(item, publishes),
            point_id=item.point_id,
            version=item.version,
            point=point,
            results=results,
            repeated_fields=self._stream.repeated_fields,
            follow_ups=follow_ups,
            facts=self._facts(item),
        )

    def _mark(self, record: Record) -> Backfill | None:
        return mark_of(record, self._stream.name, self._backfill)

    def _facts(self, item: ItemT) -> Facts | None:
        """Return what the metrics show of an item; None of a deletion."""
        if item.deletes:
            return None
        measures = Measures() if self._measured is None else self._measured.measures(item)
        return Facts(
            tenant_id=item.event.tenant_id,
            source_id=item.source_id,
            occurred_at=item.event.occurred_at,
            sent_at_ms=sent_at_ms(item.record, self._stream.name),
            is_published=item.effect is Effect.ROUTE,
            decision=item.decision if item.publishes else None,
            judged=_judged(item, measures.person_label),
            measures=measures,
        )

    def _follow_ups(self, item: ItemT) -> tuple[Listed, ...]:
        if not isinstance(self._stages, FollowsUp):
            return ()
        topic, found = redo_topic(self._stream.name), self._stages.follow_ups(item)
        trace = (*trace_headers(item.record.headers), *mark_headers(self._mark(item.record)))
        messages = [(Message(topic, self._stream.key(each.event), _value(each.event), trace), each) for each in found]
        return tuple(Listed(message, each.listed_in, each.entry) for message, each in messages)

    def _deferred(self, record: Record, failure: Deferred) -> Settled:
        next_attempt = self._lane.next_attempt(record, failure)
        if isinstance(next_attempt, Rejected):
            return Settled(record, Outcome.DEAD_LETTERED, failure=next_attempt)
        return Settled(record, Outcome.DEFERRED, deferral=next_attempt)

    def _point(self, item: ItemT) -> Point:
        """Build the point: the stream's content, and the fields that `effect_of` reads when the next version arrives."""
        engine_fields: dict[str, object] = {
            "tenant_id": item.event.tenant_id,
            self._stream.id_field: item.source_id,
            VERSION_FIELD: item.version,
            "deleted": item.deletes,
            CONTENT_FIELD: item.content_digest,
        }
        if item.deletes:
            kept = self._stages.kept(item) if isinstance(self._stages, FollowsUp) else {}
            return Point(item.point_id, item.version, {}, {**kept, **engine_fields})
        engine_fields |= self._input_fields(item) | self._published_fields(item)
        stored = {} if item.stored is None else item.stored.payload
        engine_fields |= {name: stored[name] for name in self._stream.owned_fields if name in stored}
        content = self._stages.content(item)
        vectors = {
            each.name: item.embedded[each.name].vector for each in self._stream.inputs if each.name in item.embedded
        }
        vectors |= content.vectors
        return Point(item.point_id, item.version, vectors, {**content.payload, **engine_fields}, content.sparse)

    def _input_fields(self, item: ItemT) -> dict[str, object]:
        fields: dict[str, object] = {}
        for each in self._stream.inputs:
            fields[digest_field(each.name)] = item.digests.get(each.name)
            if each.affects_result:
                embedded = item.embedded.get(each.name)
                fields[windows_field(each.name)] = 1 if embedded is None else embedded.windows
        return fields

    def _published_fields(self, item: ItemT) -> dict[str, object]:
        """Return the version that was published last, and its decision: this version, or an earlier one."""
        is_now = item.effect is Effect.ROUTE
        fields: dict[str, object] = {PUBLISHED_FIELD: item.version if is_now else item.published_version}
        if self._stream.decides:
            decision = item.decision if is_now else item.stored_decision
            fields[DECISION_FIELD] = None if decision is None else decision.model_dump(mode="json")
        return fields

    def _results(self, item: ItemT) -> tuple[Message, ...]:
        record = item.record
        origin = Origin(topic=record.topic, topic_id=record.topic_id, partition=record.partition, offset=record.offset)
        published = self._stages.results(item, origin)
        trace = (*trace_headers(record.headers), *mark_headers(self._mark(record)))
        return tuple(Message(topic, record.key, each.model_dump_json().encode(), trace) for topic, each in published)


def _value(event: Event) -> bytes:
    return event.model_dump_json(exclude_none=True).encode()


def _judged(item: Item[Any], label: str | None) -> Judged | None:
    """Return what a label that a person has now given says about the last decision; None without these two."""
    stored = None if item.stored is None or label is None else item.stored.payload
    if stored is None or stored.get(LABEL_FIELD) == label:
        return None  # no label, or one that was counted when it was given
    decided = item.stored_decision
    if decided is None or decided.label is None:
        return None
    return Judged(decided.action, decided.label == label, decided.queue)


def _outcome(item: Item[Any], publishes: bool) -> Outcome:
    if publishes:
        return Outcome.ROUTED
    return Outcome.DELETED if item.deletes else Outcome.INDEXED
