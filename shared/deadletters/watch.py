"""Measures the dead-letter queue once a minute.

A worker by itself knows neither the dead letters of other workers nor purges.
"""

from collections.abc import Callable

from shared.broker.backlog import Backlog
from shared.clock import Clock
from shared.logs import get_logger
from shared.observers import Observer
from shared.operation.watch import Watch

EVERY_S = 60.0

log = get_logger("deadletters")


class DeadLetterWatch(Watch[Backlog]):
    """Reports the number of dead letters in the queue, and the age of the oldest.

    Args:
        measure: Returns the backlog of the queue.
        clock: Measures the pauses and the age.
        observer: Is notified of the number and the age after each measurement.
    """

    def __init__(self, measure: Callable[[], Backlog], clock: Clock, observer: Observer) -> None:
        self._observer, self._trouble = observer, ""
        super().__init__("dead letters", measure, EVERY_S, clock)

    def _known(self, answer: Backlog) -> None:
        self._note("")
        oldest_ms = answer.oldest_ms
        age_s = 0.0 if oldest_ms is None else max(0.0, self._clock.now().timestamp() - oldest_ms / 1000)
        self._observer.dead_letters_measured(answer.records, age_s)

    def _unknown(self, why: str) -> None:
        self._note(why)
        self._observer.dead_letters_measured(None, 0.0)

    def _note(self, trouble: str) -> None:
        """Log a change since the last measurement; `trouble` is empty if the queue could be measured."""
        if trouble != self._trouble:
            if trouble:
                log.warning(
                    "the dead-letter queue cannot be measured now; its metrics are absent until this works again",
                    why=trouble,
                )
            else:
                log.info("the dead-letter queue is measured again")
        self._trouble = trouble
