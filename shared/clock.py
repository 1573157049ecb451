"""The only place that reads the time or sleeps, so that tests can put a manual clock in its stead."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the engine sees it."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never run backwards, from an arbitrary start."""
        ...

    def cpu_s(self) -> float:
        """Return the CPU seconds this process has used, all threads together."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until the event is set or the time is up; return whether it was set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()

    def cpu_s(self) -> float:
        """Return `time.process_time`."""
        return time.process_time()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait on the event."""
        return event.wait(timeout_s)
