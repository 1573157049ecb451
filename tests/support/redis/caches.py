"""Building the cache under test, and its reports."""

import threading
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from shared.cache.redis import RedisCache
from shared.clock import Clock, SystemClock
from shared.observers import Observer
from shared.settings import CacheSettings
from tests.support.waiting import wait_until

PATIENT_S = 10.0
"""For tests that are not about a slow server: a busy machine must not look like one."""


@dataclass
class RecordingObserver(Observer):
    """Keeps the reports of the caches, in order."""

    reads: list[tuple[str, int, int]] = field(default_factory=list)
    invalid: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    up: dict[str, bool] = field(default_factory=dict)

    def cache_read(self, level: str, hits: int, misses: int) -> None:
        """Keep the report."""
        self.reads.append((level, hits, misses))

    def cache_values_refused(self, values: int) -> None:
        """Count the values."""
        self.invalid += values

    def cache_failed(self, operation: str, kind: str) -> None:
        """Keep the report."""
        self.failures.append((operation, kind))

    def cache_up(self, operation: str, up: bool) -> None:
        """Keep the latest state."""
        self.up[operation] = up


def wait_for_threads() -> None:
    """Wait until the threads of abandoned calls have ended: before that, Redis is not asked again."""
    wait_until(lambda: not any(thread.name == "cache" for thread in threading.enumerate()), 30, "no call under way")


def redis_cache(
    url: str, dim: int, clock: Clock | None = None, reported: Observer | None = None, **changes: Any
) -> RedisCache:
    """Return a cache in the Redis at an address; its time-out is long unless one is given."""
    settings = CacheSettings(redis_url=SecretStr(url), **({"timeout_s": PATIENT_S} | changes))
    return RedisCache(settings, dim, clock or SystemClock(), reported or Observer())
