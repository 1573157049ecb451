"""The wait before a failed dependency is asked again: it grows and is jittered, and after it only one caller asks."""

import random
import threading

from shared.backoff import Backoff
from shared.clock import Clock

LEAST_S = 1.0
"""The shortest wait, whatever the jitter, so that callers wait for at most one failure per second."""


class Cooldown:
    """The state of one dependency, whatever it is; thread-safe.

    Args:
        clock: The clock that times the waits.
        rng: The source of the jitter.
    """

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self._clock, self._rng = clock, rng
        self._backoff = Backoff(base_s=1.0, ceiling_s=30.0)
        self._failures = 0
        self._until_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def may_try(self) -> bool:
        """Return whether to ask now; after a wait only the first caller may, until it has reported or another wait ends."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s < self._until_s:
                return False
            if self._failures:
                self._wait_from(now_s)
            return True

    def failed(self) -> bool:
        """Start a wait; return whether this is the first failure since the last success."""
        with self._lock:
            first = self._failures == 0
            self._failures += 1
            self._wait_from(self._clock.monotonic_s())
            return first

    def succeeded(self) -> bool:
        """Reset the failures; return whether there were any."""
        with self._lock:
            recovered = self._failures > 0
            self._failures, self._until_s = 0, self._clock.monotonic_s()
            return recovered

    def _wait_from(self, now_s: float) -> None:
        self._until_s = now_s + LEAST_S + self._backoff.delay_s(self._failures, self._rng)
