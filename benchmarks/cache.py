"""Microseconds to store a vector and to find it again: in memory, in Redis, in both; and to embed it, for comparison.

Redis runs on loopback, so the figures include the work of both processes and no network.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from statistics import median

import numpy as np
from pydantic import SecretStr

from benchmarks.texts import load_texts
from millrace.resources import load_text_model
from shared.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from shared.cache.port import VectorCache
from shared.cache.redis import RedisCache
from shared.cache.tiered import TieredCache
from shared.cache.value import NumberFormat
from shared.clock import SystemClock
from shared.observers import Observer
from shared.records import Embedded
from shared.settings import CacheSettings
from shared.stream_settings import StreamSettings
from tests.support.redis.server import RedisServer

BATCH = 256
ROOMY_BYTES = 256 << 20
CLOCK = SystemClock()
Batches = list[dict[bytes, Embedded]]


class Hits(Observer):
    """Counts the vectors found, by level."""

    def __init__(self) -> None:
        self.asked = self.found = 0

    def cache_read(self, level: str, hits: int, misses: int) -> None:
        """Count the hits; the requests to the nearest level are the total."""
        self.found += hits
        self.asked += hits + misses if level == "memory" else 0

    def cache_failed(self, operation: str, kind: str) -> None:
        """Stop: a figure for a cache that is skipped would be wrong."""
        raise RuntimeError(f"{operation}: {kind}")


def redis_cache(server: RedisServer, dim: int, numbers: NumberFormat = "float32") -> RedisCache:
    settings = CacheSettings(redis_url=SecretStr(server.url), timeout_s=10, dtype=numbers)
    return RedisCache(settings, dim, CLOCK, Hits())


@contextmanager
def caches(server: RedisServer, dim: int) -> Iterator[dict[str, Callable[[], VectorCache]]]:
    """Yield functions that each return a cache with an empty first level, by name."""
    with closing(redis_cache(server, dim)) as plain, closing(redis_cache(server, dim, "float16")) as halved:
        yield {
            "memory": lambda: MemoryCache(ROOMY_BYTES),
            "Redis, float32": lambda: plain,
            "Redis, float16": lambda: halved,
            "memory and Redis": lambda: TieredCache(
                [("memory", MemoryCache(ROOMY_BYTES)), ("redis", plain)], Observer()
            ),
        }


def microseconds(work: Callable[[], object], vectors: int) -> float:
    """Return the microseconds per vector."""
    start_s = CLOCK.monotonic_s()
    work()
    return (CLOCK.monotonic_s() - start_s) / vectors * 1e6


def costs(server: RedisServer, make: Callable[[], VectorCache], batches: Batches) -> tuple[float, float, float]:
    """Return the microseconds per vector stored, found and missed."""
    server.empty()
    cache, vectors = make(), sum(map(len, batches))
    missed = microseconds(lambda: [cache.get_many(list(batch)) for batch in batches], vectors)
    put = microseconds(lambda: deque(map(cache.put_many, batches), maxlen=0), vectors)
    if sum(len(cache.get_many(list(batch))) for batch in batches) != vectors:
        raise RuntimeError("not all came back")
    found = microseconds(lambda: [cache.get_many(list(batch)) for batch in batches], vectors)
    return put, found, missed


def hit_ratio(server: RedisServer, batches: Batches, dim: int, with_redis: bool) -> float:
    """Return the share of hits when the same texts come a second time, with memory for a third of them."""
    server.empty()
    hits = Hits()
    third = sum(map(len, batches)) * (4 * dim + ENTRY_OVERHEAD_BYTES) // 3
    with closing(redis_cache(server, dim)) as shared:
        levels: list[tuple[str, VectorCache]] = [("memory", MemoryCache(third))]
        cache = TieredCache([*levels, ("redis", shared)] if with_redis else levels, hits)
        for batch in batches:
            cache.put_many(batch)
        for batch in batches:
            cache.get_many(list(batch))
    return hits.found / hits.asked


def report(texts_wanted: int, rounds: int) -> None:
    """Measure and print; without a redis-server nothing is measured."""
    if shutil.which("redis-server") is None:
        print("\nCache: no redis-server on the PATH, nothing is measured")
        return
    where, texts = load_texts(texts_wanted)
    model = load_text_model(StreamSettings())
    model.embed(texts[:32])
    start_s = CLOCK.monotonic_s()
    vectors = np.concatenate([model.embed(texts[at : at + BATCH]).vectors for at in range(0, len(texts), BATCH)])
    embedding_us = (CLOCK.monotonic_s() - start_s) / len(texts) * 1e6
    known = {sha256(text.encode()).digest(): Embedded(vector, 1) for text, vector in zip(texts, vectors, strict=True)}
    keys = list(known)
    batches = [{key: known[key] for key in keys[at : at + BATCH]} for at in range(0, len(keys), BATCH)]
    with RedisServer() as server, caches(server, model.dim) as compared:
        rows = {name: [costs(server, make, batches) for _ in range(rounds)] for name, make in compared.items()}
        ratios = [hit_ratio(server, batches, model.dim, with_redis) for with_redis in (False, True)]
    print(f"\nMicroseconds per vector of {model.dim} dimensions, {len(keys)} texts of {where}, batches of {BATCH},")
    print(f"median of {rounds} rounds; embedding one of these texts takes {embedding_us:.0f}")
    print(f"{'':<20}{'put':>8}{'found':>8}{'missed':>8}")
    for name, measured in rows.items():
        print(f"{name:<20}" + "".join(f"{median(column):>8.1f}" for column in zip(*measured, strict=True)))
    print(f"again, with memory for a third of them: {ratios[0]:.0%} found in memory alone, {ratios[1]:.0%} with Redis")
