"""Fetching the content of media, whatever refers to it: inline, `https:`, `s3:`, `gs:` or `file:`."""

from hashlib import sha256
from typing import TYPE_CHECKING

from typing_extensions import override

from schemas.failures import FailureReason
from schemas.media import Media
from shared.clock import Clock
from shared.errors import Deferred, Fatal, Rejected
from shared.media.fetching.breaker import BreakerTimes, HostBreaker
from shared.media.fetching.failures import Failed, Refused, forbidden
from shared.media.fetching.files import FileFetcher
from shared.media.fetching.http import HttpFetcher
from shared.media.fetching.names import Resolver, SystemResolver
from shared.media.fetching.urls import Url
from shared.media.port import Fetcher
from shared.media_settings import MediaSettings

if TYPE_CHECKING:
    from shared.media.fetching.objects import ObjectFetcher

STAGE = "fetch"
EXTRA = "millrace[objects]"
OBJECT_SCHEMES = ("s3", "gs")


class MediaFetcher(Fetcher):
    """Fetches media within the limits of the settings, and counts the failures of each host.

    Args:
        settings: What is allowed, and the limits.
        clock: The clock of time limits and of the breaker.
        resolver: What looks up names; None for the operating system's resolver.

    Raises:
        Fatal: buckets are configured, but the extra that reads them is not installed; or a setting cannot be used.
    """

    def __init__(self, settings: MediaSettings, clock: Clock, resolver: Resolver | None = None) -> None:
        times = BreakerTimes(settings.breaker_failures, settings.breaker_open_s, settings.breaker_open_max_s)
        self._breaker = HostBreaker(times, clock)
        self._buckets = {f"s3://{name}" for name in settings.s3_buckets} | {f"gs://{n}" for n in settings.gs_buckets}
        self._names = SystemResolver(settings.parallel)
        self._http = HttpFetcher(settings, clock, self._breaker, resolver or self._names)
        self._files = FileFetcher(settings.file_root, settings.max_mib << 20)
        self._objects = _objects(settings, clock) if self._buckets else None

    @override
    def fetch(self, media: Media, field: str) -> bytes:
        try:
            content = self._content(media)
        except Refused as error:
            raise Rejected(error.reason, field, error.detail, STAGE) from error
        except Failed as error:
            raise Deferred(error.reason, field, error.detail, error.attempted) from error
        if not content:
            raise Rejected(FailureReason.MEDIA_UNREADABLE, field, "the content is empty", STAGE)
        if media.sha256 is not None and sha256(content).hexdigest() != media.sha256:
            detail = f"the content, {len(content)} bytes, has another SHA-256 than the event names"
            raise Rejected(FailureReason.MEDIA_WRONG_DIGEST, field, detail, STAGE)
        return content

    @override
    def host_of(self, media: Media) -> str:
        scheme, _, rest = (media.uri or "").partition(":")
        if scheme.lower() in OBJECT_SCHEMES:
            return _bucket_and_key(scheme.lower(), rest)[0]
        try:
            url = Url.parse(media.uri or "")
        except Refused:
            return ""
        return f"{url.host}:{url.port}"

    @override
    def close(self) -> None:
        self._names.close()

    def _content(self, media: Media) -> bytes:
        if media.uri is None:
            return media.content or b""
        scheme, _, rest = media.uri.partition(":")
        scheme = scheme.lower()
        if scheme == "file":
            return self._files.fetch(media.uri)
        if scheme not in OBJECT_SCHEMES:
            return self._http.fetch(media.uri)
        bucket, key = _bucket_and_key(scheme, rest)
        if self._objects is None or bucket not in self._buckets:
            raise forbidden(f"the bucket is not in MILLRACE_MEDIA__{scheme.upper()}_BUCKETS")
        if not key or key[0] == "/" or key[-1] == "/":
            raise forbidden(f"the {scheme}: reference names no object")
        with self._breaker.watch(bucket):
            return self._objects.fetch(bucket, key)


def _bucket_and_key(scheme: str, rest: str) -> tuple[str, str]:
    """Return the bucket with its scheme, and the key, which is taken literally: nothing in it is decoded."""
    bucket, _, key = rest.removeprefix("//").partition("/")
    return f"{scheme}://{bucket}", key


def _objects(settings: MediaSettings, clock: Clock) -> "ObjectFetcher":
    try:
        from shared.media.fetching.objects import ObjectFetcher  # an extra, which other installations do not have
    except ImportError as error:
        raise Fatal(f"MILLRACE_MEDIA__S3_BUCKETS or GS_BUCKETS need {error.name}: install {EXTRA}") from error
    return ObjectFetcher(settings, clock)
