"""A TCP proxy on loopback between a client and a server, which a test can cut, silence, slow or let answer wrongly."""

import contextlib
import socket
import threading
from typing import Literal

from tests.support.ports import free_ports

Mode = Literal["open", "cut", "silent", "invalid"]
INVALID = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><body><h1>It works!</h1></body></html>"
CHUNK_BYTES = 65_536
HOLD_S = 0.05


class Proxy:
    """Forwards bytes to a port of this machine.

    `open` forwards them, each piece delayed by `delay_s`. `cut` ends every connection and refuses new ones. `silent` is
    half open: connections are accepted and kept, but nothing is forwarded, as when a machine on the path has died.
    `invalid` answers every connection with a web page, whatever it asks.
    """

    def __init__(self, target_port: int, port: int | None = None) -> None:
        self.port = port or free_ports(1)[0]
        self.delay_s = 0.0
        self._target_port = target_port
        self._mode: Mode = "cut"
        self._listener: socket.socket | None = None
        self._live: set[socket.socket] = set()
        self._forgotten: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.set_mode("open")

    @property
    def address(self) -> str:
        """The host and port to use in place of the target's."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The address to use in place of an HTTP target's."""
        return f"http://{self.address}"

    def set_mode(self, mode: Mode) -> None:
        """Change the mode; existing connections are ended, or kept in silence."""
        self._mode = mode
        if mode == "cut":
            self._end_all()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self._start(self._accept, self._listener)
        elif mode in ("open", "invalid"):
            self._drop_live()  # silent connections have missed bytes

    def forget(self) -> None:
        """Open for new connections; existing ones stay silent forever, as when a router has lost its table."""
        with self._lock:
            self._forgotten |= self._live
        self._mode = "open"

    def close(self) -> None:
        """Close everything."""
        self._closing.set()
        self.set_mode("cut")
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "Proxy":
        """Return the proxy, which is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _end_all(self) -> None:
        if self._listener is not None:
            _end(self._listener)
            self._listener = None
        self._drop_live()

    def _drop_live(self) -> None:
        with self._lock:
            live, self._live = self._live, set()
        for each in live:
            _end(each)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._keep(client)
            if self._mode == "invalid":
                self._start(self._lie, client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                _end(client)
                continue
            self._keep(server)
            self._start(self._pass_on, client, server)
            self._start(self._pass_on, server, client)

    def _keep(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._live.add(connection)
        if self._mode == "cut":
            _end(connection)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(CHUNK_BYTES):
                self._closing.wait(self.delay_s)
                while self._is_silent(source) and not self._closing.wait(HOLD_S):
                    pass
                target.sendall(piece)
        for each in (source, target):
            with self._lock:
                self._live.discard(each)
            _end(each)

    def _is_silent(self, source: socket.socket) -> bool:
        return self._mode == "silent" or source in self._forgotten

    def _lie(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.recv(CHUNK_BYTES)
            client.sendall(INVALID)
        with self._lock:
            self._live.discard(client)
        _end(client)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
