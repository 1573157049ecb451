"""Hooks through which the engine reports its work. They do nothing by default; metrics and tests override some of them.

A hook must be fast and must not raise, because it runs on the thread that does the work.
"""

from collections.abc import Sequence
from enum import IntEnum

from typing_extensions import override

from schemas.outcomes import Outcome
from shared.records import Settled


class SettleStep(IntEnum):
    """The steps of settling a batch, in their fixed order."""

    UPSERT = 1
    LOOK_AGAIN = 2
    PRODUCE = 3
    FLUSH = 4
    COMMIT = 5
    NOTIFY = 6


class Observer:
    """Hooks that do nothing."""

    def batch_gathered(self, records: int, waited_s: float) -> None:
        """A poll batch of `records` records was gathered after waiting for `waited_s` seconds."""

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """A stage processed `records` records; `cpu_s` is the CPU time of all threads of the process."""

    def settle_step_done(self, step: SettleStep) -> None:
        """A settle step of the batch in hand was completed."""

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """A batch was committed; `outcomes` holds the number of its records by outcome."""

    def results_settled(self, settled: Sequence[Settled], now_s: float, monotonic_s: float) -> None:
        """A batch was committed at this Unix time and this time of the monotonic clock, both in seconds."""

    def version_conflict(self, records: int) -> None:
        """This many records had a version that is stored already with other content."""

    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        """Vectors of `inputs` inputs were requested; `cached` came from the cache, the others cost `cost` in `unit`."""

    def model_computed(self, modality: str, unit: str, padding: float, busy_s: float) -> None:
        """A model computed for `busy_s`, and encoded `padding` in `unit` beside its inputs."""

    def cache_read(self, level: str, hits: int, misses: int) -> None:
        """Vectors were looked up in a level of the cache, with this many hits and misses."""

    def cache_values_refused(self, values: int) -> None:
        """The shared cache returned this many invalid values, which were refused; each was counted as a miss."""

    def cache_failed(self, operation: str, kind: str) -> None:
        """A call to the shared cache, `get` or `put`, failed: `timeout`, `connection`, `refused` or `protocol`."""

    def cache_up(self, operation: str, up: bool) -> None:
        """The shared cache is used again (`up`), or skipped for a while."""

    def dead_letters_measured(self, dead_letters: int | None, oldest_age_s: float) -> None:
        """Dead letters in the queue were counted; the age is 0 if the queue is empty. None: the number is not known."""

    def records_redriven(self, tier: int, records: int) -> None:
        """This many due records were sent from a tier of the retry lane to the redo topic."""

    def retry_measured(self, tier: int, records: int | None, oldest_age_s: float, due_in_s: float) -> None:
        """A tier of the retry lane was measured; age and time until the next is due are 0 if no record waits.

        None: the number of records is not known.
        """

    def alias_elsewhere(self, elsewhere: bool) -> None:
        """The alias of the written collection was checked; `elsewhere`: someone has moved or removed it."""

    def open_transactions_measured(self, records: int | None, oldest_age_s: float) -> None:
        """Input records behind open transactions were counted; the age is 0 if no record waits. None: not known."""

    def paused(self, dependency: str) -> None:
        """Work stopped because a dependency is unavailable."""

    def resumed(self, dependency: str, paused_s: float) -> None:
        """The dependency answered again after a pause of `paused_s` seconds."""

    def unread_lost(self, offsets: int) -> None:
        """The log lost this many offsets before they were read."""

    def records_abandoned(self, records: int) -> None:
        """This many records in hand were abandoned because another worker owns their partitions."""

    def vectors_refused(self, modality: str, reason: str, vectors: int) -> None:
        """This many vectors of a model were refused, for a reason from a fixed list."""

    def canary_checked(self, modality: str, cosine: float, files_changed: bool, at_s: float, every_s: float) -> None:
        """The canary inputs of a model were embedded at this Unix time; `cosine` is the lowest to the stored vectors.

        They are embedded every `every_s` seconds; 0 means only when the worker starts.
        """


class Observers(Observer):
    """Calls every hook of several observers, in the given order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    @override
    def batch_gathered(self, records: int, waited_s: float) -> None:
        for observer in self._observers:
            observer.batch_gathered(records, waited_s)

    @override
    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        for observer in self._observers:
            observer.stage_done(stage, records, wall_s, cpu_s)

    @override
    def settle_step_done(self, step: SettleStep) -> None:
        for observer in self._observers:
            observer.settle_step_done(step)

    @override
    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        for observer in self._observers:
            observer.batch_settled(outcomes, oldest_timestamp_ms)

    @override
    def results_settled(self, settled: Sequence[Settled], now_s: float, monotonic_s: float) -> None:
        for observer in self._observers:
            observer.results_settled(settled, now_s, monotonic_s)

    @override
    def version_conflict(self, records: int) -> None:
        for observer in self._observers:
            observer.version_conflict(records)

    @override
    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        for observer in self._observers:
            observer.inputs_embedded(modality, inputs, cost, unit, cached)

    @override
    def model_computed(self, modality: str, unit: str, padding: float, busy_s: float) -> None:
        for observer in self._observers:
            observer.model_computed(modality, unit, padding, busy_s)

    @override
    def cache_read(self, level: str, hits: int, misses: int) -> None:
        for observer in self._observers:
            observer.cache_read(level, hits, misses)

    @override
    def cache_values_refused(self, values: int) -> None:
        for observer in self._observers:
            observer.cache_values_refused(values)

    @override
    def cache_failed(self, operation: str, kind: str) -> None:
        for observer in self._observers:
            observer.cache_failed(operation, kind)

    @override
    def cache_up(self, operation: str, up: bool) -> None:
        for observer in self._observers:
            observer.cache_up(operation, up)

    @override
    def dead_letters_measured(self, dead_letters: int | None, oldest_age_s: float) -> None:
        for observer in self._observers:
            observer.dead_letters_measured(dead_letters, oldest_age_s)

    @override
    def records_redriven(self, tier: int, records: int) -> None:
        for observer in self._observers:
            observer.records_redriven(tier, records)

    @override
    def retry_measured(self, tier: int, records: int | None, oldest_age_s: float, due_in_s: float) -> None:
        for observer in self._observers:
            observer.retry_measured(tier, records, oldest_age_s, due_in_s)

    @override
    def alias_elsewhere(self, elsewhere: bool) -> None:
        for observer in self._observers:
            observer.alias_elsewhere(elsewhere)

    @override
    def open_transactions_measured(self, records: int | None, oldest_age_s: float) -> None:
        for observer in self._observers:
            observer.open_transactions_measured(records, oldest_age_s)

    @override
    def paused(self, dependency: str) -> None:
        for observer in self._observers:
            observer.paused(dependency)

    @override
    def resumed(self, dependency: str, paused_s: float) -> None:
        for observer in self._observers:
            observer.resumed(dependency, paused_s)

    @override
    def unread_lost(self, offsets: int) -> None:
        for observer in self._observers:
            observer.unread_lost(offsets)

    @override
    def records_abandoned(self, records: int) -> None:
        for observer in self._observers:
            observer.records_abandoned(records)

    @override
    def vectors_refused(self, modality: str, reason: str, vectors: int) -> None:
        for observer in self._observers:
            observer.vectors_refused(modality, reason, vectors)

    @override
    def canary_checked(self, modality: str, cosine: float, files_changed: bool, at_s: float, every_s: float) -> None:
        for observer in self._observers:
            observer.canary_checked(modality, cosine, files_changed, at_s, every_s)
