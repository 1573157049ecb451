"""When a dependency that failed is asked again: after a growing, jittered wait, and then by one caller alone."""

import random
import threading

from shared.backoff import Backoff
from shared.clock import Clock

LEAST_S = 1.0
"""However the jitter falls, at most one failure a second is waited for."""


class Cooldown:
    """Thread-safe; knows nothing of what failed.

    Args:
        clock: For the end of a wait.
        rng: For the jitter.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self._backoff = Backoff(base_s=1.0, ceiling_s=30.0)
        self._failures = 0
        self._until_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def may_try(self) -> bool:
        """Whether to ask now; the first to be told so after a wait is the only one until it says what came of it."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s < self._until_s:
                return False
            if self._failures:
                self._wait_from(now_s)
            return True

    def failed(self) -> bool:
        """Begin a wait; return whether things went well before."""
        with self._lock:
            first = self._failures == 0
            self._failures += 1
            self._wait_from(self._clock.monotonic_s())
            return first

    def succeeded(self) -> bool:
        """Forget the failures; return whether there were any."""
        with self._lock:
            recovered = self._failures > 0
            self._failures, self._until_s = 0, self._clock.monotonic_s()
            return recovered

    def _wait_from(self, now_s: float) -> None:
        self._until_s = now_s + LEAST_S + self._backoff.delay_s(self._failures, self._rng)
