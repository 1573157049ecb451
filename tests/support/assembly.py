"""A whole worker of a stream over the stand-ins of `tests.support.fakes`, in parts that a test can change one by one.

All effects go to one list, so that a test can assert their order across store, producer and consumer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.decisions import Decision, LabelScore
from schemas.media import INLINE_LIMIT_BYTES
from schemas.outcomes import Outcome
from schemas.tickets import TicketRouted
from shared.cache.memory import MemoryCache
from shared.clock import SystemClock
from shared.decoding_settings import DecodingSettings
from shared.embedding.port import TEXT
from shared.embedding.service import Embedder
from shared.engine.announcing import Announcer
from shared.engine.apart import ApartLoader
from shared.engine.gather import Cost, Gatherer
from shared.engine.loop import FailurePolicies, Parts, Worker
from shared.engine.media import LoadsMedia, MediaLoader, ReadsMedia
from shared.engine.pipeline import Batch, Pipeline, PipelineParts
from shared.engine.resources import Resources
from shared.engine.settle import Settler
from shared.engine.stages import ReadsApart
from shared.engine.stream import Stream
from shared.media.decoding.decoder import Decoder
from shared.media.fetching.pool import HostPool
from shared.observers import Observer, Observers, SettleStep
from shared.operation.lifecycle import Lifecycle
from shared.records import Backfill, Message, Provenance, Record, Settled
from shared.retry.lane import RetryLane
from shared.routing.decider import Decider, Electorate, Routing, Undecided
from shared.routing.head import Head
from shared.routing.policy import Policy
from shared.stream_settings import BatchSettings, DecisionSettings, DuplicateSettings, RetrySettings, SearchSettings
from shared.text.customers import CustomerIds
from shared.text.preparation import Preparation, Preparer
from shared.tracing.port import Tracer
from tests.support.fake_models import FakeMediaModel, modalities_of
from tests.support.fakes import FakeCollection, FakeModel, FakeSink, FakeSource, ManualClock
from tests.support.media import FakeFetcher
from workers.tickets.stages import TICKETS

PREPARATION = Preparation(version=3)
PREPARER = Preparer(PREPARATION)
CUSTOMER_KEY = b"a key that only the tests have, 32 bytes"
CUSTOMERS = CustomerIds(CUSTOMER_KEY, "US")


@dataclass
class RecordingObserver(Observer):
    """Records the engine's reports, and calls `watch` at each hook; the settle steps go to the effects if requested."""

    effects: list[str] | None = None
    watch: Callable[[str], None] | None = None
    hooks: list[tuple[object, ...]] = field(default_factory=list)

    def settle_step_done(self, step: SettleStep) -> None:
        """Record the step."""
        self._note("settle_step_done", step)
        if self.effects is not None:
            self.effects.append(f"[{step.name.lower()}]")

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Record the outcomes."""
        self._note("batch_settled", dict(outcomes), oldest_timestamp_ms)

    def batch_gathered(self, records: int, waited_s: float) -> None:
        """Record the batch."""
        self._note("batch_gathered", records, waited_s)

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """Record the stage without its duration."""
        self._note("stage_done", stage, records)

    def version_conflict(self, records: int) -> None:
        """Record the number."""
        self._note("version_conflict", records)

    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        """Record the inputs."""
        self._note("inputs_embedded", modality, inputs, cost, cached)

    def model_computed(self, modality: str, unit: str, padding: float, busy_s: float) -> None:
        """Record the padding, without the time."""
        self._note("model_computed", modality, padding)

    def paused(self, dependency: str) -> None:
        """Record the dependency."""
        self._note("paused", dependency)

    def resumed(self, dependency: str, paused_s: float) -> None:
        """Record the dependency and the duration."""
        self._note("resumed", dependency, paused_s)

    def vectors_refused(self, modality: str, reason: str, vectors: int) -> None:
        """Record the vectors."""
        self._note("vectors_refused", modality, reason, vectors)

    def canary_checked(self, modality: str, cosine: float, files_changed: bool, at_s: float, every_s: float) -> None:
        """Record the look."""
        self._note("canary_checked", modality, cosine, files_changed, at_s, every_s)

    def unread_lost(self, offsets: int) -> None:
        """Record the number."""
        self._note("unread_lost", offsets)

    def records_abandoned(self, records: int) -> None:
        """Record the number."""
        self._note("records_abandoned", records)

    def when(self, hook: str, do: Callable[[], object]) -> None:
        """Call a function at each call of one hook."""

        def watch(called: str) -> None:
            if called == hook:
                do()

        self.watch = watch

    def _note(self, hook: str, *values: object) -> None:
        self.hooks.append((hook, *values))
        if self.watch is not None:
            self.watch(hook)

    def named(self, hook: str) -> list[tuple[object, ...]]:
        """Return the arguments of one hook, call by call."""
        return [tuple(values) for name, *values in self.hooks if name == hook]


class Moody(Decider):
    """Never makes the same decision twice, like the vote while tickets are labelled all the time.

    Args:
        routing: As for any decider.
        electorate: As for any decider.
        moods: Numbers that make one decision differ from the next.
    """

    def __init__(self, routing: Routing, electorate: Electorate, moods: Iterator[int]) -> None:
        super().__init__(routing, electorate)
        self._moods = moods

    def decide(self, events: Sequence[Undecided]) -> list[Decision]:
        """Return a distinct decision for each event."""
        return [decision.model_copy(update={"top": self._mood()}) for decision in super().decide(events)]

    def _mood(self) -> tuple[LabelScore, ...]:
        return (LabelScore(label=f"mood {next(self._moods)}", share=1 / 3),)


@dataclass
class Assembly:
    """The parts of a worker. `steps` adds the settle steps to the effects; `moods` makes it decide as `Moody`.

    With `backfill`, it is the worker of a backfill.
    """

    collection: FakeCollection = field(default_factory=FakeCollection)
    source: FakeSource = field(default_factory=FakeSource)
    sink: FakeSink = field(default_factory=FakeSink)
    model: FakeModel = field(default_factory=FakeModel)
    clock: ManualClock = field(default_factory=ManualClock)
    batch: BatchSettings = field(default_factory=BatchSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    similar: SearchSettings = field(default_factory=SearchSettings)
    policy: Policy = field(default_factory=lambda: Policy.load(None))
    head: Head | None = None
    cache_bytes: int = 0
    steps: bool = False
    moods: Iterator[int] | None = None
    stream: Stream[Any, Any] = TICKETS
    retry: RetrySettings = field(default_factory=RetrySettings)
    fetcher: FakeFetcher = field(default_factory=FakeFetcher)
    pool: HostPool = field(default_factory=lambda: HostPool(2, 2))
    tracer: Tracer = field(default_factory=Tracer)
    backfill: Backfill | None = None
    upkeep: Callable[[], None] = lambda: None
    decoder: Decoder = field(default_factory=lambda: Decoder(DecodingSettings(), INLINE_LIMIT_BYTES, SystemClock()))

    def __post_init__(self) -> None:
        """Put the parts together around one list of effects."""
        self.effects: list[str] = []
        self.collection.effects = self.source.effects = self.sink.effects = self.effects
        self.reported = RecordingObserver(self.effects if self.steps else None)
        observer = Observers([self.reported, *self.tracer.observers])
        modalities = modalities_of(self.stream)
        self.models: dict[str, FakeModel] = {
            name: self.model if name == TEXT.name else FakeMediaModel(each) for name, each in modalities.items()
        }
        embedders = {
            name: Embedder(modality, self.models[name], MemoryCache(self.cache_bytes), observer)
            for name, modality in modalities.items()
        }
        routing, electorate = Routing(self.policy, self.head), self._electorate()
        moods = self.moods
        decider = Decider(routing, electorate) if moods is None else Moody(routing, electorate, moods)
        fingerprints = {name: model.fingerprint for name, model in self.models.items()}
        resources = Resources(
            self.collection,
            decider,
            PREPARATION,
            CUSTOMER_KEY,
            self.similar,
            DuplicateSettings(),
            fingerprints,
            self.decoder,
        )
        self.stages = self.stream.stages(resources)
        lane = RetryLane(self.stream.name, self.retry, self.clock, FailurePolicies().random_source)
        pipeline_parts = PipelineParts(self.stages, embedders, self.collection, lane, self._media(), self.backfill)
        self.pipeline: Pipeline[Any] = Pipeline(self.stream, pipeline_parts, self.clock, observer)
        provenance = Provenance(self.stream.name, "+".join(fingerprints.values()), routing.fingerprint, self.backfill)
        self.settler = Settler(self.collection, self.source, self.sink, Announcer(provenance), self.clock, observer)
        self.lifecycle = Lifecycle(self.clock, stuck_after_s=120)

    def _media(self) -> LoadsMedia[Any] | None:
        if self.stream.media is None:
            return None
        if self.stream.follows:
            assert isinstance(self.stages, ReadsApart)
            return ApartLoader(self.stream.media, self.stages, self.fetcher, self.pool, self.clock)
        assert isinstance(self.stages, ReadsMedia)
        return MediaLoader(self.stream.media, self.stages, self.fetcher, self.pool, self.clock)

    def _electorate(self) -> Electorate:
        points = self.stream.points
        using = self.stream.rules.affecting[0]
        return Electorate(self.collection, using, self.decision.neighbours, points.id_field, points.is_ours)

    def worker(self) -> Worker[Any]:
        """Return a worker of these parts."""
        cost = Cost(self.stream.cost, self.stream.cost_unit)
        gatherer = Gatherer(self.source, self.batch, cost, self.clock, self.reported)
        parts = Parts(self.source, gatherer, self.pipeline, self.settler, self.lifecycle, self.tracer, self.upkeep)
        observer = Observers([self.reported, *self.tracer.observers])
        return Worker(parts, FailurePolicies(), self.clock, observer)

    def prepared(self, given: Record) -> Any:
        """Return the item of a record as the pipeline prepares it.

        Raises:
            Rejected: the record was refused.
        """
        [entry] = self.pipeline.prepare([given]).entries
        if entry.refused is not None:
            raise entry.refused
        return entry.item

    def process(self, *records: Record) -> list[Settled]:
        """Return the processed batch; nothing is written."""
        return self.processed(*records).settled

    def processed(self, *records: Record) -> Batch[Any]:
        """Return a batch that is ready to be settled."""
        batch = self.pipeline.prepare(records)
        self.pipeline.process(batch)
        return batch

    def settle(self, *records: Record) -> list[Settled]:
        """Process and settle a batch; return the final items of its records."""
        batch = self.processed(*records)
        while not self.settler.settle(batch):
            self.pipeline.process(batch)
        return batch.settled

    def delivered(self, topic: str) -> list[Message]:
        """Return the messages delivered to a topic."""
        return [message for message in self.sink.delivered if message.topic == topic]

    def results(self) -> list[TicketRouted]:
        """Return the results delivered."""
        return [TicketRouted.model_validate_json(m.value or b"") for m in self.delivered("tickets.routed")]


def prepared_item(given: Record, stream: Stream[Any, Any] = TICKETS) -> Any:
    """Return the item of a record as the pipeline of a new worker prepares it.

    Raises:
        Rejected: the record was refused.
    """
    return Assembly(stream=stream).prepared(given)
