"""Measures every few seconds how many input records wait behind an open transaction.

A worker reads only committed records. While a transaction stays open it gets none after it, as if it had no lag.
"""

from collections.abc import Callable, Sequence

from shared.broker.transactions import Waiting, total
from shared.clock import Clock
from shared.logs import get_logger
from shared.observers import Observer
from shared.operation.watch import Watch

EVERY_S = 5.0
LOOK_TIMEOUT_S = 3.0

log = get_logger("transactions")


class TransactionWatch(Watch[Sequence[Waiting]]):
    """Reports how many records wait, and how old the oldest is.

    Args:
        measure: Returns the waiting records of each topic.
        clock: For the intervals and the age.
        observer: Receives the number and the age after each measurement.
    """

    def __init__(self, measure: Callable[[], Sequence[Waiting]], clock: Clock, observer: Observer) -> None:
        self._observer = observer
        self._waiting: Sequence[Waiting] = ()
        super().__init__("transactions", measure, EVERY_S, clock)

    def note(self) -> str | None:
        """Return the number and age of the waiting records, in words; None if no record waits or it is not known."""
        now = self._clock.now()
        return "; ".join(each.describe(now) for each in self._waiting if each.records) or None

    def _known(self, answer: Sequence[Waiting]) -> None:
        self._waiting = answer
        together = total(answer)
        self._observer.open_transactions_measured(together.records, together.age_s(self._clock.now()))

    def _unknown(self, why: str) -> None:
        self._waiting = ()
        log.debug("could not check for open transactions", why=why)  # parts that need the brokers log outages louder
        self._observer.open_transactions_measured(None, 0.0)
