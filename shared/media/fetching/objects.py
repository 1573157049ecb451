"""Reading objects of S3 and Google Cloud Storage by obstore (extra `objects`).

Credentials come from the environment as obstore reads it: `AWS_*`, `GOOGLE_*`, or the identity of the machine or pod.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from io import BytesIO
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.store import GCSStore, S3Store

from shared.clock import Clock
from shared.errors import Fatal
from shared.media.fetching.connection import Deadline
from shared.media.fetching.failures import Failed, forbidden, not_found, too_large
from shared.media_settings import MediaSettings

CHUNK_BYTES = 256 << 10
REGION = "us-east-1"
"""The region that a store with its own endpoint is given unless the environment names one; most such stores ignore it."""

Answer = TypeVar("Answer")


class ObjectFetcher:
    """Reads objects of the configured buckets; thread-safe.

    Args:
        settings: The buckets and the limits.
        clock: The clock of the time limits.

    Raises:
        Fatal: a bucket cannot be opened with the settings and the environment.
    """

    def __init__(self, settings: MediaSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._limit_bytes = settings.max_mib << 20
        buckets = [f"s3://{each}" for each in settings.s3_buckets] + [f"gs://{each}" for each in settings.gs_buckets]
        self._stores = {bucket: store_of(bucket, settings) for bucket in buckets}

    def fetch(self, bucket: str, key: str) -> bytes:
        """Return the content of an object.

        Args:
            bucket: The bucket with its scheme, such as `s3://recordings`; one of the configured ones.
            key: The key of the object.

        Raises:
            Refused: the key is not valid, or the object is too large.
            Failed: the object does not exist, or could not be read.
        """
        try:
            return asyncio.run(self._fetch(self._stores[bucket], key))
        except FileNotFoundError:
            raise not_found(f"{bucket} has no such object, or does not exist") from None
        except PermissionError:
            # Without the right to list a bucket, a store answers so for an object that does not exist.
            raise Failed(f"{bucket} refuses access to this object", by_host=False) from None
        except (InvalidPathError, ValueError):
            raise forbidden("the key contains an empty step, a dot or two dots") from None
        except (BaseError, OSError) as error:
            raise Failed(f"{bucket} could not be read: {type(error).__name__}") from None

    async def _fetch(self, store: S3Store | GCSStore, key: str) -> bytes:
        deadline = Deadline(self._clock, self._settings.total_timeout_s)
        first = Deadline(self._clock, self._settings.first_byte_timeout_s, deadline)
        result = await _within(obstore.get_async(store, key), first, "the response")
        size_bytes = result.meta["size"]
        if size_bytes > self._limit_bytes:
            raise too_large(self._limit_bytes)
        content = BytesIO()
        pace_s = CHUNK_BYTES / max(self._settings.least_bytes_per_s, 1)
        stream = aiter(result.stream(min_chunk_size=CHUNK_BYTES))
        while True:
            until = Deadline(self._clock, max(pace_s, self._settings.rate_window_s), deadline)
            try:
                piece = await _within(anext(stream), until, "the body")
            except StopAsyncIteration:
                break
            content.write(piece)
            if content.tell() > self._limit_bytes:
                raise too_large(self._limit_bytes)
        if content.tell() != size_bytes:
            raise Failed(f"the object has {size_bytes} bytes, but {content.tell()} arrived")
        return content.getvalue()


def store_of(bucket: str, settings: MediaSettings) -> S3Store | GCSStore:
    """Open a bucket.

    Args:
        bucket: The bucket with its scheme, `s3` or `gs`.
        settings: The endpoint and the time limits.

    Raises:
        Fatal: it cannot be opened with the settings and the environment.
    """
    scheme, _, name = bucket.partition("://")
    try:
        return S3Store(name, **_s3_options(settings)) if scheme == "s3" else GCSStore(name, **_options(settings))
    except (BaseError, OSError, ValueError) as error:
        raise Fatal(f"{bucket} cannot be opened: {_first_line(error)}") from None


async def _within(asked: Awaitable[Answer], deadline: Deadline, what: str) -> Answer:
    try:
        return await asyncio.wait_for(asked, deadline.left_s(what))
    except TimeoutError:
        raise Failed(f"{what} took too long") from None


def _s3_options(settings: MediaSettings) -> dict[str, Any]:
    if settings.s3_endpoint is None:
        return _options(settings)
    return _options(settings, settings.s3_endpoint.startswith("http:")) | {"endpoint": settings.s3_endpoint}


def _options(settings: MediaSettings, plain_http: bool = False) -> dict[str, Any]:
    client = {
        "allow_http": plain_http,
        "connect_timeout": timedelta(seconds=settings.connect_timeout_s),
        "timeout": timedelta(seconds=settings.total_timeout_s),
    }
    return {"client_options": client, "retry_config": {"max_retries": 0}}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
