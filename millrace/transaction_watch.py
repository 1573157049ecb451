"""What waits in the input behind an open transaction, measured every few seconds on a thread of its own.

A worker reads committed records alone: behind a transaction that stays open nothing comes, as if it had caught up.
"""

import threading
from collections.abc import Callable, Sequence

from shared.broker.transactions import Waiting, total
from shared.clock import Clock
from shared.errors import MillraceError
from shared.logs import get_logger
from shared.observers import Observer

EVERY_S = 5.0
LOOK_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 2.0

log = get_logger("transactions")


class TransactionWatch:
    """Measures until it is closed; what cannot be measured is unknown, never 0.

    Args:
        measure: Returns what waits in each topic.
        clock: For the pauses and the age.
        observer: Is given the number and the age after each look.
    """

    def __init__(self, measure: Callable[[], Sequence[Waiting]], clock: Clock, observer: Observer) -> None:
        self._measure, self._clock, self._observer = measure, clock, observer
        self._waiting: Sequence[Waiting] = ()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="transactions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring; a question that the broker does not answer is not waited for."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def note(self) -> str | None:
        """Return what waits, in words; None where nothing waits, or nothing is known."""
        now = self._clock.now()
        return "; ".join(each.describe(now) for each in self._waiting if each.records) or None

    def look(self) -> None:
        """Measure once and report; whatever prevents it, the next look may succeed."""
        trouble = ""
        try:
            self._waiting = self._measure()
        except MillraceError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001  (the Kafka client's too; were the thread to end, the last number would stand)
            trouble = type(error).__name__  # a foreign message may quote a secret
        if trouble:
            self._waiting = ()
            log.debug("open transactions cannot be looked for", why=trouble)  # louder: those who need the brokers
            self._observer.open_transactions_measured(None, 0.0)
        else:
            waiting = total(self._waiting)
            self._observer.open_transactions_measured(waiting.records, waiting.age_s(self._clock.now()))

    def _run(self) -> None:
        while True:
            self.look()
            if self._clock.wait(self._closing, EVERY_S):
                return
