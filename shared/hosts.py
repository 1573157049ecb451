"""Names of hosts in the one form in which they are compared, and lists of hosts that are allowed. Opens no connection."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Self

import idna

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes resolvers read the whole name as an IPv4 address, also in octal, hex or as one number."""

DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))
"""The ideographic, full-width and half-width stops, which IDNA reads as dots between labels."""

NAME_MAX_CHARS = 253
PORTS = {"https": 443, "http": 80}
"""The port that a URL of each scheme means if it names none."""


def normal_host(text: str) -> str:
    """Return a host as it is compared: an IP address in its shortest form, or a name in lower-case ASCII without end dot.

    Args:
        text: A name, which may be international (IDNA 2008 with the mapping of UTS 46), or an IP address without brackets.

    Raises:
        ValueError: the text is not a valid host; this includes other spellings of an IPv4 address, such as 0x7f.1.
    """
    if ":" in text:
        if "%" in text:
            raise ValueError("is an IPv6 address with a zone")
        return ip_address(text).compressed
    name = text.translate(DOTS)
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValueError("is not a valid international name") from None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if NUMERIC.fullmatch(labels[-1]):
        return str(IPv4Address(name))
    if len(name) > NAME_MAX_CHARS or not all(LABEL.fullmatch(label) for label in labels):
        raise ValueError("is not a valid host name")
    return name


@dataclass(frozen=True, slots=True)
class HostEntry:
    """One entry of a list of allowed hosts.

    Attributes:
        host: The host in its normal form; of a wildcard, the part after `*.`.
        port: The only port that the entry allows; None for the default port of the scheme.
        wildcard: Whether the entry means every name below `host`, at any depth, and not `host` itself.
    """

    host: str
    port: int | None
    wildcard: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `host`, `host:port`, `[IPv6]:port` or `*.example.com`, with or without a port.

        Raises:
            ValueError: the text has another form; the message states what is wrong.
        """
        bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::([0-9]{1,5}))?", text)
        plain = re.fullmatch(r"([^:/@?#\[\]\s]+)(?::([0-9]{1,5}))?", text)
        found = bracketed or plain
        if found is None:
            raise ValueError(f"{text!r} is not a host like cdn.example.com, cdn.example.com:8443 or *.example.com")
        port = int(found[2]) if found[2] else None
        if port is not None and not 0 < port < 1 << 16:
            raise ValueError(f"{text!r} has a port that is not between 1 and 65535")
        wildcard = found[1].startswith("*.")
        try:
            host = normal_host(found[1].removeprefix("*."))
        except ValueError as error:
            raise ValueError(f"{text!r}: the host {error}") from None
        if wildcard and ("." not in host or NUMERIC.fullmatch(host.rpartition(".")[2])):
            raise ValueError(f"{text!r} is too wide: after the asterisk, name a domain like example.com")
        return cls(host=host, port=port, wildcard=wildcard)

    def allows(self, scheme: str, host: str, port: int) -> bool:
        """Return whether a URL with this scheme, host in its normal form, and port is allowed."""
        fits = host.endswith("." + self.host) if self.wildcard else host == self.host
        return fits and port == (PORTS[scheme] if self.port is None else self.port)
