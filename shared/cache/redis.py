"""Vectors in Redis, shared by workers and kept across their restarts. A slow, lost or faulty Redis causes only misses.

The guarantees and the reasons for this design: `docs/decisions/0011-redis-cache.md`. No text from the server is ever
logged, because old servers quote the password that they received in their errors.
"""

import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import override

from shared.addresses import RedisAddress
from shared.cache.cooldown import Cooldown
from shared.cache.port import VectorCache
from shared.cache.value import decode_vector, encode_vector
from shared.clock import Clock
from shared.errors import Fatal
from shared.logs import get_logger
from shared.observers import Observer
from shared.records import Embedded
from shared.settings import CacheSettings

PREFIX = "millrace:v1:"
"""The prefix of every key, for which access rules are written."""

KEYS_AT_ONCE = 256
"""Keys in one MGET, during which the server answers no other client."""

KNOWN_CODES = frozenset(
    {"NOAUTH", "NOPERM", "WRONGPASS", "OOM", "READONLY", "MISCONF", "LOADING", "BUSY", "MOVED", "CLUSTERDOWN"}
)
"""Error codes of the server that may be logged; https://redis.io/docs/latest/develop/reference/protocol-spec/"""

OPERATIONS = ("get", "put")
Answer = TypeVar("Answer")
log = get_logger("cache")


