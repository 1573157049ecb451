"""What waits in the input behind an open transaction, measured every few seconds.

A worker reads committed records alone: behind a transaction that stays open nothing comes, as if it had caught up.
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
        measure: Returns what waits in each topic.
        clock: For the pauses and the age.
        observer: Is given the number and the age after each look.
    """

    def __init__(self, measure: Callable[[], Sequence[Waiting]], clock: Clock, observer: Observer) -> None:
        self._observer = observer
        self._waiting: Sequence[Waiting] = ()
        super().__init__("transactions", measure, EVERY_S, clock)

    def note(self) -> str | None:
        """Return what waits, in words; None where nothing waits, or nothing is known."""
        now = self._clock.now()
        return "; ".join(each.describe(now) for each in self._waiting if each.records) or None

    def _known(self, answer: Sequence[Waiting]) -> None:
        self._waiting = answer
        together = total(answer)
        self._observer.open_transactions_measured(together.records, together.age_s(self._clock.now()))

    def _unknown(self, why: str) -> None:
        self._waiting = ()
        log.debug("open transactions cannot be looked for", why=why)  # louder: those who need the brokers
        self._observer.open_transactions_measured(None, 0.0)
