"""Measuring something again and again on a thread of its own: what the watches of a worker have in common."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.errors import MillraceError

CLOSE_TIMEOUT_S = 2.0

AnswerT = TypeVar("AnswerT")


class Watch(ABC, Generic[AnswerT]):
    """Measures until it is closed; what cannot be measured is unknown, never 0.

    Args:
        name: Of the thread.
        measure: Returns what is there now.
        every_s: The pause between two looks.
        clock: For the pauses.
    """

    def __init__(self, name: str, measure: Callable[[], AnswerT], every_s: float, clock: Clock) -> None:
        self._measure, self._every_s, self._clock = measure, every_s, clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring; a question that the broker does not answer is not waited for."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def look(self) -> None:
        """Measure once and report; whatever prevents it, the next look may succeed."""
        try:
            answer = self._measure()
        except MillraceError as error:
            self._unknown(str(error))
        except Exception as error:  # noqa: BLE001  (the Kafka client's too; were the thread to end, the last number would stand)
            self._unknown(type(error).__name__)  # a foreign message may quote a secret
        else:
            self._known(answer)

    @abstractmethod
    def _known(self, answer: AnswerT) -> None:
        """Report what was measured."""

    @abstractmethod
    def _unknown(self, why: str) -> None:
        """Report that nothing is known now."""

    def _run(self) -> None:
        while True:
            self.look()
            if self._clock.wait(self._closing, self._every_s):
                return
