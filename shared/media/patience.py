"""How long a batch waits for a fetch from a host: a few times as long as fetches from it usually take."""

import threading
from collections import OrderedDict

TIMES_USUAL = 4.0
LEAST_S = 0.25
UNKNOWN_S = 2.0
"""Patience with a host of which nothing is known yet."""

WEIGHT_OF_NEW = 0.2
HOSTS_MAX = 4_096


class Patience:
    """Learns how long each host takes; thread-safe.

    The usual time is an exponentially weighted mean of the fetches that succeeded, those that came late included, so that
    a host that has become slower is soon given more time.
    """

    def __init__(self) -> None:
        self._usual_s: OrderedDict[str, float] = OrderedDict()
        self._suspects: set[str] = set()
        self._lock = threading.Lock()

    def is_suspect(self, host: str) -> bool:
        """Return whether a fetch from this host was late, and none has succeeded since."""
        return host in self._suspects

    def suspect(self, host: str) -> None:
        """Note that a fetch from this host is late."""
        with self._lock:
            if len(self._suspects) < HOSTS_MAX:
                self._suspects.add(host)

    def of(self, host: str) -> float:
        """Return the time to wait for one fetch, in seconds from its beginning."""
        with self._lock:
            usual_s = self._usual_s.get(host)
        return UNKNOWN_S if usual_s is None else max(LEAST_S, TIMES_USUAL * usual_s)

    def note(self, host: str, took_s: float) -> None:
        """Note how long a fetch took that succeeded."""
        with self._lock:
            self._suspects.discard(host)
            usual_s = self._usual_s.get(host, took_s)
            self._usual_s[host] = usual_s + WEIGHT_OF_NEW * (took_s - usual_s)
            self._usual_s.move_to_end(host)
            if len(self._usual_s) > HOSTS_MAX:
                self._usual_s.popitem(last=False)
