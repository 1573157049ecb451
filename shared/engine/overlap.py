"""Prepares the next batch on a thread of its own while one is in hand, and hands over exactly one at a time."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Overlap(Generic[T]):
    """Prepares one batch ahead.

    Args:
        make: Returns the next batch, or None if there is nothing to do; the thread calls it again and again.
        beat: Called before each `make`, so that a stuck thread is noticed.
    """

    def __init__(self, make: Callable[[], T | None], beat: Callable[[], None]) -> None:
        self._make, self._beat = make, beat
        self._changed = threading.Condition()
        self._made: T | None = None
        self._failure: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def take(self, wait_s: float) -> T | None:
        """Return the batch that was made ahead; the thread then makes the next. None if no batch is ready in time.

        Raises:
            Exception: the error that `make` raised; the thread has then ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._made is not None or self._failure is not None, timeout=wait_s)
            if self._made is None and self._failure is not None:
                raise self._failure
            made, self._made = self._made, None
            self._changed.notify_all()
            return made

    def stop(self) -> None:
        """End the thread; a batch that it made ahead is dropped."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self._wait_for_room():
                self._beat()
                made = self._make()
                with self._changed:
                    self._made = made
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  (`take` raises it, where it can be handled)
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _wait_for_room(self) -> bool:
        with self._changed:
            while self._made is not None and not self._stopped:
                self._changed.wait(timeout=1.0)
                self._beat()
            return not self._stopped
