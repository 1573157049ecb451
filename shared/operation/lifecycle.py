"""Whether the worker is alive, ready, or asked to pause or stop. Written by the threads that work, read by the probes."""

import threading
from collections.abc import Callable

from shared.clock import Clock

OPERATOR = "operator"
"""The part that speaks against readiness while a person has paused the worker."""


class Lifecycle:
    """Heartbeats, reasons not to be ready, notes, and the wishes to pause and to stop.

    Args:
        clock: For the age of heartbeats.
        stuck_after_s: A thread whose last heartbeat is older is stuck.

    Attributes:
        pause_wanted: Whether an operator wants the worker to pause.
        stopping: Set once the worker is to end.
    """

    def __init__(self, clock: Clock, stuck_after_s: float) -> None:
        self._clock, self._stuck_after_s = clock, stuck_after_s
        self._beats: dict[str, Callable[[], float]] = {}
        self._last_s: dict[str, float] = {}
        self._faults: dict[str, Callable[[], str | None]] = {}
        self._notes: dict[str, Callable[[], str | None]] = {}
        self._not_ready: dict[str, str] = {"worker": "starting"}
        self.pause_wanted = False
        self.stopping = threading.Event()

    def beat(self, thread: str) -> None:
        """Say that a thread has made a turn; a turn that finds itself paused counts."""
        self._last_s[thread] = self._clock.monotonic_s()

    def watch(self, thread: str, last_s: Callable[[], float]) -> None:
        """Watch a thread that keeps its own time of its last turn."""
        self._beats[thread] = last_s

    def ask(self, part: str, fault: Callable[[], str | None]) -> None:
        """Ask a part, whenever somebody looks, what keeps it from working; None says nothing does."""
        self._faults[part] = fault

    def ask_note(self, part: str, note: Callable[[], str | None]) -> None:
        """Ask a part, whenever somebody looks, what is worth knowing though it is ready; None says nothing is."""
        self._notes[part] = note

    def set_ready(self, part: str) -> None:
        """Say that nothing speaks against readiness from this part any more."""
        self._not_ready.pop(part, None)

    def set_not_ready(self, part: str, reason: str) -> None:
        """Say why the worker is not ready."""
        self._not_ready[part] = reason

    def pause(self) -> None:
        """Ask the worker to pause once the batch in hand is committed; a restarted worker knows nothing of it."""
        self.pause_wanted = True

    def resume(self) -> None:
        """Ask the worker to go on."""
        self.pause_wanted = False

    @property
    def paused(self) -> str | None:
        """Since when an operator's pause holds, in words; None while the worker works or still finishes a batch."""
        return self._not_ready.get(OPERATOR)

    def stop(self) -> None:
        """Ask the worker to finish what is in hand and end."""
        self._not_ready["worker"] = "stopping"
        self.stopping.set()

    def stuck(self) -> list[str]:
        """Return the threads without a recent heartbeat; empty means alive."""
        now = self._clock.monotonic_s()
        ages = {thread: now - last for thread, last in list(self._last_s.items())}
        ages |= {thread: now - last_s() for thread, last_s in self._beats.items()}
        return sorted(thread for thread, age_s in ages.items() if age_s > self._stuck_after_s)

    def not_ready(self) -> dict[str, str]:
        """Return what speaks against readiness, by part; empty means ready."""
        faults = {part: found for part, fault in self._faults.items() if (found := fault()) is not None}
        return dict(self._not_ready) | faults | dict.fromkeys(self.stuck(), "stuck")

    def notes(self) -> dict[str, str]:
        """Return what is worth knowing beside readiness, by part."""
        return {part: found for part, note in self._notes.items() if (found := note()) is not None}
