"""The worker's state: alive, ready, asked to pause or to stop. The worker threads write it; the probes read it."""

import math
import threading
from collections.abc import Callable

from shared.clock import Clock
from shared.errors import Stopped

OPERATOR = "operator"
"""The part that is not ready while an operator has paused the worker."""

PREPARE = "prepare"
"""The thread that prepares the next batch. What it prepares while the worker stops would be dropped."""


class Lifecycle:
    """Heartbeats, reasons for not being ready, notes, and requests to pause and to stop.

    Args:
        clock: For the age of heartbeats.
        stuck_after_s: A thread is stuck if its last heartbeat is older than this, in seconds.
        finish_within_s: How long the batch in hand may take after the request to stop, in seconds.

    Attributes:
        pause_wanted: Whether an operator has asked the worker to pause.
        stopping: Set when the worker has been asked to stop.
        can_hurry: Whether records wait here that an operator can hurry.
        hurried_at_ms: When an operator asked the redrive to send all waiting records without waiting longer, in ms since
            the epoch; -1 if never.
    """

    def __init__(self, clock: Clock, stuck_after_s: float, finish_within_s: float = math.inf) -> None:
        self._clock, self._stuck_after_s, self._finish_within_s = clock, stuck_after_s, finish_within_s
        self._stopped_s: float | None = None
        self._beats: dict[str, Callable[[], float]] = {}
        self._last_s: dict[str, float] = {}
        self._faults: dict[str, Callable[[], str | None]] = {}
        self._notes: dict[str, Callable[[], str | None]] = {}
        self._not_ready: dict[str, str] = {"worker": "starting"}
        self.pause_wanted = False
        self.can_hurry = False
        self.hurried_at_ms = -1
        self.stopping = threading.Event()

    def beat(self, thread: str) -> None:
        """Record a heartbeat of a thread: it has completed a turn; a turn while paused counts too."""
        self._last_s[thread] = self._clock.monotonic_s()

    def beat_or_abandon(self, thread: str) -> None:
        """Record a heartbeat in the middle of long work, or abandon this work because the worker stops.

        Raises:
            Stopped: the worker was asked to stop, and this thread prepares the next batch, or the time that the batch in
                hand may take has passed.
        """
        self.beat(thread)
        if self._stopped_s is not None:
            waited_s = self._clock.monotonic_s() - self._stopped_s
            if thread == PREPARE or waited_s >= self._finish_within_s:
                raise Stopped("the worker was asked to stop")

    def watch(self, thread: str, last_s: Callable[[], float]) -> None:
        """Watch a thread that records the time of its last turn itself; `last_s` returns it."""
        self._beats[thread] = last_s

    def ask(self, part: str, fault: Callable[[], str | None]) -> None:
        """Register a function that returns why a part cannot work, or None if it can; readiness checks call it."""
        self._faults[part] = fault

    def ask_note(self, part: str, note: Callable[[], str | None]) -> None:
        """Register a function that returns a note about a part that is ready, or None; readiness checks call it."""
        self._notes[part] = note

    def set_ready(self, part: str) -> None:
        """Record that this part no longer keeps the worker from being ready."""
        self._not_ready.pop(part, None)

    def set_not_ready(self, part: str, reason: str) -> None:
        """Record why this part keeps the worker from being ready."""
        self._not_ready[part] = reason

    def pause(self) -> None:
        """Ask the worker to pause once the batch in hand is committed; a restart cancels the pause."""
        self.pause_wanted = True

    def hurry(self) -> None:
        """Ask the redrive to send all records that wait now, whenever they are due."""
        self.hurried_at_ms = int(self._clock.now().timestamp() * 1000)

    def resume(self) -> None:
        """Ask the worker to resume."""
        self.pause_wanted = False

    @property
    def paused(self) -> str | None:
        """When an operator's pause began, in words; None while the worker works or still finishes a batch."""
        return self._not_ready.get(OPERATOR)

    def stop(self) -> None:
        """Ask the worker to finish the batch in hand, unless it takes too long, and end."""
        if self._stopped_s is None:
            self._stopped_s = self._clock.monotonic_s()
        self._not_ready["worker"] = "stopping"
        self.stopping.set()

    def stuck(self) -> list[str]:
        """Return the threads without a recent heartbeat; empty means alive."""
        now = self._clock.monotonic_s()
        ages = {thread: now - last for thread, last in list(self._last_s.items())}
        ages |= {thread: now - last_s() for thread, last_s in self._beats.items()}
        return sorted(thread for thread, age_s in ages.items() if age_s > self._stuck_after_s)

    def not_ready(self) -> dict[str, str]:
        """Return the reasons why the worker is not ready, by part; empty means ready."""
        faults = {part: found for part, fault in self._faults.items() if (found := fault()) is not None}
        return dict(self._not_ready) | faults | dict.fromkeys(self.stuck(), "stuck")

    def notes(self) -> dict[str, str]:
        """Return the notes, by part; they do not affect readiness."""
        return {part: found for part, note in self._notes.items() if (found := note()) is not None}
