"""Fetching over HTTPS: each address is looked up once, checked, and connected to itself; each redirect is checked alike.

No proxy, cookie, stored password or environment variable takes part, but for the variables that name trusted CAs.
"""

import ssl
from collections.abc import Sequence
from contextlib import closing
from ipaddress import ip_address

import httpcore

from shared.clock import Clock
from shared.errors import Fatal
from shared.media.fetching.addresses import Address, AddressRules
from shared.media.fetching.body import read_body
from shared.media.fetching.breaker import HostBreaker
from shared.media.fetching.connection import Connection, Deadline, Pace, connect, encrypt
from shared.media.fetching.failures import Failed, forbidden, not_found, too_large
from shared.media.fetching.names import Resolver
from shared.media.fetching.urls import HostList, Url
from shared.media_settings import MediaSettings

OK = 200
REDIRECTS = (301, 302, 303, 307, 308)
ABSENT = (404, 410)
BUSY = 429
SERVER_ERRORS = 500


class HttpFetcher:
    """Fetches `https:` and, if allowed, `http:` references; thread-safe.

    Args:
        settings: What is allowed, and the limits.
        clock: The clock of the time limits.
        breaker: What counts the failures of each host.
        resolver: What looks up names.

    Raises:
        Fatal: the file with the trusted CAs is not valid.
    """

    def __init__(self, settings: MediaSettings, clock: Clock, breaker: HostBreaker, resolver: Resolver) -> None:
        self._settings, self._clock, self._breaker, self._resolver = settings, clock, breaker, resolver
        self._hosts = HostList(settings.hosts, settings.plain_http)
        self._rules = AddressRules(settings.private_addresses)
        self._pace = Pace(settings.least_bytes_per_s, settings.rate_window_s)
        self._limit_bytes = settings.max_mib << 20
        self._trusted = _trusted(settings)

    def fetch(self, uri: str) -> bytes:
        """Return the content that a URL leads to.

        Raises:
            Refused: the URL, one that it redirects to, or an address of their hosts is not allowed, or the content is
                too large.
            Failed: it could not be fetched.
        """
        url = Url.parse(uri)
        deadline = Deadline(self._clock, self._settings.total_timeout_s)
        for _ in range(self._settings.max_redirects + 1):
            self._hosts.check(url)
            with self._breaker.watch(f"{url.host}:{url.port}"):
                found = self._ask(url, deadline)
            if isinstance(found, bytes):
                return found
            url = found
        raise Failed(f"the fetch was redirected more than {self._settings.max_redirects} times", by_host=False)

    def _ask(self, url: Url, total: Deadline) -> bytes | Url:
        """Return the content, or the URL of a redirect."""
        headers_until = Deadline(self._clock, self._settings.first_byte_timeout_s, total)
        addresses = self._addresses(url, headers_until)
        sock = connect(addresses, url.port, self._settings.connect_timeout_s, headers_until)
        if url.scheme == "https":
            sock = encrypt(sock, self._trusted, url.host, headers_until)
        stream = Connection(sock, self._clock, headers_until)
        origin = httpcore.Origin(url.scheme.encode(), url.host.encode(), url.port)
        try:
            with closing(httpcore.HTTP11Connection(origin, stream)) as connection:
                response = connection.handle_request(_request(url))
                stream.begin_body(total, self._pace)
                return self._read(url, response)
        except TimeoutError:
            raise Failed("the response took too long") from None
        except httpcore.ProtocolError as error:
            raise Failed(f"the response is not valid: {error}") from None
        except OSError as error:
            raise Failed(f"the connection broke: {error.strerror or type(error).__name__}") from None

    def _addresses(self, url: Url, deadline: Deadline) -> Sequence[Address]:
        """Return the addresses of the host; raise if one of them is not allowed, since any could be chosen."""
        left_s = deadline.left_s("looking up the host")
        texts = (url.host,) if url.is_address else self._resolver.addresses(url.host, left_s)
        addresses = [ip_address(text) for text in texts]
        for address in addresses:
            if not self._rules.allows(address):
                raise forbidden(
                    f"{url.host} has an address that is not public; MILLRACE_MEDIA__PRIVATE_ADDRESSES can allow it"
                )
        return addresses

    def _read(self, url: Url, response: httpcore.Response) -> bytes | Url:
        status = response.status
        if status in REDIRECTS:
            return url.redirected(_location(url, response))
        if status in ABSENT:
            raise not_found(f"{url.host} answered with status {status}")
        if status != OK:
            raise Failed(f"{url.host} answered with status {status}", by_host=status == BUSY or status >= SERVER_ERRORS)
        length = _header(response, b"content-length")
        if length.isdecimal() and int(length) > self._limit_bytes:
            raise too_large(self._limit_bytes)
        return read_body(response.iter_stream(), _header(response, b"content-encoding").lower(), self._limit_bytes)


def _request(url: Url) -> httpcore.Request:
    return httpcore.Request(
        "GET",
        httpcore.URL(scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()),
        headers={
            "Host": url.bracketed,
            "User-Agent": "millrace",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
    )


def _header(response: httpcore.Response, name: bytes) -> str:
    values = [value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name]
    return ", ".join(dict.fromkeys(values))


def _location(url: Url, response: httpcore.Response) -> str:
    found = {value for key, value in response.headers if key.lower() == b"location"}
    try:
        (location,) = found
        return location.decode("utf-8")
    except ValueError:
        raise Failed(f"{url.host} redirects without one valid Location", by_host=False) from None


def _trusted(settings: MediaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if settings.ca_file is None else str(settings.ca_file))
    except OSError as error:
        named = settings.ca_file or "the operating system's CAs"
        raise Fatal(f"MILLRACE_MEDIA__CA_FILE: {named} cannot be used: {error.strerror or error}") from None
    context.set_alpn_protocols(["http/1.1"])
    return context
