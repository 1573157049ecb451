"""Threads for media, shared fairly between hosts: a host that hangs never has more than its part of them."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class HostPool:
    """Runs tasks in threads, at most `per_host` at a time for each host. A task that waits for its host has no thread.

    Args:
        parallel: Number of threads.
        per_host: Most tasks of one host that run or are about to run.
    """

    def __init__(self, parallel: int, per_host: int) -> None:
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="media")
        self.parallel, self._per_host = parallel, per_host
        self._running: dict[str, int] = {}
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._unfinished: set[Future[Any]] = set()
        self._lock = threading.Lock()

    def submit(self, host: str, task: Callable[[], Result]) -> "Future[Result]":
        """Run a task as soon as its host and a thread are free; tasks of one host start in the order of their calls.

        Args:
            host: The host, as `MediaFetcher.host_of` returns it; an empty text has no limit.
            task: The task; what it returns or raises is in the future.
        """
        future: Future[Result] = Future()

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    _settle(future, task)
            finally:
                self._next(host, future)

        with self._lock:
            self._unfinished.add(future)
            if not host or self._running.get(host, 0) < self._per_host:
                self._running[host] = self._running.get(host, 0) + 1
                self._threads.submit(run)
            else:
                self._waiting.setdefault(host, deque()).append(run)
        return future

    def close(self) -> None:
        """Cancel the tasks that wait, and wait for those that run: each ends within the time limits of a fetch."""
        with self._lock:
            self._waiting.clear()
            waiting = list(self._unfinished)
        for future in waiting:
            future.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _next(self, host: str, ended: "Future[Any]") -> None:
        with self._lock:
            self._unfinished.discard(ended)
            waiting = self._waiting.get(host)
            if waiting:
                self._threads.submit(waiting.popleft())
                if not waiting:
                    del self._waiting[host]
                return
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]


def _settle(future: "Future[Result]", task: Callable[[], Result]) -> None:
    try:
        result = task()
    except BaseException as error:  # noqa: BLE001  (whoever waits for the future gets it)
        future.set_exception(error)
    else:
        future.set_result(result)
