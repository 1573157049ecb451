"""A whole worker of the tickets stream over the stand-ins of `tests.fakes`, taken apart so that a test can turn each part.

All effects go to one list, so that a test can assert their order across store, producer and consumer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.outcomes import Outcome
from schemas.tickets import LabelScore, TicketRouted
from shared.cache.memory import MemoryCache
from shared.embedding.port import TEXT, Modality
from shared.embedding.service import Embedder
from shared.engine.envelope import Envelopes
from shared.engine.gather import Gatherer
from shared.engine.loop import Worker
from shared.engine.pipeline import Batch, Pipeline
from shared.engine.settle import Settler
from shared.observers import Observer, SettleStep
from shared.operation.lifecycle import Lifecycle
from shared.records import Message, Record, Settled
from shared.retrieval.similar import SimilarSearch
from shared.routing.head import Head
from shared.routing.policy import Policy
from shared.settings import BatchSettings, DecisionSettings, SimilarSettings
from shared.text.customers import CustomerIds
from shared.text.preparation import Preparation, Preparer
from shared.vectorstore.port import Collection
from tests.fakes import FakeCollection, FakeModel, FakeSink, FakeSource, ManualClock
from workers.tickets.decide import Decider
from workers.tickets.prepare import TEXT_VECTOR, TicketItem, estimated_tokens
from workers.tickets.stages import TicketStages

PREPARER = Preparer(Preparation(version=3))
CUSTOMERS = CustomerIds(b"a key that only the tests have, 32 bytes", "US")


@dataclass
class Told(Observer):
    """Remembers what the engine tells, and calls `watch` at each hook; the settle steps go to the effects when wanted."""

    effects: list[str] | None = None
    watch: Callable[[str], None] | None = None
    hooks: list[tuple[object, ...]] = field(default_factory=list)

    def settle_step_done(self, step: SettleStep) -> None:
        """Note it."""
        self._note("settle_step_done", step)
        if self.effects is not None:
            self.effects.append(f"[{step.name.lower()}]")

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Note it."""
        self._note("batch_settled", dict(outcomes), oldest_timestamp_ms)

    def batch_gathered(self, records: int, waited_s: float) -> None:
        """Note it."""
        self._note("batch_gathered", records, waited_s)

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """Note the stage; how long it took is left out."""
        self._note("stage_done", stage, records)

    def version_conflict(self, records: int) -> None:
        """Note it."""
        self._note("version_conflict", records)

    def inputs_embedded(self, modality: Modality[Any], inputs: int, cost: float, cached: int) -> None:
        """Note it; of the modality its name."""
        self._note("inputs_embedded", modality.name, inputs, cost, cached)

    def paused(self, dependency: str) -> None:
        """Note it."""
        self._note("paused", dependency)

    def resumed(self, dependency: str, paused_s: float) -> None:
        """Note it."""
        self._note("resumed", dependency, paused_s)

    def unread_lost(self, offsets: int) -> None:
        """Note it."""
        self._note("unread_lost", offsets)

    def partitions_lost(self, records: int) -> None:
        """Note it."""
        self._note("partitions_lost", records)

    def when(self, hook: str, do: Callable[[], object]) -> None:
        """Do something each time one hook is called."""

        def watch(called: str) -> None:
            if called == hook:
                do()

        self.watch = watch

    def _note(self, hook: str, *values: object) -> None:
        self.hooks.append((hook, *values))
        if self.watch is not None:
            self.watch(hook)

    def named(self, hook: str) -> list[tuple[object, ...]]:
        """Return what one hook was told, call by call."""
        return [tuple(values) for name, *values in self.hooks if name == hook]


class Moody(Decider):
    """Decides nothing twice alike, as the vote does while tickets are labelled all the time.

    Args:
        policy: As of any decider.
        neighbours: As of any decider.
        moods: Numbers that make one decision differ from the next.
    """

    def __init__(self, policy: Policy, neighbours: int, moods: Iterator[int]) -> None:
        super().__init__(policy, neighbours)
        self._moods = moods

    def decide(self, items: Sequence[TicketItem], collection: Collection) -> None:
        """Give every item that has none a decision of its own."""
        undecided = [item for item in items if item.decision is None]
        super().decide(items, collection)
        for item in undecided:
            assert item.decision is not None
            shares = (LabelScore(label=f"mood {next(self._moods)}", share=1 / 3),)
            item.decision = item.decision.model_copy(update={"top": shares})


@dataclass
class Assembly:
    """The parts of a worker. `steps` puts the settle steps into the list of effects; `moods` makes it decide as `Moody`."""

    collection: FakeCollection = field(default_factory=FakeCollection)
    source: FakeSource = field(default_factory=FakeSource)
    sink: FakeSink = field(default_factory=FakeSink)
    model: FakeModel = field(default_factory=FakeModel)
    clock: ManualClock = field(default_factory=ManualClock)
    batch: BatchSettings = field(default_factory=BatchSettings)
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    similar: SimilarSettings = field(default_factory=SimilarSettings)
    policy: Policy = field(default_factory=lambda: Policy.load(None))
    head: Head | None = None
    cache_bytes: int = 0
    steps: bool = False
    moods: Iterator[int] | None = None

    def __post_init__(self) -> None:
        """Put the parts together around one list of effects."""
        self.effects: list[str] = []
        self.collection.effects = self.source.effects = self.sink.effects = self.effects
        self.told = Told(self.effects if self.steps else None)
        embedder = Embedder(TEXT, self.model, MemoryCache(self.cache_bytes), self.told)
        decider = Decider(self.policy, self.decision.neighbours, self.head)
        if self.moods is not None:
            decider = Moody(self.policy, self.decision.neighbours, self.moods)
        similar = SimilarSearch(self.collection, TEXT_VECTOR, self.similar)
        self.stages = TicketStages(self.collection, embedder, PREPARER, CUSTOMERS, decider, similar)
        self.pipeline: Pipeline[TicketItem] = Pipeline(self.stages, self.collection, self.clock, self.told)
        envelopes = Envelopes("tickets", self.model.fingerprint, decider.head_fingerprint)
        self.settler = Settler(self.collection, self.source, self.sink, envelopes, self.clock, self.told)
        self.lifecycle = Lifecycle(self.clock, stuck_after_s=120)

    def worker(self) -> Worker[TicketItem]:
        """Return a worker of these parts."""
        gatherer = Gatherer(self.source, self.batch, estimated_tokens, self.clock, self.told)
        return Worker(self.source, gatherer, self.pipeline, self.settler, self.lifecycle, (self.clock, self.told))

    def process(self, *records: Record) -> list[Settled]:
        """Return what the pipeline makes of a batch; nothing is written."""
        return self.pipeline.process(self.pipeline.prepare(list(records)))

    def processed(self, *records: Record) -> Batch[TicketItem]:
        """Return a batch that is ready to be settled."""
        batch = self.pipeline.prepare(list(records))
        batch.settled = self.pipeline.process(batch)
        return batch

    def settle(self, *records: Record) -> list[Settled]:
        """Process and settle a batch; return what became of its records in the end."""
        batch = self.processed(*records)
        while not self.settler.settle(batch):
            batch.settled = self.pipeline.process(batch)
        return batch.settled

    def delivered(self, topic: str) -> list[Message]:
        """Return the messages delivered to a topic."""
        return [message for message in self.sink.delivered if message.topic == topic]

    def results(self) -> list[TicketRouted]:
        """Return the results delivered."""
        return [TicketRouted.model_validate_json(m.value or b"") for m in self.delivered("tickets.routed")]
