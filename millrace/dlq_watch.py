"""What stands in the dead-letter queue, told once a minute on a thread of its own.

A worker by itself knows neither other workers' letters nor purges.
"""

import threading
from collections.abc import Callable

from shared.broker.backlog import Backlog
from shared.clock import Clock
from shared.errors import MillraceError
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
        self._closing, self._trouble = threading.Event(), ""
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
        """Measure once and tell; whatever hinders it, the next look may succeed."""
        try:
            backlog = self._measure()
        except MillraceError as error:
            self._cannot(str(error))
            return
        except Exception as error:  # noqa: BLE001  (the Kafka client's too; were the thread to end, the last number would stand)
            self._cannot(type(error).__name__)  # a foreign message may quote a secret
            return
        self._note("")
        oldest_ms = backlog.oldest_ms
        age_s = 0.0 if oldest_ms is None else max(0.0, self._clock.now().timestamp() - oldest_ms / 1000)
        self._observer.dead_letters_measured(backlog.records, age_s)

    def _cannot(self, why: str) -> None:
        self._note(why)
        self._observer.dead_letters_measured(None, 0.0)

    def _note(self, trouble: str) -> None:
        """Log what has changed since the last look; no trouble is empty."""
        if trouble != self._trouble:
            if trouble:
                log.warning("the dead-letter queue cannot be measured", why=trouble)
            else:
                log.info("the dead-letter queue is measured again")
        self._trouble = trouble
