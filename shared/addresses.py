"""Addresses that are configured and may hold a password: no error and no `repr` shows one."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

REDIS_PORT = 6379
REDIS_EXAMPLE = "redis://host:6379 or rediss://user:password@host:6379/0"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The parts of a URL; `tls` says that it began with `rediss`."""

    host: str
    port: int
    database: int
    tls: bool
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> "RedisAddress":
        """Take a URL apart; user and password are percent-encoded in it.

        Raises:
            ValueError: it is none; the message quotes nothing of it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or REDIS_PORT
        except ValueError:
            raise ValueError(
                f"is not a URL like {REDIS_EXAMPLE}; / # ? @ : % in a password are percent-encoded"
            ) from None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(f"is not a URL like {REDIS_EXAMPLE}")
        if parts.query or parts.fragment:
            raise ValueError("takes no options behind ? or #: what there is to choose has settings of its own")
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
        raise ValueError("ends with the database's number or with nothing: redis://host:6379/0")
    return int(number)


class ProxyUrl(SecretStr):
    """The address of a proxy, which may hold a user and a password; what is shown of it holds neither."""

    def __str__(self) -> str:
        """Return scheme, host and port."""
        parts = urlsplit(self.get_secret_value())
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def __repr__(self) -> str:
        """Return the same, marked as what it is."""
        return f"ProxyUrl('{self}')"

    def check(self) -> None:
        """Check that it is an address.

        Raises:
            ValueError: it is none; the message does not quote it.
        """
        try:
            parts = urlsplit(self.get_secret_value())
            known = parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or parts.path not in ("", "/"):
            raise ValueError(f"is not a URL like http://host:3128; it begins with one of {', '.join(PROXY_SCHEMES)}")
