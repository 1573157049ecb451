"""Every cache of vectors keeps the port's promises; a new one joins with a row in `CACHES`.

What it shows: a cache returns exactly the stored vectors, read-only, under their own keys, and forgetting is harmless.
A green run does not prove anything about the hit rate, the memory really used, or a Redis that is slow, unavailable or
returns wrong data: `tests/faults/test_redis_faults.py` does.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest

from shared.cache.memory import MemoryCache
from shared.cache.port import VectorCache, cache_key
from shared.cache.tiered import TieredCache
from shared.observers import Observer
from shared.records import Embedded, Vector
from tests.support.redis.caches import redis_cache
from tests.support.redis.server import RedisServer

DIM = 384
ROOMY_BYTES = 64 * 2**20
CACHES: dict[str, Callable[[], VectorCache]] = {
    "memory": lambda: MemoryCache(ROOMY_BYTES),
    "memory, full": lambda: MemoryCache(20_000),
    "memory, off": lambda: MemoryCache(0),
}
BEFORE_REDIS: dict[str, list[int]] = {"redis": [], "memory, redis": [ROOMY_BYTES], "small memory, redis": [20_000]}
"""Size of the cache in front of Redis: the bytes of a cache in memory, or none."""

ROOMY = ["memory", *BEFORE_REDIS]
"""Caches that must not have forgotten a few vectors that were just stored."""


@pytest.fixture(params=[*CACHES, *BEFORE_REDIS])
def cache(request: pytest.FixtureRequest) -> Iterator[VectorCache]:
    if request.param in CACHES:
        yield CACHES[request.param]()
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.empty()
    with closing(redis_cache(server.url, DIM)) as shared:
        levels: list[tuple[str, VectorCache]] = [
            ("memory", MemoryCache(limit)) for limit in BEFORE_REDIS[request.param]
        ]
        yield TieredCache([*levels, ("redis", shared)], Observer())


remembers = pytest.mark.parametrize("cache", ROOMY, indirect=True)


def vector(seed: int) -> Vector:
    """Return a vector of unit length, the same for the same seed."""
    drawn = np.random.default_rng(seed).normal(size=DIM)
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)


def key(number: int) -> bytes:
    """Return the key of a numbered text."""
    return cache_key("text", str(number).encode(), "00000001")


def put(cache: VectorCache, *seeds: int) -> None:
    """Store numbered vectors."""
    cache.put_many({key(seed): Embedded(vector(seed), 1 + seed % 5) for seed in seeds})


@remembers
def test_stored_vectors_come_back_equal(cache: VectorCache) -> None:
    put(cache, *range(10))
    found = cache.get_many([key(number) for number in range(10)])
    assert list(found) == [key(number) for number in range(10)]
    for number in range(10):
        assert found[key(number)].windows == 1 + number % 5
        assert found[key(number)].vector.dtype == np.float32
        np.testing.assert_array_equal(found[key(number)].vector, vector(number))


def test_unknown_keys_are_left_out(cache: VectorCache) -> None:
    put(cache, 1)
    assert key(2) not in cache.get_many([key(2), key(1)])
    assert cache.get_many([key(3)]) == {}


def test_no_keys_give_no_vectors(cache: VectorCache) -> None:
    cache.put_many({})
    assert cache.get_many([]) == {}


@remembers
def test_a_key_requested_twice_is_answered_once(cache: VectorCache) -> None:
    put(cache, 1)
    assert list(cache.get_many([key(1), key(1), key(2)])) == [key(1)]


@remembers
def test_returned_vectors_are_read_only(cache: VectorCache) -> None:
    put(cache, 1)
    found = cache.get_many([key(1)])[key(1)].vector
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found *= 2


@remembers
def test_later_changes_of_the_original_have_no_effect(cache: VectorCache) -> None:
    batch = np.stack([vector(1), vector(2)])
    given = {key(1): Embedded(batch[0], 1), key(2): Embedded(batch[1], 2)}
    cache.put_many(given)
    batch[:] = 0
    given.clear()
    found = cache.get_many([key(1), key(2)])
    np.testing.assert_array_equal(found[key(1)].vector, vector(1))
    np.testing.assert_array_equal(found[key(2)].vector, vector(2))


def test_storing_leaves_the_original_writable(cache: VectorCache) -> None:
    mine = vector(1)
    cache.put_many({key(1): Embedded(mine, 1)})
    mine[0] = 0.5
    assert mine[0] == 0.5


@remembers
def test_storing_again_replaces_the_vector(cache: VectorCache) -> None:
    put(cache, 1)
    cache.put_many({key(1): Embedded(vector(9), 7)})
    found = cache.get_many([key(1)])[key(1)]
    assert found.windows == 7
    np.testing.assert_array_equal(found.vector, vector(9))


def test_it_may_forget_but_never_answers_with_the_vector_of_another_key(cache: VectorCache) -> None:
    for first in range(0, 2_000, 40):
        put(cache, *range(first, first + 40))
        asked = range(max(0, first - 100), first + 80)
        found = cache.get_many([key(number) for number in asked])
        assert set(found) <= {key(number) for number in range(first + 40)}
        for number in asked:
            if key(number) in found:
                np.testing.assert_array_equal(found[key(number)].vector, vector(number))
                assert found[key(number)].windows == 1 + number % 5


def test_two_threads_get_their_own_vectors(cache: VectorCache) -> None:
    wrong: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 500):
            put(cache, number)
            for which, found in cache.get_many([key(number), key(number - 1)]).items():
                expected = vector(number if which == key(number) else number - 1)
                if not np.array_equal(found.vector, expected):
                    wrong.append(number)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 250)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_keys_differ_even_if_their_parts_join_to_the_same_text() -> None:
    asked = [
        ("text", b"ab", "c"),
        ("text", b"a", "bc"),
        ("texta", b"b", "c"),
        ("text", b"", "abc"),
        ("", b"textab", "c"),
    ]
    assert len({cache_key(*each) for each in asked}) == len(asked)