class RedisCache(VectorCache):
    """A thread-safe cache of vectors in Redis.

    After a failure Redis is not asked for a while: only for the refused operation (reading or writing) if the server
    refused one, for both if it did not answer. So a dead or slow server costs one time-out per wait, not one per batch.

    Args:
        settings: The settings of the cache, with an address of Redis.
        dim: Length of every vector; values of any other length are refused.
        clock: The clock that times the waits.
        observer: Notified of refused values and failures, and of whether Redis is in use.

    Raises:
        Fatal: a certificate or key cannot be read.
    """

    def __init__(self, settings: CacheSettings, dim: int, clock: Clock, observer: Observer) -> None:
        self._settings, self._dim, self._observer = settings, dim, observer
        _check_files(settings)
        self._connections: WeakSet[Any] = WeakSet()
        self._client = _client(settings, self._on_connect)
        rng = random.Random()  # noqa: S311  (jitter, no secret)
        self._cooldowns = {operation: Cooldown(clock, rng) for operation in OPERATIONS}
        self._abandoned: list[threading.Thread] = []
        for operation in OPERATIONS:
            observer.cache_up(operation, True)

    @override
    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Embedded]:
        distinct = list(dict.fromkeys(keys))
        names = [self._name(key) for key in distinct]
        values = self._ask("get", partial(_read, names=names)) if distinct else None
        if values is None:
            return {}
        decoded = {
            key: decode_vector(key, value, self._dim, self._settings.dtype)
            for key, value in zip(distinct, values, strict=True)
            if value is not None
        }
        found = {key: embedded for key, embedded in decoded.items() if embedded is not None}
        if len(found) < len(decoded):
            self._observer.cache_values_refused(len(decoded) - len(found))
        return found

    @override
    def put_many(self, vectors: Mapping[bytes, Embedded]) -> None:
        encoded = {self._name(key): encode_vector(key, each, self._settings.dtype) for key, each in vectors.items()}
        values = {name: value for name, value in encoded.items() if value is not None}
        if values:
            self._ask("put", partial(_write, values=values, ttl_s=self._settings.ttl_s))

    def close(self) -> None:
        """Close the connections."""
        self._disconnect()
        self._client.close()

    def _name(self, key: bytes) -> str:
        return f"{PREFIX}{self._settings.dtype}:{key.hex()}"

    def _ask(self, operation: str, work: Callable[["redis.Redis"], Answer]) -> Answer | None:
        """Do one call within the time-out; return None if it failed or if Redis is not in use."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if self._abandoned or not self._cooldowns[operation].may_try():
            return None
        future: Future[Answer] = Future()
        # In its own thread: a socket's time-out limits one read, not a server that sends byte by byte or a DNS look-up.
        thread = threading.Thread(target=_run, args=(future, work, self._client), name="cache", daemon=True)
        thread.start()
        try:
            answer = future.result(self._settings.timeout_s)
        except Exception as error:  # noqa: BLE001  (no error that a server can cause may go beyond the cache)
            if not future.done():
                self._abandoned.append(thread)
            self._failed(operation, error)
            return None
        if self._cooldowns[operation].succeeded():
            log.info("redis is used again", operation=operation)
            self._observer.cache_up(operation, True)
        return answer

    def _failed(self, operation: str, error: Exception) -> None:
        kind, detail = _kind_and_detail(error)
        self._observer.cache_failed(operation, kind)
        refused = kind == "refused" and not isinstance(error, redis.AuthenticationError)
        if not refused:
            self._disconnect()
        for each in (operation,) if refused else OPERATIONS:
            if self._cooldowns[each].failed():
                log.warning(
                    "redis is skipped for a while",
                    operation=each,
                    kind=kind,
                    error=detail,
                )
                self._observer.cache_up(each, False)

    def _on_connect(self, connection: Any) -> None:
        self._connections.add(connection)
        connection.on_connect()

    def _disconnect(self) -> None:
        """Shut down all connections, so that abandoned threads end; each thread closes its own socket."""
        for connection in list(self._connections):
            connected = getattr(connection, "_sock", None)
            if connected is not None:
                with suppress(OSError):
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)


def _client(settings: CacheSettings, on_connect: Any) -> "redis.Redis":
    if settings.redis_url is None:
        raise Fatal("no address of Redis is configured: set MILLRACE_CACHE__REDIS_URL")
    address = RedisAddress.parse(settings.redis_url.get_secret_value())
    return redis.Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username,
        password=address.password,
        socket_timeout=settings.timeout_s,
        socket_connect_timeout=settings.timeout_s,
        retry=Retry(NoBackoff(), 0),
        redis_connect_func=on_connect,
        protocol=2,
        driver_info=None,
        **_tls(settings) if address.tls else {},
    )


def _tls(settings: CacheSettings) -> dict[str, Any]:
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    named = {name: str(path) for name, path in files.items() if path is not None}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} | named


def _check_files(settings: CacheSettings) -> None:
    """Read the files once at start, because a later failure would only show as a cache that is never used."""

    def no_password() -> str:
        raise ValueError("an encrypted key cannot be used")  # otherwise OpenSSL would ask for it on the terminal

    context = ssl.create_default_context()
    try:
        if settings.ca_file is not None:
            context.load_verify_locations(settings.ca_file)
    except (OSError, ValueError) as error:
        raise Fatal(
            f"MILLRACE_CACHE__CA_FILE names {settings.ca_file}, which cannot be read or contains no PEM certificate: "
            "correct the setting or the file"
        ) from error
    try:
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file, no_password)
    except (OSError, ValueError) as error:
        raise Fatal(
            "MILLRACE_CACHE__CERT_FILE and MILLRACE_CACHE__KEY_FILE must name a PEM certificate and its private key; "
            "both files must be readable, and the key must not be encrypted"
        ) from error


def _run(future: "Future[Answer]", work: Callable[["redis.Redis"], Answer], client: "redis.Redis") -> None:
    try:
        future.set_result(work(client))
    except BaseException as error:  # noqa: BLE001  (raised in the thread that waits for the answer)
        future.set_exception(error)


def _read(client: "redis.Redis", names: Sequence[str]) -> list[object]:
    chunks = [names[start : start + KEYS_AT_ONCE] for start in range(0, len(names), KEYS_AT_ONCE)]
    with client.pipeline(transaction=False) as pipeline:
        for chunk in chunks:
            pipeline.mget(chunk)
        answers = pipeline.execute()
    if any(not isinstance(a, list) or len(a) != len(c) for a, c in zip(answers, chunks, strict=True)):
        raise redis.InvalidResponse("not as many values as keys")
    return [value for answer in answers for value in answer]


def _write(client: "redis.Redis", values: Mapping[str, bytes], ttl_s: int) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for name, value in values.items():
            pipeline.set(name, value, ex=ttl_s)
        pipeline.execute()


def _kind_and_detail(error: Exception) -> tuple[str, str]:
    """Return the kind of a failure and a detail for the log: fixed words and class names, no text from the server."""
    if isinstance(error, FutureTimeoutError | redis.TimeoutError | TimeoutError):
        return "timeout", "no answer in time"
    if isinstance(error, redis.ResponseError | redis.AuthenticationError):
        words = {word.strip(":") for word in str(error).split()} & KNOWN_CODES
        return "refused", " ".join([type(error).__name__, *sorted(words)])
    if isinstance(error, redis.InvalidResponse) or not isinstance(error, redis.ConnectionError | OSError):
        return "protocol", type(error).__name__
    return "connection", _reason(error)


def _reason(error: BaseException | None) -> str:
    """Return why a connection failed: the first error of this machine (TLS or the system) in the chain of causes."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and error.reason:
            return error.reason
        if isinstance(error, OSError) and error.errno:
            return error.strerror or os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return "closed by the server"
