"""The breaker: a flood of rubbish must not empty a topic into the dead-letter queue."""

from collections import deque

from schemas.outcomes import Outcome

WINDOW_RECORDS = 1_000
LEAST_DEAD = 200
PROBE_EVERY_S = 60.0


class Breaker:
    """Opens when, of the last 1,000 records, at least 200 and more than half were dead-lettered.

    Records of the redo topic are not counted: a replay that fails again must not hold up what arrives.
    While it is open the loop settles one probing batch a minute; one of which at most half is dead closes it.
    """

    def __init__(self) -> None:
        self._dead: deque[bool] = deque(maxlen=WINDOW_RECORDS)
        self.is_open = False

    def observe(self, outcomes: list[Outcome]) -> None:
        """Take note of a settled batch: of its records from the input topic."""
        dead = [outcome is Outcome.DEAD_LETTERED for outcome in outcomes]
        if self.is_open and dead and 2 * sum(dead) <= len(dead):
            self._dead.clear()
        self._dead.extend(dead)
        found = sum(self._dead)
        self.is_open = found >= LEAST_DEAD and 2 * found > len(self._dead)
