"""One connection to one checked address, whose every read has a time limit. The only module with sockets and TLS."""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import httpcore
from typing_extensions import override

from shared.clock import Clock
from shared.media.fetching.addresses import Address
from shared.media.fetching.failures import Failed

ADDRESSES_MAX = 4
"""Addresses of a name that are tried; each may take the time to connect."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a body may arrive.

    Attributes:
        least_bytes_per_s: Lowest mean rate over a window; 0 for no such limit.
        window_s: The window in seconds.
    """

    least_bytes_per_s: int
    window_s: float


class Deadline:
    """A point in time, by the monotonic clock.

    Args:
        clock: The clock.
        after_s: Seconds until then.
        within: Another deadline that applies too.
    """

    def __init__(self, clock: Clock, after_s: float, within: "Deadline | None" = None) -> None:
        self._clock = clock
        at_s = clock.monotonic_s() + after_s
        self.at_s: float = at_s if within is None else min(at_s, within.at_s)

    def left_s(self, what: str) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            Failed: the time is up; the message says what took too long.
        """
        left_s = self.at_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise Failed(f"{what} took too long")
        return left_s


class Connection(httpcore.NetworkStream):
    """A connected socket as httpcore reads it, which enforces the limits whatever timeout httpcore passes.

    Args:
        sock: The connected socket.
        clock: The clock.
        deadline: The end of the time for the response's headers.
    """

    def __init__(self, sock: socket.socket, clock: Clock, deadline: Deadline) -> None:
        self._sock, self._clock, self._deadline = sock, clock, deadline
        self._pace: Pace | None = None
        self._window_from_s, self._window_bytes = 0.0, 0

    def begin_body(self, deadline: Deadline, pace: Pace) -> None:
        """Apply other limits from here on: a later deadline and a lowest rate."""
        self._deadline, self._pace = deadline, pace
        self._window_from_s, self._window_bytes = self._clock.monotonic_s(), 0

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._pace is not None:
            return self._read_body(max_bytes, self._pace)
        self._sock.settimeout(self._deadline.left_s("the response"))
        return self._sock.recv(max_bytes)

    def _read_body(self, max_bytes: int, pace: Pace) -> bytes:
        while True:
            window_left_s = self._window_from_s + pace.window_s - self._clock.monotonic_s()
            if window_left_s <= 0:
                if self._window_bytes < pace.least_bytes_per_s * pace.window_s:
                    raise Failed(f"the body arrived with less than {pace.least_bytes_per_s} bytes/s")
                self._window_from_s, self._window_bytes = self._clock.monotonic_s(), 0
                continue
            self._sock.settimeout(min(window_left_s, self._deadline.left_s("the body")))
            try:
                data = self._sock.recv(max_bytes)
            except TimeoutError:
                continue
            self._window_bytes += len(data)
            return data

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sock.settimeout(self._deadline.left_s("the request"))
        self._sock.sendall(buffer)

    @override
    def close(self) -> None:
        self._sock.close()

    @override
    def get_extra_info(self, info: str) -> Any:
        return None


def connect(addresses: Iterable[Address], port: int, timeout_s: float, deadline: Deadline) -> socket.socket:
    """Return a socket that is connected to the first of the addresses that answers.

    Raises:
        Failed: none answered.
    """
    last = "no address"
    for address in list(addresses)[:ADDRESSES_MAX]:
        sock = socket.socket(socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6)
        try:
            sock.settimeout(min(timeout_s, deadline.left_s("connecting")))
            sock.connect((str(address), port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            last = str(error.strerror or error)
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise Failed(f"no connection: {last}")


def encrypt(sock: socket.socket, trusted: ssl.SSLContext, host: str, deadline: Deadline) -> socket.socket:
    """Return the socket with TLS, after a handshake that has checked the certificate for this host.

    Raises:
        Failed: the handshake failed.
    """
    try:
        sock.settimeout(deadline.left_s("the TLS handshake"))
        # A body without a length ends with the connection: only this flag reports an end that the host did not intend.
        return trusted.wrap_socket(sock, server_hostname=host, suppress_ragged_eofs=False)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise Failed(f"the certificate is not valid: {error.verify_message}") from None
    except OSError as error:
        sock.close()
        raise Failed(f"the TLS handshake failed: {error.strerror or error}") from None
    except BaseException:
        sock.close()
        raise
