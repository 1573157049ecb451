"""How long the buffer of records read ahead has been full, by number or by size."""

from shared.broker.leases import Leases
from shared.clock import Clock
from shared.settings import BrokerSettings


class BufferFullness:
    """Watches the buffer of records read ahead.

    Args:
        leases: Holds the buffer.
        settings: The buffer's limits.
        clock: Measures how long the buffer is full.
    """

    def __init__(self, leases: Leases, settings: BrokerSettings, clock: Clock) -> None:
        self._leases, self._settings, self._clock = leases, settings, clock
        self._full_since_s: float | None = None

    def full_for_s(self, paused: bool) -> float:
        """Return for how many seconds the buffer has been full.

        Once the poll thread has paused fetching, the buffer counts as full until it is half empty.
        """
        parts = 2 if paused else 1
        records, size_bytes = self._settings.buffered_records // parts, (self._settings.buffered_mib << 20) // parts
        if self._leases.waiting() < max(1, records) and self._leases.waiting_bytes() < size_bytes:
            self._full_since_s = None
            return 0.0
        now = self._clock.monotonic_s()
        self._full_since_s = now if self._full_since_s is None else self._full_since_s
        return max(1e-9, now - self._full_since_s)
