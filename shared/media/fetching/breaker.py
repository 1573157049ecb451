"""The breaker per host: while a host is down, nothing is asked of it, and its records wait in the retry lane."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from schemas.failures import FailureReason
from shared.clock import Clock
from shared.media.fetching.failures import Failed

HOSTS_MAX = 4_096
"""Failing hosts that are remembered; a wildcard in the list of hosts allows any number of names."""


@dataclass(frozen=True, slots=True)
class BreakerTimes:
    """When a host counts as down, and for how long it is then not asked.

    Attributes:
        failures: Failures in a row after which a host counts as down.
        open_s: Seconds until the first probe; the time doubles with each probe that fails.
        open_max_s: Its upper limit in seconds.
    """

    failures: int
    open_s: float
    open_max_s: float


@dataclass(slots=True)
class _Host:
    failures: int = 0
    open_for_s: float = 0.0
    until_s: float = 0.0
    probing: bool = False


class HostBreaker:
    """Counts the failures in a row of each host; thread-safe.

    A host is closed (it is asked), open (it is not asked) or half-open (one probe asks it; the others are not tried).

    Args:
        times: When a host counts as down, and for how long.
        clock: The clock that times the openings.
    """

    def __init__(self, times: BreakerTimes, clock: Clock) -> None:
        self._times, self._clock = times, clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, host: str) -> Iterator[None]:
        """Run one fetch from a host and count how it ended; an error for which the host is not to blame is a success.

        An error of another class than `Failed` changes nothing: it can come from before the first byte was sent.

        Raises:
            Failed: `media_host_down`, and nothing was tried; or what the fetch raised.
        """
        is_probe = self._enter(host)
        try:
            yield
        except Failed as error:
            if error.by_host:
                self._count_failure(host, is_probe)
            else:
                self._close(host)
            raise
        except BaseException:
            self._end_probe(host, is_probe)
            raise
        else:
            self._close(host)

    def _enter(self, host: str) -> bool:
        """Return whether this fetch is the probe of a host that is down."""
        with self._lock:
            state = self._hosts.get(host)
            if state is None or not state.open_for_s:
                return False
            if state.probing or self._clock.monotonic_s() < state.until_s:
                raise Failed(
                    f"{host} is not asked now, because its last {state.failures} fetches failed",
                    FailureReason.MEDIA_HOST_DOWN,
                    by_host=False,
                    attempted=False,
                )
            state.probing = True
            return True

    def _count_failure(self, host: str, is_probe: bool) -> None:
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            self._hosts.move_to_end(host)
            if len(self._hosts) > HOSTS_MAX:
                self._hosts.popitem(last=False)
            state.failures += 1
            if is_probe:
                state.probing = False
                state.open_for_s = min(2 * state.open_for_s, self._times.open_max_s)
            elif not state.open_for_s and state.failures >= self._times.failures:
                state.open_for_s = min(self._times.open_s, self._times.open_max_s)
            else:
                return  # fetches that began before the host counted as down do not prolong the opening
            state.until_s = self._clock.monotonic_s() + state.open_for_s

    def _close(self, host: str) -> None:
        with self._lock:
            self._hosts.pop(host, None)

    def _end_probe(self, host: str, is_probe: bool) -> None:
        with self._lock:
            state = self._hosts.get(host)
            if is_probe and state is not None:
                state.probing = False
