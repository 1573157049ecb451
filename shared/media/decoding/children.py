"""The children of a worker: started, kept warm, lent to one thread at a time, and replaced when they end."""

import importlib.util
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from shared.clock import Clock
from shared.errors import Fatal
from shared.media.decoding.process import DecodingProcess, Died, Refused, TimeIsUp

LIBRARIES = ("av", "PIL")
RESTARTS, RESTART_WAIT_S = 5, 2.0
WAIT_S = 1.0
"""How often a child that ended is started again, and the time in between."""


class Children:
    """A fixed number of children, each started at its first use.

    Args:
        number: How many there are.
        memory_bytes: Memory that each may use beyond what it needs to start.
        clock: Measures how long the worker waits for them.
    """

    def __init__(self, number: int, memory_bytes: int, clock: Clock) -> None:
        self._number, self._memory_bytes, self._clock = number, memory_bytes, clock
        self._idle: SimpleQueue[DecodingProcess | None] = SimpleQueue()
        for _ in range(number):
            self._idle.put(None)
        self._alive: set[DecodingProcess] = set()
        self._lock = threading.Lock()
        self.has_heic = True
        self.is_filtered = True
        self._has_started = False
        self._closing = threading.Event()
        self.is_closed = False

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run."""
        with self._lock:
            return [child.pid for child in self._alive]

    def start(self) -> None:
        """Start those that do not run yet.

        Raises:
            Fatal: one cannot be started and confined.
        """
        for _ in range(self._number):
            with self.lend():
                pass
        self._has_started = True

    @contextmanager
    def lend(self, waiting: Callable[[], None] = lambda: None) -> Iterator[DecodingProcess]:
        """Lend a child to this thread, which waits until one is free. A child that was killed is replaced later.

        Args:
            waiting: Called again and again until one is free.

        Raises:
            Fatal: it cannot be started and confined.
            CancelledError: the children have been closed.
        """
        child = self._next_idle(waiting)
        try:
            if child is None:
                child = self._started_again() if self._has_started else self._started()
            yield child
        except Refused:
            raise
        except BaseException:
            # Whatever happened, half a reply may be left in the pipe.
            if child is not None:
                child.kill()
            raise
        finally:
            self._give_back(child)

    def _next_idle(self, waiting: Callable[[], None]) -> DecodingProcess | None:
        while True:
            try:
                return self._idle.get(timeout=WAIT_S)
            except Empty:
                waiting()

    def close(self) -> None:
        """End all children; threads that use one get `CancelledError` or see it end."""
        with self._lock:
            self.is_closed = True
            self._closing.set()
            for child in self._alive:
                child.stop()
        with suppress(Empty):
            while True:
                self._kill(self._idle.get_nowait())
        self._idle.put(None)  # for the threads that wait; each puts it back

    def _started_again(self) -> DecodingProcess:
        """Start a child in place of one that ended; the machine may be short of memory or processes for a moment."""
        for _ in range(RESTARTS):
            try:
                return self._started()
            except Fatal:
                if self._clock.wait(self._closing, RESTART_WAIT_S):
                    raise CancelledError from None
        return self._started()

    def _started(self) -> DecodingProcess:
        missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
        if missing:
            raise Fatal(f"decoding media needs {' and '.join(missing)}: install millrace[media]")
        with self._lock:
            if self.is_closed:
                raise CancelledError
            try:
                child = DecodingProcess(self._memory_bytes, self._clock)
            except OSError as error:
                raise Fatal(f"no process for decoding media can be started: {error}") from error
            self._alive.add(child)
        try:
            ready = child.ready()
        except (Died, TimeIsUp) as error:
            self._kill(child)
            if self.is_closed:
                raise CancelledError from error
            raise Fatal(f"the process for decoding media cannot start: {error}") from error
        self.has_heic = ready.has_heic
        self.is_filtered = ready.is_filtered
        return child

    def _give_back(self, child: DecodingProcess | None) -> None:
        if child is not None and not child.is_running:
            self._kill(child)
            child = None
        self._idle.put(child)

    def _kill(self, child: DecodingProcess | None) -> None:
        if child is not None:
            child.kill()
            with self._lock:
                self._alive.discard(child)
