"""Loopback ports for servers that tests start."""

import random
import socket

# Below the range that Linux uses for outgoing ports: a client that dials a stopped server must not connect to itself.
PORTS = range(20_000, 30_000)


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens now.

    Raises:
        RuntimeError: not enough ports are free.
    """
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free loopback ports")
