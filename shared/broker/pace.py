"""A limit of records per second, spread evenly: a bucket that fills all the time and holds a fifth of a second."""

import threading

from shared.clock import Clock

BUCKET_S = 0.2


class Pace:
    """Limits how many records are taken. Used by one thread.

    Args:
        rate: Records per second.
        clock: Measures the time.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        self._rate, self._clock = rate, clock
        self._most = max(1.0, rate * BUCKET_S)
        self._held, self._at_s = 0.0, clock.monotonic_s()
        self._never = threading.Event()

    def allowed(self, limit: int, wait_s: float) -> int:
        """Return how many records may be taken now, at most `limit`; wait up to `wait_s` for the first one."""
        self._fill()
        if self._held < 1:
            self._clock.wait(self._never, min(wait_s, (1 - self._held) / self._rate))
            self._fill()
        return min(limit, int(self._held))

    def took(self, records: int) -> None:
        """Note that this many records were taken."""
        self._held -= records

    def _fill(self) -> None:
        now_s = self._clock.monotonic_s()
        self._held = min(self._most, self._held + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
