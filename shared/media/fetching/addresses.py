"""Which IP addresses a fetch may connect to. Knows no host names and opens no connection.

Sources: the IANA special-purpose address registries (RFC 6890), as `ipaddress` holds them, and additions below for what
differs between versions of Python; RFC 4291, 6052, 8215, 3056, 4380, 5214 for addresses that contain an IPv4 address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = frozenset(
    ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
                 "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254")
)  # fmt: skip
"""Services that give credentials or the machine's configuration to anyone who asks from inside a cloud's machine."""

NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 from which public addresses are given out; everything outside is refused."""

NOT_PUBLIC_V6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"))

LOW_32 = tuple(IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
"""IPv4-compatible, IPv4-mapped, IPv4-translated and NAT64: the last 32 bits are an IPv4 address."""

SIX_TO_FOUR = IPv6Network("2002::/16")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""Bits 64 to 95 of an address whose last 32 bits are the IPv4 address of a tunnel's end."""


class AddressRules:
    """Decides about addresses.

    Args:
        allowed: Addresses and networks that are allowed although they are not public; never those of metadata services.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed: tuple[Network, ...] = tuple(ip_network(text) for text in allowed)

    def allows(self, address: Address) -> bool:
        """Return whether a connection may be made; an address that contains another one is judged by both."""
        return all(self._allows_one(each) for each in _with_embedded(address))

    def _allows_one(self, address: Address) -> bool:
        if address in METADATA:
            return False
        return _is_public(address) or any(address in network for network in self._allowed)


def _with_embedded(address: Address) -> tuple[Address, ...]:
    """Return the addresses that a connection could reach: the address, or the IPv4 address that it stands for, or both."""
    if isinstance(address, IPv4Address):
        return (address,)
    number = int(address)
    low = IPv4Address(number & 0xFFFF_FFFF)
    if number > 1 and any(address in network for network in LOW_32):
        return (low,)
    if address in SIX_TO_FOUR:
        return (IPv4Address(number >> 80 & 0xFFFF_FFFF),)
    return (address, low) if number >> 32 & 0xFFFF_FFFF in ISATAP else (address,)


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_V4)
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC_V6)
