"""Measures the retry lane four times a minute."""

from collections.abc import Callable

from schemas.topics import RETRY_TIERS
from shared.clock import Clock
from shared.observers import Observer
from shared.operation.watch import Watch
from shared.retry.survey import TierState

EVERY_S = 15.0


class RetryWatch(Watch[list[TierState]]):
    """Reports the number of waiting records, the age of the oldest, and the next due time of each tier.

    Args:
        measure: Returns the state of each tier.
        clock: Measures the pauses and the age.
        observer: Is notified after each measurement.
    """

    def __init__(self, measure: Callable[[], list[TierState]], clock: Clock, observer: Observer) -> None:
        self._observer = observer
        super().__init__("retry lane", measure, EVERY_S, clock)

    def _known(self, answer: list[TierState]) -> None:
        now_ms = self._clock.now().timestamp() * 1000
        for state in answer:
            age_s = 0.0 if state.oldest_ms is None else max(0.0, (now_ms - state.oldest_ms) / 1000)
            due_in_s = 0.0 if state.next_due_ms is None else (state.next_due_ms - now_ms) / 1000
            self._observer.retry_measured(state.tier, state.records, age_s, due_in_s)

    def _unknown(self, why: str) -> None:
        for tier in range(1, RETRY_TIERS + 1):
            self._observer.retry_measured(tier, None, 0.0, 0.0)
