"""How long the records read ahead have been as many, or as large, as they may be."""

from shared.broker.leases import Leases
from shared.clock import Clock
from shared.settings import BrokerSettings


class Room:
    """Watches the buffer of records read ahead.

    Args:
        leases: Hold the buffer.
        settings: Its limits.
        clock: Counts how long it is full.
    """

    def __init__(self, leases: Leases, settings: BrokerSettings, clock: Clock) -> None:
        self._leases, self._settings, self._clock = leases, settings, clock
        self._full_since_s: float | None = None

    def full_for_s(self, paused: bool) -> float:
        """Return for how many seconds the buffer has been full; while paused for that, until it is half empty."""
        parts = 2 if paused else 1
        records, size_bytes = self._settings.buffered_records // parts, (self._settings.buffered_mib << 20) // parts
        if self._leases.waiting() < max(1, records) and self._leases.waiting_bytes() < size_bytes:
            self._full_since_s = None
            return 0.0
        now = self._clock.monotonic_s()
        self._full_since_s = now if self._full_since_s is None else self._full_since_s
        return max(1e-9, now - self._full_since_s)
