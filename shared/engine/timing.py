"""Timing a stage of a batch."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.clock import Clock
from shared.observers import Observer


class Stopwatch:
    """Tells an observer what each stage took, in wall time and in CPU time of the whole process."""

    def __init__(self, clock: Clock, observer: Observer) -> None:
        self._clock, self._observer = clock, observer

    @contextmanager
    def time(self, stage: str, records: int) -> Iterator[None]:
        """Time what is done within; a stage that raises is not told."""
        wall_s, cpu_s = self._clock.monotonic_s(), self._clock.cpu_s()
        yield
        self._observer.stage_done(stage, records, self._clock.monotonic_s() - wall_s, self._clock.cpu_s() - cpu_s)
