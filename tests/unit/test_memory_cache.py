"""The in-process cache of vectors; that its limit holds for any sequence is tested in `tests/property`.

A green run does not prove the constant used for an entry's overhead; it was measured once.
"""

import threading

import numpy as np
import pytest

from shared.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from shared.records import Embedded

DIM = 4
ENTRY_BYTES = DIM * 4 + ENTRY_OVERHEAD_BYTES


def embedded(value: float, windows: int = 1) -> Embedded:
    return Embedded(np.full(DIM, value, np.float32), windows)


def known(cache: MemoryCache, *keys: bytes) -> list[bytes]:
    return list(cache.get_many(keys))


def test_a_stored_vector_is_found_with_its_windows() -> None:
    cache = MemoryCache(10_000)
    cache.put_many({b"a": embedded(1, 3)})
    found = cache.get_many([b"a", b"b"])
    assert list(found) == [b"a"]
    assert (found[b"a"].windows, found[b"a"].vector.tolist()) == (3, [1, 1, 1, 1])


def test_the_least_recently_used_goes_first() -> None:
    cache = MemoryCache(3 * ENTRY_BYTES)
    cache.put_many({b"a": embedded(1), b"b": embedded(2), b"c": embedded(3)})
    assert known(cache, b"a") == [b"a"]
    cache.put_many({b"d": embedded(4)})
    assert known(cache, b"a", b"b", b"c", b"d") == [b"a", b"c", b"d"]


def test_a_key_stored_again_counts_once_and_has_its_new_vector() -> None:
    cache = MemoryCache(2 * ENTRY_BYTES)
    for value in range(10):
        cache.put_many({b"a": embedded(value)})
    cache.put_many({b"b": embedded(1)})
    assert known(cache, b"a", b"b") == [b"a", b"b"]
    assert cache.get_many([b"a"])[b"a"].vector[0] == 9


@pytest.mark.parametrize("limit", [0, ENTRY_BYTES - 1])
def test_a_cache_too_small_for_any_entry_keeps_nothing(limit: int) -> None:
    cache = MemoryCache(limit)
    cache.put_many({b"a": embedded(1)})
    assert known(cache, b"a") == []


def test_the_cache_keeps_a_copy_that_nobody_can_change() -> None:
    cache = MemoryCache(10_000)
    matrix = np.ones((100, DIM), np.float32)
    cache.put_many({b"a": Embedded(matrix[0], 1)})
    matrix[0] = 7
    kept = cache.get_many([b"a"])[b"a"].vector
    assert kept.tolist() == [1, 1, 1, 1]
    assert kept.base is None
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 5


def test_many_threads_at_once_do_not_exceed_the_limit() -> None:
    cache = MemoryCache(5 * ENTRY_BYTES)

    def work(number: int) -> None:
        for turn in range(200):
            key = bytes([number, turn % 7])
            cache.put_many({key: embedded(turn)})
            cache.get_many([key, b"other"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [bytes([number, turn]) for number in range(4) for turn in range(7)]
    assert 0 < len(cache.get_many(every)) <= 5
