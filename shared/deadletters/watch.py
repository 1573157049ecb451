"""What stands in the dead-letter queue, measured once a minute.

A worker by itself knows neither other workers' letters nor purges.
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
    """Reports how many letters there are, and how old the oldest is.

    Args:
        measure: Returns what stands in the queue.
        clock: For the pauses and the age.
        observer: Is given the number and the age after each look.
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
        """Log what has changed since the last look; no trouble is empty."""
        if trouble != self._trouble:
            if trouble:
                log.warning("the dead-letter queue cannot be measured", why=trouble)
            else:
                log.info("the dead-letter queue is measured again")
        self._trouble = trouble
