"""The address of a proxy on the way to the store: what it may look like, and what of it may be shown."""

from urllib.parse import urlsplit

from pydantic import SecretStr

SCHEMES = ("http", "https", "socks5", "socks5h")


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
            known = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment or parts.path not in ("", "/"):
            raise ValueError(f"is not a URL like http://host:3128; it begins with one of {', '.join(SCHEMES)}")
