"""Redis frozen, killed, restarted or refusing: the cache counts misses, leaves it alone for a while, and returns.

Waits use a manual clock; only a time-out is real time. A green run does not prove how long a real outage slows a
worker.
"""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.cache.cooldown import LEAST_S
from shared.cache.memory import MemoryCache
from shared.cache.port import VectorCache, cache_key
from shared.cache.redis import RedisCache
from shared.cache.tiered import TieredCache
from shared.embedding.port import TEXT
from shared.embedding.service import Embedder
from shared.records import Embedded
from tests.support.fakes import DIM, FakeModel, ManualClock
from tests.support.redis.caches import RecordingObserver, redis_cache, wait_for_threads
from tests.support.redis.server import RedisServer

KEY = cache_key("text", b"one", "00000001")
VECTOR = np.eye(DIM, dtype=np.float32)[0]
LONG_S = 60.0
"""Longer than any wait after a failure."""


class Watched:
    """A cache in a Redis of its own, a manual clock, and the reports."""

    def __init__(self, server: RedisServer, timeout_s: float) -> None:
        self.server, self.clock, self.reported = server, ManualClock(), RecordingObserver()
        self.cache: RedisCache = redis_cache(server.url, DIM, self.clock, self.reported, timeout_s=timeout_s)

    def put(self) -> None:
        """Store the one vector."""
        self.cache.put_many({KEY: Embedded(VECTOR, 1)})

    def later(self) -> None:
        """Let more time pass than any wait takes."""
        wait_for_threads()
        self.clock.seconds += LONG_S

    def knows(self) -> bool:
        """Return whether the cache has the vector."""
        return KEY in self.cache.get_many([KEY])


@pytest.fixture
def watched(own_redis: RedisServer) -> Iterator[Watched]:
    """Yield a cache with a long time-out, for a server that answers at once."""
    watched = Watched(own_redis, timeout_s=10)
    with closing(watched.cache):
        yield watched


@pytest.fixture
def impatient(own_redis: RedisServer) -> Iterator[Watched]:
    """Yield a cache with a short time-out, for a server that will not answer."""
    watched = Watched(own_redis, timeout_s=0.5)
    with closing(watched.cache):
        yield watched


def test_a_frozen_server_costs_one_time_out_and_not_one_per_batch(impatient: Watched) -> None:
    impatient.put()
    impatient.server.freeze()
    for _ in range(50):
        assert not impatient.knows()
        impatient.put()
    assert impatient.reported.failures == [("get", "timeout")]
    impatient.server.thaw()


def test_the_server_is_used_again_once_it_runs_again(impatient: Watched) -> None:
    impatient.put()
    impatient.server.freeze()
    assert not impatient.knows()
    impatient.server.thaw()
    assert not impatient.knows(), "it was used before the wait was over"
    impatient.later()
    assert impatient.knows()
    assert impatient.reported.up == {"get": True, "put": False}
    impatient.put()
    assert impatient.reported.up == {"get": True, "put": True}


def test_each_further_try_costs_one_time_out(impatient: Watched) -> None:
    impatient.server.freeze()
    for _ in range(3):
        assert not impatient.knows()
        impatient.later()
    assert impatient.reported.failures == [("get", "timeout")] * 3
    impatient.server.thaw()


def test_a_killed_server_causes_misses_and_is_empty_after_its_restart(watched: Watched) -> None:
    watched.put()
    assert watched.knows()
    watched.server.kill()
    assert not watched.knows()
    watched.later()
    assert not watched.knows()
    assert watched.reported.failures == [("get", "connection")] * 2
    watched.server.start()
    watched.later()
    assert not watched.knows()
    watched.put()
    assert watched.knows()
    assert watched.reported.up == {"get": True, "put": True}


def test_a_connection_lost_between_two_calls_costs_at_most_one_miss(watched: Watched) -> None:
    watched.put()
    watched.server.kill()
    watched.server.start()
    watched.put()
    watched.later()
    watched.put()
    assert watched.knows()


def test_each_change_of_state_is_logged_once(impatient: Watched) -> None:
    with capture_logs() as lines:
        impatient.server.freeze()
        for _ in range(3):
            assert not impatient.knows()
            impatient.later()
        impatient.server.thaw()
        assert not impatient.knows()
        impatient.put()
    events = [(line["event"], line["operation"]) for line in lines]
    assert events == [
        ("redis is skipped for a while", "get"),
        ("redis is skipped for a while", "put"),
        ("redis is used again", "get"),
        ("redis is used again", "put"),
    ]


def test_a_full_server_is_still_read(watched: Watched) -> None:
    watched.put()
    watched.server.command("CONFIG", "SET", "maxmemory", "1")
    watched.cache.put_many({cache_key("text", b"two", "00000001"): Embedded(VECTOR, 1)})
    assert watched.reported.failures == [("put", "refused")]
    assert watched.reported.up == {"get": True, "put": False}
    assert watched.knows()


def test_a_port_where_nothing_listens_causes_misses() -> None:
    reported = RecordingObserver()
    with closing(redis_cache("redis://127.0.0.1:1", DIM, ManualClock(), reported)) as cache:
        assert cache.get_many([KEY]) == {}
        cache.put_many({KEY: Embedded(VECTOR, 1)})
    assert reported.failures == [("get", "connection")]


def test_a_host_name_that_is_not_found_causes_misses() -> None:
    reported = RecordingObserver()
    with closing(redis_cache("redis://name.invalid", DIM, ManualClock(), reported)) as cache:
        assert cache.get_many([KEY]) == {}
    assert [operation for operation, _ in reported.failures] == ["get"]


def test_waits_grow_and_are_never_shorter_than_the_minimum(watched: Watched) -> None:
    watched.server.kill()
    tries = []
    for _ in range(4_000):
        before = len(watched.reported.failures)
        watched.knows()
        if len(watched.reported.failures) > before:
            tries.append(watched.clock.seconds)
        watched.clock.seconds += 0.1
    waits = np.diff(tries)
    assert waits.min() >= LEAST_S - 1e-6
    assert waits.max() <= 31.2
    assert len(tries) < 70, "a mean wait of some 16 s gives about 30 tries in 400 s"


def test_texts_are_embedded_once_whichever_level_has_them(watched: Watched) -> None:
    def embedder(memory_bytes: int) -> tuple[FakeModel, Embedder[str]]:
        model = FakeModel()
        levels: list[tuple[str, VectorCache]] = [("memory", MemoryCache(memory_bytes)), ("redis", watched.cache)]
        return model, Embedder(TEXT, model, TieredCache(levels, watched.reported), watched.reported)

    model, first = embedder(1 << 20)
    vectors = [first.embed(["a", "b", "a"]), first.embed(["b", "a"])]
    assert model.calls == [["a", "b"]]
    assert watched.reported.reads == [("memory", 0, 2), ("redis", 0, 2), ("memory", 2, 0)]
    other, second = embedder(1 << 20)
    vectors += [second.embed(["b", "a"]), second.embed(["a", "b"])]
    assert other.calls == []
    assert watched.reported.reads[3:] == [("memory", 0, 2), ("redis", 2, 0), ("memory", 2, 0)]
    a, b = (
        {_bytes(each[at]) for each, at in zip(vectors, places, strict=True)} for places in ([0, 1, 1, 0], [1, 0, 0, 1])
    )
    assert len(a) == len(b) == 1


def _bytes(answer: object) -> bytes:
    assert isinstance(answer, Embedded)
    return answer.vector.tobytes()
