"""Measures how long the stages of a batch take."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.clock import Clock
from shared.observers import Observer


class Stopwatch:
    """Reports to an observer how long each stage took, in wall time and in CPU time of the whole process."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock, self._observer = clock, observer

    @contextmanager
    def time(self, stage: str, records: int) -> Iterator[None]:
        """Measure the time spent in the block; a stage that raises is not reported."""
        wall_s, cpu_s = self._clock.monotonic_s(), self._clock.cpu_s()
        yield
        self._observer.stage_done(stage, records, self._clock.monotonic_s() - wall_s, self._clock.cpu_s() - cpu_s)
