"""Configured addresses; of those that may contain a password, no error message and no `repr` shows it."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

REDIS_PORT = 6379
REDIS_EXAMPLE = "redis://host:6379 or rediss://user:password@host:6379/0"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def is_http_address(url: str) -> bool:
    """Return whether a text is the URL of an HTTP server, without credentials, options and fragment."""
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_server and not (parts.query or parts.fragment or "@" in parts.netloc)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The parts of a Redis URL; `tls` is True if its scheme is `rediss`."""

    host: str
    port: int
    database: int
    tls: bool
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Parse a URL; user and password in it are percent-encoded.

        Raises:
            ValueError: the text is not a valid Redis URL; the message quotes no part of it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or REDIS_PORT
        except ValueError:
            raise ValueError(
                f"is not a URL like {REDIS_EXAMPLE}; the characters / # ? @ : % in a password must be percent-encoded"
            ) from None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(f"is not a URL like {REDIS_EXAMPLE}")
        if parts.query or parts.fragment:
            raise ValueError("must not contain options after ? or #: options have their own settings")
        return cls(
            host=parts.hostname,
            port=port,
            database=_database(parts),
            tls=parts.scheme == "rediss",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


def _database(parts: SplitResult) -> int:
    number = parts.path.strip("/")
    if not number:
        return 0
    if not (number.isascii() and number.isdigit()):
        raise ValueError("must end with a database number, or have no path: redis://host:6379/0 or redis://host:6379")
    return int(number)


class ProxyUrl(SecretStr):
    """The address of a proxy, which may contain a user and a password; `str` and `repr` show neither."""

    def __str__(self) -> str:
        """Return scheme, host and port."""
        parts = urlsplit(self.get_secret_value())
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __repr__(self) -> str:
        """Return the same text with the class name."""
        return f"ProxyUrl('{self}')"

    def check(self) -> None:
        """Check that it is a valid proxy address.

        Raises:
            ValueError: it is not valid; the message does not quote it.
        """
        try:
            parts = urlsplit(self.get_secret_value())
            known = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or parts.path not in ("", "/"):
            raise ValueError(
                f"is not a URL like http://host:3128; its scheme must be one of {', '.join(PROXY_SCHEMES)}"
            )
