"""A real HTTP(S) server on loopback that answers each path as a test wants, also against the protocol, and counts."""

import gzip
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

from tests.support.certificates import Certificates

Answer = Callable[[socket.socket, threading.Event], None]
"""Writes a response to a connection; ends soon after the event is set."""

OK = b"HTTP/1.1 200 OK\r\n"
END = b"\r\n"
BLOCK = b"\0" * 65_536


class MediaServer:
    """Serves on loopback from the start of a `with` block to its end.

    Args:
        answers: The answer to each path, without its query; other paths get 404.
        certificates: The certificates to serve HTTPS with; None for HTTP.
        address: The address to listen on.

    Attributes:
        requests: The head of each request, in the order of their arrival.
        connections: Number of connections that were accepted.
    """

    def __init__(
        self, answers: Mapping[str, Answer], certificates: Certificates | None = None, address: str = "127.0.0.1"
    ) -> None:
        self.answers = dict(answers)
        self.requests: list[str] = []
        self.connections = 0
        self._address = address
        self._stopping = threading.Event()
        self._tls: ssl.SSLContext | None = None
        if certificates is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificates.server, certificates.server_key)
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._handle(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request: object, client_address: object) -> None:
                """Ignore it: clients that give up are the point."""

        self._server = Server((address, 0), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "MediaServer":
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str, host: str = "") -> str:
        """Return the URL of a path, with the server's address or another name for it."""
        return f"{'http' if self._tls is None else 'https'}://{host or self._address}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, with their queries."""
        return [request.split(" ")[1] for request in self.requests]

    def _handle(self, sock: socket.socket) -> None:
        self.connections += 1
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True)
        with sock:
            self._answer(sock)

    def _answer(self, sock: socket.socket) -> None:
        head = b""
        while END * 2 not in head:
            read = sock.recv(65_536)
            if not read:
                return
            head += read
        self.requests.append(head.decode("latin-1"))
        path = self.paths[-1].partition("?")[0]
        self.answers.get(path, status(404))(sock, self._stopping)


def raw(*pieces: bytes) -> Answer:
    """Send these bytes and close the connection."""

    def answer(sock: socket.socket, stopping: threading.Event) -> None:
        for piece in pieces:
            sock.sendall(piece)

    return answer


def body(content: bytes, *headers: bytes, length: int | None = None) -> Answer:
    """Send this content with its length, or with another one."""
    size = f"Content-Length: {len(content) if length is None else length}\r\n".encode()
    return raw(OK + size + b"".join(header + END for header in headers) + END + content)


def status(code: int, *headers: bytes) -> Answer:
    """Send an empty response with this status."""
    return raw(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n".encode() + b"".join(h + END for h in headers) + END)


def redirect(location: str, code: int = 302) -> Answer:
    """Redirect."""
    return status(code, b"Location: " + location.encode())


def repeated(first: bytes, again: bytes, every_s: float = 0.0) -> Answer:
    """Send one piece and then another one until the client gives up."""

    def answer(sock: socket.socket, stopping: threading.Event) -> None:
        sock.sendall(first)
        while not stopping.wait(every_s):
            sock.sendall(again)

    return answer


def silent(sock: socket.socket, stopping: threading.Event) -> None:
    """Send nothing, and keep the connection."""
    stopping.wait()


def reset(sock: socket.socket, stopping: threading.Event) -> None:
    """Send the beginning of a response, then reset the connection."""
    sock.sendall(OK + b"Content-Length: 100\r\n\r\n12345")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def said_goodbye(content: bytes) -> Answer:
    """Send content without its length, and end TLS as the protocol requires."""

    def answer(sock: socket.socket, stopping: threading.Event) -> None:
        sock.sendall(OK + END + content)
        if isinstance(sock, ssl.SSLSocket):
            sock.unwrap()

    return answer


def bomb(mib: int) -> bytes:
    """Return gzip data, about a thousandth of their content, which is zeros."""
    return gzip.compress(b"\0" * (mib << 20), mtime=0)
