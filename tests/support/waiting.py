"""Waiting for something that another thread or process does, with a deadline."""

import time
from collections.abc import Callable

POLL_S = 0.1


def wait_until(done: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return as soon as `done` returns true.

    Raises:
        TimeoutError: it did not in time.
    """
    until_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > until_s:
            raise TimeoutError(f"after {timeout_s} s still not: {what}")
        time.sleep(POLL_S)
