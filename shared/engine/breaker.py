"""The breaker: a flood of rubbish must not empty a topic into the dead-letter queue."""

from collections import deque
from dataclasses import dataclass

from schemas.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When the breaker opens, and what happens then.

    Attributes:
        window_records: Number of latest records that are looked at.
        least_dead: It stays closed while fewer of them than this were dead-lettered.
        probe_every_s: While it is open, one batch is settled each time this many seconds have passed.
    """

    window_records: int = 1_000
    least_dead: int = 200
    probe_every_s: float = 60.0


class Breaker:
    """Opens when enough of the latest records, and more than half of them, were dead-lettered.

    Records of the redo topic are not counted: a replay that fails again must not hold up what arrives.
    While it is open the loop settles one probing batch a minute; one of which at most half is dead closes it.

    Args:
        limits: What is enough.
    """

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._dead: deque[bool] = deque(maxlen=limits.window_records)
        self.is_open = False

    def observe(self, outcomes: list[Outcome]) -> None:
        """Take note of a settled batch: of its records from the input topic."""
        dead = [outcome is Outcome.DEAD_LETTERED for outcome in outcomes]
        if self.is_open and dead and 2 * sum(dead) <= len(dead):
            self._dead.clear()
        self._dead.extend(dead)
        found = sum(self._dead)
        self.is_open = found >= self._limits.least_dead and 2 * found > len(self._dead)
