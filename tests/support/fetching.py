"""Fetching in tests: settings whose limits are reached in seconds, and how a fetch ended."""

from typing import Any

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import SystemClock
from shared.errors import Deferred, Rejected
from shared.media.fetching.fetcher import MediaFetcher
from shared.media.fetching.names import Resolver
from shared.media_settings import MediaSettings
from tests.support.media_server import MediaServer

LOOPBACK = "127.0.0.1"
FIELD = "attachment"
LIMIT_BYTES = 1 << 20
QUICK: dict[str, Any] = {
    "plain_http": True,
    "private_addresses": (LOOPBACK,),
    "max_mib": 1,
    "connect_timeout_s": 1.0,
    "first_byte_timeout_s": 1.0,
    "total_timeout_s": 3.0,
    "least_bytes_per_s": 1_000,
    "rate_window_s": 0.5,
}


def quick_settings(**changed: Any) -> MediaSettings:
    """Return settings with short limits that allow plain HTTP and the address 127.0.0.1."""
    return MediaSettings(**QUICK | changed)


def fetcher_for(*servers: MediaServer, resolver: Resolver | None = None, **changed: Any) -> MediaFetcher:
    """Return a fetcher that allows these servers by the address 127.0.0.1."""
    hosts = (*(f"{LOOPBACK}:{server.port}" for server in servers), *changed.pop("hosts", ()))
    return MediaFetcher(quick_settings(hosts=hosts, **changed), SystemClock(), resolver)


def ending(fetcher: MediaFetcher, uri: str, sha256: str | None = None) -> bytes | FailureReason:
    """Return the content, or the reason of the error, after checking what every error has to say."""
    try:
        return fetcher.fetch(Media(uri=uri, sha256=sha256), FIELD)
    except (Rejected, Deferred) as error:
        return _checked(error)


def _checked(error: Rejected | Deferred) -> FailureReason:
    assert error.field == FIELD
    assert error.detail.isprintable()
    assert "secret" not in error.detail, "a detail quotes no path and no query"
    assert isinstance(error, Rejected) == (error.reason in FINAL)
    return error.reason


FINAL = {
    FailureReason.MEDIA_FORBIDDEN,
    FailureReason.MEDIA_TOO_LARGE,
    FailureReason.MEDIA_WRONG_DIGEST,
    FailureReason.MEDIA_UNREADABLE,
}
"""The reasons that no later attempt changes."""
