"""The only module that reads the time or sleeps, so that tests can use a manual clock instead."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

from typing_extensions import override


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


class SystemClock(Clock):
    """The machine's clock."""

    @override
    def now(self) -> datetime:
        return datetime.now(UTC)

    @override
    def monotonic_s(self) -> float:
        return time.monotonic()

    @override
    def cpu_s(self) -> float:
        return time.process_time()

    @override
    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)
