"""What the engine tells about itself: a class of hooks that do nothing; metrics and tests override what they need.

A hook must be quick and must not raise: it runs on the thread that does the work.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import partialmethod
from typing import Any

from schemas.outcomes import Outcome
from shared.embedding.port import Modality


class SettleStep(IntEnum):
    """The steps of settling a batch, in their only order."""

    UPSERT = 1
    LOOK_AGAIN = 2
    PRODUCE = 3
    FLUSH = 4
    COMMIT = 5
    TELL = 6


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

    def inputs_embedded(self, modality: Modality[Any], inputs: int, cost: float, cached: int) -> None:
        """Vectors of N inputs were asked for; `cached` needed no model, the rest cost so much in the modality's unit."""

    def cache_read(self, level: str, hits: int, misses: int) -> None:
        """A level of the cache was asked for vectors: so many were there, so many not."""

    def cache_rubbish(self, values: int) -> None:
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

    def _tell(self, hook: str, *values: Any) -> None:
        for observer in self._observers:
            getattr(observer, hook)(*values)


for _hook in [name for name in vars(Observer) if not name.startswith("_")]:
    setattr(Observers, _hook, partialmethod(Observers._tell, _hook))
