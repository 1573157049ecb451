"""The one reading of an `http(s):` URL: what is checked is also what is connected to. Opens no connection."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urljoin, urlsplit

from shared.hosts import PORTS, HostEntry, normal_host
from shared.media.fetching.failures import forbidden

UNSAFE = re.compile(r"[\x00-\x20\x7f\\\x85\xa0\u2028\u2029]")
"""Characters that no valid URL contains and that parsers read in different ways."""

KEPT_IN_TARGET = "%/?:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Url:
    """An `http(s):` URL whose parts are in their normal form.

    Attributes:
        scheme: `https` or `http`.
        host: The host as `normal_host` returns it, without brackets.
        port: The port, also if it is the default.
        target: Path and query, percent-encoded; begins with a slash.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL.

        Raises:
            Refused: it is not a valid URL of `http` or `https` without a user or a password.
        """
        if UNSAFE.search(text):
            raise forbidden("the URL contains a space, a backslash or a control character")
        try:
            parts = urlsplit(text)
            if "@" in parts.netloc:
                raise forbidden("the URL contains a user or a password")
            port = parts.port
            host = normal_host(parts.hostname or "")
        except ValueError:
            raise forbidden("the URL has no valid host or port") from None
        if parts.scheme not in PORTS:
            raise forbidden("the URL is not of the scheme https")
        if port == 0:
            raise forbidden("the URL has the port 0")
        path = quote(parts.path or "/", safe=KEPT_IN_TARGET)
        query = "?" + quote(parts.query, safe=KEPT_IN_TARGET) if parts.query else ""
        return cls(scheme=parts.scheme, host=host, port=port or PORTS[parts.scheme], target=path + query)

    @property
    def bracketed(self) -> str:
        """The host, in brackets if it is an IPv6 address, and the port unless it is the default."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address rather than a name."""
        return ":" in self.host or self.host.rpartition(".")[2].isdecimal()

    def redirected(self, location: str) -> Self:
        """Return the URL that a redirect leads to; `location` may be relative.

        Raises:
            Refused: it is not a valid URL, or leads from `https` to `http`.
        """
        if UNSAFE.search(location):
            raise forbidden(f"{self.bracketed} redirects to a URL with a space, a backslash or a control character")
        try:
            joined = urljoin(f"{self.scheme}://{self.bracketed}{self.target}", location)
        except ValueError:
            raise forbidden(f"{self.bracketed} redirects to a URL that is not valid") from None
        following = self.parse(joined)
        if (self.scheme, following.scheme) == ("https", "http"):
            raise forbidden(f"{self.bracketed} redirects from https to http")
        return following


class HostList:
    """The hosts that references may name.

    Args:
        entries: The entries, as the settings hold them.
        plain_http: Whether `http` is allowed besides `https`.
    """

    def __init__(self, entries: Iterable[str], plain_http: bool) -> None:
        self._entries = tuple(HostEntry.parse(text) for text in entries)
        self._plain_http = plain_http

    def check(self, url: Url) -> None:
        """Check that a URL may be fetched.

        Raises:
            Refused: the settings do not allow its scheme, or its host with this port.
        """
        if url.scheme == "http" and not self._plain_http:
            raise forbidden("http: references are not allowed; MILLRACE_MEDIA__PLAIN_HTTP allows them")
        if not any(entry.allows(url.scheme, url.host, url.port) for entry in self._entries):
            raise forbidden(f"{url.bracketed} is not in MILLRACE_MEDIA__HOSTS with this port")
