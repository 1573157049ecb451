"""Where Redis is and who we are to it, read from one URL. It holds a password: no error and no `repr` shows any part."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

PORT = 6379
EXAMPLE = "redis://host:6379 or rediss://user:password@host:6379/0"


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
            port = parts.port or PORT
        except ValueError:
            raise ValueError(f"is not a URL like {EXAMPLE}; / # ? @ : % in a password are percent-encoded") from None
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError(f"is not a URL like {EXAMPLE}")
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
