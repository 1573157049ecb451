"""From records to their outcomes: one outcome per record, in the same order; a bad record never raises an error.

This module holds what is the same for all streams; what differs is supplied by the `Stages` of a stream (`stream.py`).
The effect of an event, and so whether a version loses, is decided in `snapshots.py`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic

from schemas.base import Event
from shared.clock import Clock
from shared.embedding.service import NOTHING_AHEAD, Ahead, Embedder
from shared.engine.ahead import AheadEmbedder, AheadVectors
from shared.engine.build import Builder
from shared.engine.media import ForgetsMedia, LoadsMedia
from shared.engine.snapshots import (
    Effect,
    Item,
    ItemT,
    digest_field,
    effect_of,
    keep_newest,
    split_newest,
    supersede_older,
    windows_field,
)
from shared.engine.stages import ComparesBatch, CompletesInputs, Stages
from shared.engine.stream import Input, Stream
from shared.engine.timing import Stopwatch
from shared.errors import Deferred, NewerSchema, Rejected
from shared.observers import Observer
from shared.records import Backfill, Embedded, Message, Record, Settled
from shared.retry.lane import RetryLane
from shared.tracing.port import NOT_TRACED, BatchTrace
from shared.vectorstore.port import Collection, Stored, is_unit

WINDOWS_LIMIT = 1 << 20
"""No input fills this many windows: a stored number as high as this was written by another program."""


@dataclass(slots=True)
class Entry(Generic[ItemT]):
    """A record of a batch in hand, with its item or the reason why it was refused, and its outcome once known."""

    record: Record
    item: ItemT | None = None
    refused: Rejected | None = None
    settled: Settled | None = None


@dataclass(slots=True)
class Batch(Generic[ItemT]):
    """A poll batch in hand. It is kept through an outage, so that no work is done twice.

    Attributes:
        entries: The records with their progress, in the order in which they were read.
        blocked_by: Set if a record needs a newer worker; the batch then waits.
        outbox: The messages that are still to be delivered; None until the points are written. If a partition moves
            to another worker after that, its messages are sent anyway, because a repeated message does no harm.
        number: Its number among the batches of this worker, from 1.
        trace: Its spans, and those of its records.
        ahead: The vectors that were computed ahead, if any.
    """

    entries: list[Entry[ItemT]]
    blocked_by: NewerSchema | None = None
    outbox: list[Message] | None = None
    number: int = 0
    trace: BatchTrace = NOT_TRACED
    ahead: AheadVectors | None = None

    @property
    def records(self) -> list[Record]:
        """The records as they were read."""
        return [entry.record for entry in self.entries]

    @property
    def items(self) -> list[ItemT]:
        """The items of the records that were not refused."""
        return [entry.item for entry in self.entries if entry.item is not None]

    @property
    def settled(self) -> list[Settled]:
        """The outcome of each record, in order; empty until the batch is processed."""
        return [entry.settled for entry in self.entries if entry.settled is not None]

    @property
    def is_processed(self) -> bool:
        """Whether the outcome of every record is known."""
        return all(entry.settled is not None for entry in self.entries)

    def keep(self, records: Sequence[Record]) -> None:
        """Keep the given records, and drop those that this worker no longer owns."""
        kept = {id(record) for record in records}
        self.entries = [entry for entry in self.entries if id(entry.record) in kept]


@dataclass(frozen=True, slots=True)
class PipelineParts(Generic[ItemT]):
    """What a pipeline works with.

    Attributes:
        stages: The stages that the stream supplies.
        embedders: The embedders, by the name of their modality.
        collection: The stored points.
        lane: Decides when deferred records are tried again.
        media: Loads the media of events; None if they have none.
        backfill: Marks what a backfill sends; None for a worker of live traffic.
    """

    stages: Stages[ItemT]
    embedders: Mapping[str, Embedder[Any]]
    collection: Collection
    lane: RetryLane
    media: LoadsMedia[ItemT] | None = None
    backfill: Backfill | None = None


class Pipeline(Generic[ItemT]):
    """Runs a stream's stages over batches.

    Args:
        stream: The descriptor of the stream.
        parts: What it works with.
        clock: Measures how long each stage takes.
        observer: Is notified of these durations and of version conflicts.
    """

    def __init__(
        self, stream: Stream[Any, ItemT], parts: PipelineParts[ItemT], clock: Clock, observer: Observer
    ) -> None:
        self._stream, self._stages, self._embedders = stream, parts.stages, parts.embedders
        self._collection, self._media, self._observer = parts.collection, parts.media, observer
        self._builder = Builder(stream, parts.stages, parts.lane, parts.backfill)
        self._rules = stream.rules
        self._stopwatch = Stopwatch(clock, observer)
        self._by_modality: dict[str, list[str]] = {}
        for each in stream.inputs:
            self._by_modality.setdefault(each.modality.name, []).append(each.name)
        self.ahead = AheadEmbedder(parts.embedders, self._stopwatch)

    @property
    def stream(self) -> str:
        """The name of the stream."""
        return self._stream.name

    def reach_store(self) -> None:
        """Send the store an empty query, to find out whether it can be used before the first record is read.

        Raises:
            Unavailable: the store cannot be read.
            Fatal: the store cannot be used by this worker.
        """
        self._collection.versions([])

    def prepare(self, records: Sequence[Record]) -> Batch[ItemT]:
        """Decode, fetch and validate, without store or device: this runs while the previous batch is in hand."""
        batch: Batch[ItemT] = Batch([Entry(record) for record in records])
        with self._stopwatch.time("decode", len(records)):
            for entry in batch.entries:
                try:
                    entry.item = self._stream.decode(entry.record)
                except Rejected as rejected:
                    entry.refused = rejected
                except NewerSchema as newer:
                    batch.blocked_by = newer
                    break
        if self._media is not None:
            with self._stopwatch.time("media", len(records)):
                self._media.load(batch.items)
        with self._stopwatch.time("prepare", len(records)):
            for item in batch.items:
                item.content_digest = content_digest(json.dumps(stated(item.event), sort_keys=True).encode())
            self._stages.prepare(batch.items)
            for item in batch.items:
                item.digests |= {
                    each.name: content_digest(each.modality.content(item.inputs[each.name]))
                    for each in self._stream.inputs
                    if each.name in item.inputs
                }
        return batch

    def embed_ahead(self, batch: Batch[ItemT], beat: Callable[[], None]) -> None:
        """Compute the vectors of a prepared batch, as far as they can be had, while the previous batch is in hand.

        Raises:
            Stopped: by `beat`, because the worker stops.
        """
        if isinstance(self._stages, CompletesInputs):
            return
        inputs: dict[str, list[Any]] = {
            modality: [item.inputs[name] for item in batch.items for name in names if name in item.inputs]
            for modality, names in self._by_modality.items()
        }
        batch.ahead = self.ahead.embed(inputs, beat)

    def unblock(self, batch: Batch[ItemT]) -> None:
        """If a record with a newer schema blocked this batch, prepare it again: another worker may own that record now."""
        if batch.blocked_by is not None:
            again = self.prepare(batch.records)
            batch.entries, batch.blocked_by = again.entries, again.blocked_by

    def process(self, batch: Batch[ItemT]) -> None:
        """Determine the outcome of each record: look up, judge the effect, embed, decide, build.

        Before anything is written, a version can lose to a stored one (`effect_of`) or to another one in this batch
        (`keep_newest`).

        Raises:
            Unavailable: the store cannot be read, or a record needs a newer worker; call again, the vectors are kept.
            Fatal: the device has failed.
        """
        if batch.blocked_by is not None:
            raise batch.blocked_by
        items = batch.items
        with self._stopwatch.time("lookup", len(items)):
            self._look_up(items)
        for item in items:
            item.effect = effect_of(item, self._rules)
            _judge_media(item)
        self._forget_media([item for item in items if item.media_failure is not None and not _needs_media(item)])
        live = [item for item in items if item.is_live]
        if isinstance(self._stages, CompletesInputs):
            self._complete_and_embed(self._stages, live)
        else:
            with self._stopwatch.time("embed", len(live)):
                asked = self._embed(live, self.ahead.usable(batch.ahead))
            self.ahead.learn(asked, sum(len(item.inputs) for item in items))
        conflicts = keep_newest(items) + sum(item.is_conflict for item in items)
        live = [item for item in items if item.is_live]
        with self._stopwatch.time("decide", len(live)):
            self._decide([item for item in live if item.publishes])
            if isinstance(self._stages, ComparesBatch):
                self._stages.compare(live)
        with self._stopwatch.time("build", len(items)):
            for entry in batch.entries:
                entry.settled = self._builder.build(entry.record, entry.item, entry.refused)
        if conflicts:
            self._observer.version_conflict(conflicts)

    def _forget_media(self, items: Sequence[ItemT]) -> None:
        """Drop the media that are being read for items which do not need them."""
        loader: object = self._media
        if items and isinstance(loader, ForgetsMedia):
            loader.forget(items)

    def _look_up(self, items: Sequence[ItemT]) -> None:
        stored = self._collection.lookup({item.point_id for item in items})
        for item in items:
            item.stored = stored.get(item.point_id)

    def _complete_and_embed(self, stages: CompletesInputs, items: Sequence[ItemT]) -> None:
        """Complete and embed items. Of several versions of an id, an older one is done only if the newer one fails."""
        while True:
            now, later = split_newest(items)
            with self._stopwatch.time("complete", len(now)):
                stages.complete(now)
            completed = [item for item in now if item.is_live]
            with self._stopwatch.time("embed", len(completed)):
                self._embed(completed, {})
            items = supersede_older(later, now)
            if not items:
                return

    def _embed(self, items: Sequence[ItemT], ahead: Mapping[str, Ahead]) -> int:
        """Reuse the stored vectors of unchanged inputs, and embed the other inputs with one call per model.

        Returns:
            How many inputs were not reused.
        """
        for item in items:
            if item.stored is not None:
                _reuse_vectors(item, item.stored, self._stream.inputs)
        asked = 0
        for modality, own in self._by_modality.items():
            live = [item for item in items if item.is_live]  # another model may have refused the others
            pairs = [(item, name) for item in live for name in own if name in item.inputs and name not in item.embedded]
            asked += len(pairs)
            inputs = [item.inputs[name] for item, name in pairs]
            answers = self._embedders[modality].embed(inputs, ahead.get(modality, NOTHING_AHEAD))
            for (item, name), answer in zip(pairs, answers, strict=True):
                if isinstance(answer, Rejected):
                    item.rejected = answer
                else:
                    item.embedded[name] = answer
        return asked

    def _decide(self, items: Sequence[ItemT]) -> None:
        for item in items:
            item.decision = item.stored_decision if item.effect is Effect.REPEAT else None
        self._stages.decide(items)


def _judge_media(item: Item[Any]) -> None:
    """Reject or defer an item whose media could not be loaded, unless its outcome does not need them."""
    failure = item.media_failure if _needs_media(item) else None
    item.deferred = failure if isinstance(failure, Deferred) else None
    if isinstance(failure, Rejected):
        item.rejected = failure


def _needs_media(item: Item[Any]) -> bool:
    return item.effect not in (Effect.SUPERSEDE, Effect.REPEAT)


def stated(event: Event) -> dict[str, Any]:
    """Return what a version of an item states, the same in each release that can read the event.

    A field that has its default is left out: the release that adds it finds no other content in an event without it.
    """
    return event.model_dump(mode="json", exclude={"event_id", "schema_version"}, exclude_defaults=True)


def content_digest(content: bytes) -> str:
    """Return the SHA-256 of the content, in hex."""
    return sha256(content).hexdigest()


def _reuse_vectors(item: Item[Any], stored: Stored, inputs: Sequence[Input]) -> None:
    """Reuse the stored vectors of unchanged inputs, except a vector that is damaged or stored too imprecisely.

    If this very version is stored, its vectors are reused even if the inputs differ, or their media are gone.
    """
    for each in inputs:
        vector = stored.vectors.get(each.name)
        is_same = stored.version == item.version
        if vector is None or not (is_same or each.name in item.inputs) or not is_unit(vector):
            continue
        unchanged = stored.payload.get(digest_field(each.name)) == item.digests.get(each.name)
        windows = stored.payload.get(windows_field(each.name)) if each.affects_result else 1
        if (unchanged or is_same) and type(windows) is int and 0 < windows < WINDOWS_LIMIT:
            item.embedded[each.name] = Embedded(vector, windows)
