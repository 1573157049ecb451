"""Workers that die after any settle step, and overtake each other between two steps: the audit stays clean.

Two workers share a store, each with a partition of its own that holds versions of the same items, as `tickets` and
`tickets.redo` do; the same version may be in both, also with different content, and no worker makes the same decision
twice. Whenever one has decided, or has written its points, the other may settle its next batch in between, or die in
it. A green run does not show the interleaving inside one call of the store: the guard's contract suite tests that.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.audit.comparison import AuditReport, audit
from shared.observers import SettleStep
from shared.records import Message, Record, TopicPartition
from tests.support.assembly import Assembly
from tests.support.audited import MemoryReader
from tests.support.fakes import FakeCollection
from tests.support.streams import Kind, on_each_stream

MANY = settings(max_examples=300, deadline=None)


class CrashError(Exception):
    """The end of the worker's process."""


@dataclass
class Fate:
    """The course of one batch.

    Attributes:
        size: Number of its records.
        dies_after: The settle step after which its worker dies; 0: it lives.
        delivered: Which of its messages had arrived by then, as bits: partitions do not wait for each other.
        overtaken: When the other worker runs: between deciding and writing, or between writing and reading back.
    """

    size: int
    dies_after: int
    delivered: int
    overtaken: Literal["never", "before writing", "after writing"]


@dataclass
class Stage:
    """A store and a broker that survive every worker."""

    kind: Kind
    records: dict[str, list[Record]]
    fates: list[Fate]
    collection: FakeCollection = field(default_factory=FakeCollection)
    moods: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        """Create the topics of the stream."""
        self.reader = MemoryReader(self.kind)
        self.topics = topics_of(self.kind)

    def run(self) -> AuditReport:
        """Let two workers settle all records, in turns, then audit."""
        for topic, records in self.records.items():
            self.reader.topics[topic] = records
        while any(self._waiting(topic) for topic in self.topics):
            for topic in self.topics:
                self._settle_next(topic, nested=False)
        return audit(self.reader, self.kind.stream, self.collection)

    def _waiting(self, topic: str) -> list[Record]:
        return self.records[topic][self.reader.offsets.get(TopicPartition(topic, 0), 0) :]

    def _settle_next(self, topic: str, nested: bool) -> None:
        waiting = self._waiting(topic)
        if not waiting:
            return
        fate = self.fates.pop() if self.fates else Fate(size=3, dies_after=0, delivered=0, overtaken="never")
        worker = Assembly(collection=self.collection, moods=self.moods, stream=self.kind.stream)
        other = self.topics[1 - self.topics.index(topic)]

        def meanwhile(moment: str) -> None:
            if fate.overtaken == moment and not nested:
                self._settle_next(other, nested=True)

        def at_hook(hook: str) -> None:
            if hook == "stage_done" and worker.reported.named(hook)[-1][0] == "build":
                meanwhile("before writing")
            if hook == "settle_step_done":
                step = cast(SettleStep, worker.reported.named(hook)[-1][0])
                if step is SettleStep.UPSERT:
                    meanwhile("after writing")
                if step == fate.dies_after:
                    raise CrashError

        worker.reported.watch = at_hook
        batch = waiting[: fate.size]
        try:
            worker.settle(*batch)
        except CrashError:
            self._keep_delivered(worker, fate)
        else:
            self._deliver(worker.sink.delivered)
        if worker.source.committed:
            self.reader.offsets[TopicPartition(topic, 0)] = batch[-1].offset + 1

    def _keep_delivered(self, worker: Assembly, fate: Fate) -> None:
        """Keep the delivered messages: after the flush all of them; before it, any part of those handed over."""
        if fate.dies_after >= SettleStep.FLUSH:
            self._deliver(worker.sink.delivered)
        elif fate.dies_after == SettleStep.PRODUCE:
            self._deliver([message for bit, message in enumerate(worker.sink.handed) if fate.delivered >> bit & 1])

    def _deliver(self, messages: list[Message]) -> None:
        for message in messages:
            self.reader.write(message)


reasons = st.sampled_from(["created", "updated", "solved", "rated", "reopened", "deleted"])
texts = st.sampled_from(["One text.", "Another text."])
POISONOUS_VERSION = 3
"""Poison in every record of a version: if another record saved it, the version would have two outcomes after a crash."""

moments = st.sampled_from(["never", "before writing", "after writing"])
fates = st.builds(Fate, st.integers(1, 4), st.integers(0, 6), st.integers(0, 255), moments)


def topics_of(kind: Kind) -> tuple[str, str]:
    """Return the two topics that a worker reads."""
    return kind.name, kind.redo


def version_of(kind: Kind, source_id: str, version: int, reason: str, text: str) -> dict[str, Any]:
    """Return one version of an item."""
    text = "POISON" if version == POISONOUS_VERSION else text
    return kind.event(source_id, version, reason, **({} if reason == "deleted" else {"text": text}))


versions = st.tuples(st.sampled_from(["T-1", "T-2"]), st.integers(1, 5), reasons, texts)


def placed(kind: Kind, fields: list[dict[str, Any]], topic: str) -> list[Record]:
    """Return events as the records of a partition."""
    return [kind.record(each, offset, topic=topic) for offset, each in enumerate(fields)]


@on_each_stream
@MANY
@given(st.lists(versions, max_size=8), st.data())
def test_nothing_is_lost_whichever_worker_dies_or_overtakes(
    kind: Kind, drawn: list[tuple[str, int, str, str]], data: st.DataObject
) -> None:
    mix = [version_of(kind, *each) for each in drawn]
    in_redo = data.draw(st.lists(st.booleans(), min_size=len(mix), max_size=len(mix)))
    parts = {
        topic: placed(
            kind, [each for each, redo in zip(mix, in_redo, strict=True) if redo == (topic == kind.redo)], topic
        )
        for topic in topics_of(kind)
    }
    findings = Stage(kind, parts, data.draw(st.lists(fates, max_size=8))).run()
    assert findings.clean, findings
    assert (findings.settled, findings.pending) == (len(mix), 0)
