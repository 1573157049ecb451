"""What stands in the dead-letter queue, told once a minute on a thread of its own.

A worker by itself knows neither other workers' letters nor purges.
"""

import threading
from collections.abc import Callable

from shared.broker.backlog import Backlog
from shared.clock import Clock
from shared.errors import Unavailable
from shared.logs import get_logger
from shared.observers import Observer

EVERY_S = 60.0
CLOSE_TIMEOUT_S = 2.0

log = get_logger("deadletters")


class DeadLetterWatch:
    """Measures until it is closed; what cannot be measured is unknown, never 0.

    Args:
        measure: Returns what stands in the queue.
        clock: For the pauses and the age.
        observer: Who is told.
    """

    def __init__(self, measure: Callable[[], Backlog], clock: Clock, observer: Observer) -> None:
        self._measure, self._clock, self._observer = measure, clock, observer
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dead letters", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring; a question that the broker does not answer is not waited for."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            self.look()
            if self._clock.wait(self._closing, EVERY_S):
                return

    def look(self) -> None:
        """Measure once and tell."""
        try:
            backlog = self._measure()
        except Unavailable as outage:
            log.debug("the dead-letter queue cannot be measured", detail=outage.detail)
            self._observer.dead_letters_measured(None, 0.0)
            return
        oldest_ms = backlog.oldest_ms
        age_s = 0.0 if oldest_ms is None else max(0.0, self._clock.now().timestamp() - oldest_ms / 1000)
        self._observer.dead_letters_measured(backlog.records, age_s)
