"""Loopback ports for servers that tests start."""

import os
import random
import socket

SHARE = 2_000


def _own_share() -> range:
    """Return the ports of this process: test processes that run side by side must not choose the same port.

    They are below the range that Linux uses for outgoing ports: a client that dials a stopped server must not connect to
    itself.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 5
    return range(20_000 + number * SHARE, 20_000 + (number + 1) * SHARE)


PORTS = _own_share()


# What this process has given out; a server takes seconds until it listens on its ports, and no other may get them.
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens now, each port once per process.

    Raises:
        RuntimeError: not enough ports are free.
    """
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if port in _given:
            continue
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
            _given.update(found)
            return found
    raise RuntimeError("no free loopback ports")
