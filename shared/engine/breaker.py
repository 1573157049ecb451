"""The breaker: it keeps a flood of invalid records from emptying a topic into the dead-letter queue."""

from collections import deque
from dataclasses import dataclass

from schemas.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When the breaker opens, and how often a batch is tried while it is open.

    Attributes:
        window_records: Number of most recent records that are considered.
        min_dead_letters: Minimum number of dead letters among these records before the breaker opens.
        probe_every_s: Seconds between two batches while the breaker is open; these are the probing batches.
    """

    window_records: int = 1_000
    min_dead_letters: int = 200
    probe_every_s: float = 60.0


class Breaker:
    """Opens when at least `min_dead_letters` of the most recent records, and more than half of them, were dead-lettered.

    Records of the redo topic are not counted, so that a replay that fails again does not hold up new records.
    While the breaker is open, the loop settles one probing batch per `probe_every_s`; the breaker closes once at most
    half of such a batch is dead-lettered.

    Args:
        limits: When the breaker opens.
    """

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._dead: deque[bool] = deque(maxlen=limits.window_records)
        self.is_open = False

    def observe(self, outcomes: list[Outcome]) -> None:
        """Count the outcomes of a settled batch; the caller passes only those of records from the input topic."""
        dead = [outcome is Outcome.DEAD_LETTERED for outcome in outcomes]
        if self.is_open and dead and 2 * sum(dead) <= len(dead):
            self._dead.clear()
        self._dead.extend(dead)
        found = sum(self._dead)
        self.is_open = found >= self._limits.min_dead_letters and 2 * found > len(self._dead)
