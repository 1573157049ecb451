"""Repeated measurement on a thread of its own: the base class of a worker's watches."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from shared.clock import Clock
from shared.errors import MillraceError

CLOSE_TIMEOUT_S = 2.0

AnswerT = TypeVar("AnswerT")


class Watch(ABC, Generic[AnswerT]):
    """Measures until it is closed; a failed measurement is reported as unknown, never as 0.

    Args:
        name: The thread's name.
        measure: Returns the current measurement.
        every_s: The interval between two measurements, in seconds.
        clock: For the intervals.
    """

    def __init__(self, name: str, measure: Callable[[], AnswerT], every_s: float, clock: Clock) -> None:
        self._measure, self._every_s, self._clock = measure, every_s, clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop measuring; a request that the broker does not answer is not waited for longer than `CLOSE_TIMEOUT_S`."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def look(self) -> None:
        """Measure once and report; after any failure, the next measurement may succeed."""
        try:
            answer = self._measure()
        except MillraceError as error:
            self._unknown(str(error))
        except Exception as error:  # noqa: BLE001  (if the thread ended, the last value would stay reported for ever)
            self._unknown(type(error).__name__)  # the message of a foreign error may quote a secret
        else:
            self._known(answer)

    @abstractmethod
    def _known(self, answer: AnswerT) -> None:
        """Report a measurement."""

    @abstractmethod
    def _unknown(self, why: str) -> None:
        """Report that the current value is not known."""

    def _run(self) -> None:
        while True:
            self.look()
            if self._clock.wait(self._closing, self._every_s):
                return
