"""Threads are shared fairly between hosts. A green run does not prove the order in which threads are woken."""

import threading
from concurrent.futures import CancelledError
from typing import NoReturn

import pytest

from shared.media.fetching.pool import HostPool

TIMEOUT_S = 10.0


class Hung:
    """A host whose fetches hang until they are let go, and the most that hung at the same time."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.running, self.most = 0, 0
        self._lock = threading.Lock()

    def fetch(self) -> str:
        """Hang."""
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.let_go.wait(TIMEOUT_S)
        with self._lock:
            self.running -= 1
        return "late"


def test_a_hung_host_has_only_its_part_of_the_threads() -> None:
    pool, hung = HostPool(parallel=4, per_host=3), Hung()
    waiting = [pool.submit("hung", hung.fetch) for _ in range(20)]
    healthy = [pool.submit(f"healthy-{n % 2}", lambda: "quick") for n in range(20)]
    assert [each.result(TIMEOUT_S) for each in healthy] == ["quick"] * 20
    assert not any(each.done() for each in waiting)
    hung.let_go.set()
    assert [each.result(TIMEOUT_S) for each in waiting] == ["late"] * 20
    assert hung.most == 3
    pool.close()


def test_what_is_of_no_host_has_no_limit() -> None:
    pool, hung = HostPool(parallel=4, per_host=1), Hung()
    inline = [pool.submit("", hung.fetch) for _ in range(4)]
    while hung.running < 4:
        hung.let_go.wait(0.01)
    hung.let_go.set()
    assert [each.result(TIMEOUT_S) for each in inline] == ["late"] * 4
    pool.close()


def test_tasks_of_a_host_start_in_the_order_of_their_calls_also_after_errors() -> None:
    pool = HostPool(parallel=2, per_host=1)
    started: list[int] = []

    def task(number: int) -> NoReturn:
        started.append(number)
        raise LookupError(number)

    found = [pool.submit("a", lambda number=number: task(number)) for number in range(10)]  # type: ignore[misc]  # a default binds it
    for each in found:
        with pytest.raises(LookupError):
            each.result(TIMEOUT_S)
    assert started == list(range(10))
    pool.close()


def test_closing_cancels_what_waits() -> None:
    pool, hung = HostPool(parallel=1, per_host=1), Hung()
    tasks = [pool.submit(host, hung.fetch) for host in ("a", "a", "b")]
    while not hung.running:
        hung.let_go.wait(0.01)
    threading.Timer(0.1, hung.let_go.set).start()
    pool.close()
    assert tasks[0].result(TIMEOUT_S) == "late"
    for each in tasks[1:]:
        with pytest.raises(CancelledError):
            each.result(TIMEOUT_S)
