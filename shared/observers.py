"""What the engine reports about itself: a class of hooks that do nothing; metrics and tests override what they need.

A hook must be quick and must not raise: it runs on the thread that does the work.
"""

from collections.abc import Sequence
from enum import IntEnum

from typing_extensions import override

from schemas.outcomes import Outcome


class SettleStep(IntEnum):
    """The steps of settling a batch, in their only order."""

    UPSERT = 1
    LOOK_AGAIN = 2
    PRODUCE = 3
    FLUSH = 4
    COMMIT = 5
    NOTIFY = 6


class Observer:
    """Hooks that do nothing."""

    def batch_gathered(self, records: int, waited_s: float) -> None:
        """A poll batch of so many records was gathered after waiting so long."""

    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        """A stage worked through so many records; `cpu_s` counts all threads of the process."""

    def settle_step_done(self, step: SettleStep) -> None:
        """A settle step of the batch in hand took effect."""

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """A batch was committed; so many records ended as each outcome."""

    def version_conflict(self, records: int) -> None:
        """So many records carried a known version with other content."""

    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        """Vectors of N inputs were requested; `cached` of them needed no model, the others cost this much in `unit`."""

    def cache_read(self, level: str, hits: int, misses: int) -> None:
        """A level of the cache was asked for vectors: so many were there, so many not."""

    def cache_values_refused(self, values: int) -> None:
        """The shared cache held so many values that were refused; each was taken for a miss."""

    def cache_failed(self, operation: str, kind: str) -> None:
        """A call to the shared cache, `get` or `put`, failed: `timeout`, `connection`, `refused` or `protocol`."""

    def cache_up(self, operation: str, up: bool) -> None:
        """The shared cache is from now on asked, or skipped for a while."""

    def dead_letters_measured(self, letters: int | None, oldest_age_s: float) -> None:
        """So many letters stand in the dead-letter queue, the oldest of that age, 0 if there is none; None: unknown."""

    def alias_elsewhere(self, elsewhere: bool) -> None:
        """The alias of the collection that is written was looked at: somebody has moved or removed it, or not."""

    def open_transactions_measured(self, records: int | None, oldest_age_s: float) -> None:
        """So many input records wait behind open transactions, the oldest of that age, 0 if none waits; None: unknown."""

    def paused(self, dependency: str) -> None:
        """Work stopped because a dependency is unavailable."""

    def resumed(self, dependency: str, paused_s: float) -> None:
        """The dependency answered again after so many seconds."""

    def unread_lost(self, offsets: int) -> None:
        """So many offsets were gone from the log before anybody had read them."""

    def partitions_lost(self, records: int) -> None:
        """So many records in hand were abandoned because another worker owns their partitions."""


class Observers(Observer):
    """Passes every hook on to several observers, in their order."""

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
    def version_conflict(self, records: int) -> None:
        for observer in self._observers:
            observer.version_conflict(records)

    @override
    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        for observer in self._observers:
            observer.inputs_embedded(modality, inputs, cost, unit, cached)

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
    def dead_letters_measured(self, letters: int | None, oldest_age_s: float) -> None:
        for observer in self._observers:
            observer.dead_letters_measured(letters, oldest_age_s)

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
    def partitions_lost(self, records: int) -> None:
        for observer in self._observers:
            observer.partitions_lost(records)
