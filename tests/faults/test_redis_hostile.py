"""Whatever is stored in Redis or answers in its place, the cache gives the right vector or none, and raises nothing.

A green run does not prove that a deliberately forged value is refused: anybody who may write to Redis can compute a
checksum.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
import redis
from structlog.testing import capture_logs

from shared.cache.port import cache_key
from shared.cache.redis import PREFIX, RedisCache
from shared.cache.value import CHECKSUM_BYTES, HEADER, NumberFormat, decode_vector, encode_vector
from shared.records import Embedded, Vector
from tests.support.redis.caches import RecordingObserver, redis_cache, wait_for_threads
from tests.support.redis.liar import Answer, Liar, drips, floods, hangs_up, quotes, says, silent
from tests.support.redis.server import RedisServer

DIM = 384
KEY, OTHER = cache_key("text", b"one", "00000001"), cache_key("text", b"other", "00000001")
SECRET = "Rd6-redis-3Wn8Vc"  # noqa: S105  (recognisable, so that a leak is found)
IMPATIENT_S = 0.2


def vector(seed: int, dim: int = DIM) -> Vector:
    drawn = np.random.default_rng(seed).normal(size=dim)
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)


def value(key: bytes = KEY, dim: int = DIM, numbers: NumberFormat = "float32", windows: int = 1) -> bytes:
    encoded = encode_vector(key, Embedded(vector(1, dim), windows), numbers)
    assert encoded is not None
    return encoded


def forged(numbers: np.ndarray[tuple[int], np.dtype[np.float32]]) -> bytes:
    """Return a value whose checksum is right and whose numbers are no valid vector."""
    unit = np.zeros(len(numbers), np.float32)
    unit[0] = 1
    genuine = encode_vector(KEY, Embedded(unit, 1), "float32")
    assert genuine is not None
    from shared.cache.value import _checksum

    content = genuine[: HEADER.size] + numbers.astype("<f4").tobytes()
    return content + _checksum(KEY, content)


GOOD = value()
INVALID: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "as long as it should be": b"x" * len(GOOD),
    "zeros": bytes(len(GOOD)),
    "truncated": GOOD[:-1],
    "half": GOOD[: len(GOOD) // 2],
    "header alone": GOOD[: HEADER.size],
    "one byte more": GOOD + b"\0",
    "twice": GOOD * 2,
    "another key's": value(key=OTHER),
    "another dimension": value(dim=DIM - 1),
    "another number format": value(numbers="float16"),
    "another format's mark": b"mrv9" + GOOD[4:],
    "no windows": GOOD[:12] + struct.pack("<I", 0) + GOOD[16:],
    "more windows": GOOD[:12] + struct.pack("<I", 2) + GOOD[16:],
    "checksum of nothing": GOOD[:-CHECKSUM_BYTES] + bytes(CHECKSUM_BYTES),
    "not a number": forged(np.full(DIM, np.nan, np.float32)),
    "infinite": forged(np.full(DIM, np.inf, np.float32)),
    "enormous": forged(np.full(DIM, 3e38, np.float32)),
    "zero length": forged(np.zeros(DIM, np.float32)),
    "twice as long": forged(2 * vector(1)),
}


@pytest.mark.parametrize("name", list(INVALID))
def test_a_value_that_is_not_exactly_right_is_a_miss(name: str) -> None:
    assert decode_vector(KEY, INVALID[name], DIM, "float32") is None


def test_every_flipped_bit_is_detected() -> None:
    for place in range(len(GOOD)):
        flipped = bytearray(GOOD)
        flipped[place] ^= 1 << (place % 8)
        assert decode_vector(KEY, bytes(flipped), DIM, "float32") is None, place


@pytest.mark.parametrize("other", [None, 5, "text", [GOOD], bytearray(GOOD)])
def test_a_value_that_is_not_bytes_is_a_miss(other: object) -> None:
    assert decode_vector(KEY, other, DIM, "float32") is None


def test_float32_is_read_back_exactly_and_float16_approximately() -> None:
    exact, rounded = (
        decode_vector(KEY, value(numbers=numbers, windows=3), DIM, numbers) for numbers in ("float32", "float16")
    )
    assert exact is not None
    assert rounded is not None
    assert exact.vector.tobytes() == vector(1).tobytes()
    assert (exact.windows, rounded.windows) == (3, 3)
    assert rounded.vector.dtype == np.float32
    assert float(np.linalg.norm(rounded.vector)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(rounded.vector, vector(1), atol=1e-3)
    assert float(rounded.vector @ vector(1)) > 0.999999
    assert len(value(numbers="float16")) < 0.52 * len(GOOD)


@pytest.mark.parametrize("broken", [np.full(DIM, np.nan), np.zeros(DIM), 3 * vector(1)])
def test_a_vector_that_would_be_refused_is_not_written(broken: Vector) -> None:
    assert encode_vector(KEY, Embedded(np.asarray(broken, np.float32), 1), "float32") is None


@pytest.fixture
def raw(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    redis_server.empty()
    with closing(redis.Redis(port=redis_server.port)) as client:
        yield client


def name_of(key: bytes) -> str:
    return f"{PREFIX}float32:{key.hex()}"


@pytest.mark.parametrize("name", [*INVALID, "a list"])
def test_invalid_values_in_redis_are_counted_and_overwritten(
    redis_server: RedisServer, raw: "redis.Redis", name: str
) -> None:
    reported = RecordingObserver()
    with closing(redis_cache(redis_server.url, DIM, reported=reported)) as cache:
        cache.put_many({OTHER: Embedded(vector(2), 1)})
        if name == "a list":
            raw.rpush(name_of(KEY), "x")
        else:
            raw.set(name_of(KEY), INVALID[name])
        assert list(cache.get_many([KEY, OTHER])) == [OTHER]
        assert reported.invalid == (0 if name == "a list" else 1)  # MGET returns nothing for a value that is no string
        assert reported.failures == []
        cache.put_many({KEY: Embedded(vector(1), 1)})
        assert cache.get_many([KEY])[KEY].vector.tobytes() == vector(1).tobytes()


def test_written_values_expire_and_have_the_prefix(redis_server: RedisServer, raw: "redis.Redis") -> None:
    with closing(redis_cache(redis_server.url, DIM, ttl_s=77)) as cache:
        cache.put_many({KEY: Embedded(vector(1), 1)})
    assert raw.keys() == [name_of(KEY).encode()]
    assert 0 < int(raw.ttl(name_of(KEY))) <= 77


def test_many_keys_are_read_with_few_commands(redis_server: RedisServer, raw: "redis.Redis") -> None:
    keys = [cache_key("text", str(number).encode(), "00000001") for number in range(1_000)]
    raw.config_resetstat()
    with closing(redis_cache(redis_server.url, DIM)) as cache:
        cache.put_many({key: Embedded(vector(number), 1) for number, key in enumerate(keys)})
        found = cache.get_many(keys)
    assert list(found) == keys
    assert all(found[key].vector.tobytes() == vector(number).tobytes() for number, key in enumerate(keys))
    calls = raw.info("commandstats")
    assert calls["cmdstat_mget"]["calls"] == 4


LIES: dict[str, tuple[Answer, str]] = {
    "silent": (silent, "timeout"),
    "drips": (drips, "timeout"),
    "floods": (floods, "timeout"),
    "hangs up": (hangs_up, "connection"),
    "a web server": (says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "protocol"),
    "no values": (says(b"*0\r\n"), "protocol"),
    "too many values": (says(b"*2\r\n$-1\r\n$-1\r\n"), "protocol"),
    "a number": (says(b":1\r\n"), "protocol"),
    "deeper and deeper": (says(b"*1\r\n" * 50_000), "protocol"),
    "half an answer": (says(b"*1\r\n$5\r\nab"), "timeout"),
    "an error": (says(b"-OOM command not allowed\r\n"), "refused"),
    "its arguments": (quotes, "refused"),
}


@pytest.mark.parametrize("lie", list(LIES))
def test_a_server_with_false_answers_costs_one_failed_call(lie: str) -> None:
    answer, kind = LIES[lie]
    reported = RecordingObserver()
    with Liar(answer) as liar, closing(redis_cache(liar.url, DIM, reported=reported, timeout_s=IMPATIENT_S)) as cache:
        for _ in range(5):
            assert cache.get_many([KEY]) == {}
        assert reported.failures == [("get", kind)]
        assert reported.up["get"] is False
        wait_for_threads()


@pytest.mark.parametrize("values", [b"*1\r\n:5\r\n", b"*1\r\n*0\r\n", b"*1\r\n$5\r\nhello\r\n", b"*1\r\n+OK\r\n"])
def test_values_of_the_wrong_type_are_invalid(values: bytes) -> None:
    reported = RecordingObserver()
    with Liar(says(values)) as liar, closing(redis_cache(liar.url, DIM, reported=reported)) as cache:
        assert cache.get_many([KEY]) == {}
    assert (reported.invalid, reported.failures) == (1, [])


@pytest.mark.parametrize("call", [lambda c: c.get_many([KEY]), lambda c: c.put_many({KEY: Embedded(vector(1), 1)})])
def test_the_password_is_not_logged_even_if_the_server_quotes_it(call: Callable[[RedisCache], object]) -> None:
    with Liar(quotes) as liar, capture_logs() as lines:
        url = liar.url.replace("redis://", f"redis://someone:{SECRET}@")
        with closing(redis_cache(url, DIM, timeout_s=IMPATIENT_S)) as cache:
            call(cache)
        assert any(SECRET.encode() in request for request in liar.requests), (
            "the password was not sent, so it could not be quoted"
        )
    assert [line["kind"] for line in lines] == ["refused"]
    assert SECRET not in repr(lines)
    assert "someone" not in repr(lines)
