"""Sends spans on a thread of its own. Whoever adds a span never waits: what there is no room for is dropped and counted."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.logs import get_logger

T = TypeVar("T")

WAITING_LIMIT = 8_192
"""The most spans that wait; with all they hold, about 16 MiB."""

SENT_AT_ONCE = 512
EVERY_S = 2.0
"""How often spans are sent, unless `SENT_AT_ONCE` of them wait already."""

REPORT_EVERY_S = 60.0
CLOSE_S = 3.0
"""How long `close` waits for what is still to be sent, and then once more for the request that it interrupts."""

log = get_logger("tracing")


class Sender(Generic[T]):
    """A bounded queue of spans, and the thread that sends them. Any thread may call `put`.

    Args:
        send: Sends spans; returns whether they have arrived. It may take long, and must not raise.
        interrupt: Makes a call of `send` that waits return soon. It is called once, at the end.
        reason: Returns why `send` failed last, in words.
        clock: Measures the waiting times.

    Attributes:
        dropped: Number of spans that were dropped because too many waited.
        failed: Number of spans that did not arrive.
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], bool],
        interrupt: Callable[[], None],
        reason: Callable[[], str],
        clock: Clock,
    ) -> None:
        self._send, self._interrupt, self._reason, self._clock = send, interrupt, reason, clock
        self._lock, self._wake, self._closing = threading.Lock(), threading.Event(), threading.Event()
        self._waiting: deque[T] = deque()
        self.dropped = self.failed = 0
        self._reported, self._report_at_s = 0, clock.monotonic_s()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def put(self, span: T) -> None:
        """Add a span to those that wait, or drop it if too many do."""
        with self._lock:
            if len(self._waiting) >= WAITING_LIMIT:
                self.dropped += 1
                return
            self._waiting.append(span)
            is_enough = len(self._waiting) == SENT_AT_ONCE
        if is_enough:
            self._wake.set()

    def close(self) -> None:
        """Send what waits, for two times `CLOSE_S` at most; what could not be sent is dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_S)
        with self._lock:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        self._interrupt()
        self._thread.join(CLOSE_S)
        self._report()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._clock.wait(self._wake, EVERY_S)
            self._wake.clear()
            while spans := self._take():
                if not self._send(spans):
                    self.failed += len(spans)
            if self._clock.monotonic_s() >= self._report_at_s:
                self._report()

    def _take(self) -> list[T]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(SENT_AT_ONCE, len(self._waiting)))]

    def _report(self) -> None:
        """Log how many spans were lost since the last report, if any were."""
        lost = self.dropped + self.failed
        if lost > self._reported:
            log.warning(
                "spans were lost; the work is not affected",
                lost=lost - self._reported,
                dropped_in_all=self.dropped,
                not_sent_in_all=self.failed,
                detail=self._reason(),
            )
            self._reported, self._report_at_s = lost, self._clock.monotonic_s() + REPORT_EVERY_S
