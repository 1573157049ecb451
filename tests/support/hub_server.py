"""A hub of models on loopback, with the addresses of the Hugging Face Hub, that breaks, lies and stalls as a test wants.

Files are sent with their length and in ranges. Each GET of a file takes the next of the faults that were set for it.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

from typing_extensions import override

REVISION = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "org/small"
SOURCE = f"hub:{REPOSITORY}@{REVISION}"
BLOCK_BYTES = 16_384

Fault = Callable[["Request", bytes], None]
"""Answers one GET of a file with this content in its own way."""


class Request(BaseHTTPRequestHandler):
    """One request; a connection serves one."""

    @property
    def hub(self) -> "HubServer":
        """The server."""
        return cast(_Server, self.server).hub

    @property
    def start_bytes(self) -> int:
        """The position that is asked for."""
        return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""

    def do_HEAD(self) -> None:
        """State the size of a file."""
        if self.hub.states_sizes:
            self._answer(None)
        else:
            self.send(302, Location="/elsewhere")

    def do_GET(self) -> None:
        """Send a file, or what the next fault sends."""
        self.hub.note(self)
        faults = self.hub.faults.get(self.path.rpartition(f"{REVISION}/")[2], [])
        self._answer(faults.pop(0) if faults else None)

    def _answer(self, fault: Fault | None) -> None:
        content = self.hub.content(self.path)
        if self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self.send(401)
        elif content is None:
            self.send(404)
        elif fault is not None:
            fault(self, content)
        else:
            self.serve(content)

    def send(self, status: int, **headers: str) -> None:
        """Send a status and headers, whose names have `_` for `-`, without a body."""
        self.send_response(status)
        for name, value in ({"Content_Length": "0"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def serve(self, content: bytes, ranged: bool = True, until: int | None = None, said: int | None = None) -> None:
        """Send a file.

        Args:
            content: The whole file.
            ranged: Whether to send only what is asked for.
            until: Where to end, without a word; None for the end.
            said: The length that is stated; None for the right one.
        """
        start, size = self.start_bytes if ranged else 0, len(content)
        if start and start >= size:
            self.send(416)
            return
        headers = {"Content_Length": str(size - start if said is None else said)}
        if start:
            headers["Content_Range"] = f"bytes {start}-{size - 1}/{size}"
        self.send(206 if start else 200, **headers)
        if self.command == "HEAD":
            return
        for at in range(start, size if until is None else until, BLOCK_BYTES):
            self.wfile.write(content[at : min(at + BLOCK_BYTES, size if until is None else until)])
            self.hub.stopping.wait(self.hub.pause_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    hub: "HubServer"

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore it: clients that give up are the point."""


class HubServer:
    """Serves files on loopback from the start of a `with` block to its end.

    Args:
        files: The files of the repository, by name.
        certificate: A server's certificate with its key, to serve by HTTPS.

    Attributes:
        faults: What is done in the next requests for a file, by its name.
        token: The token that is required; empty for none.
        pause_s: How long to wait after each block.
        gets: The name and the position of each GET, in order.
        states_sizes: Whether a HEAD gets the size of a file, or only a redirect.
        authorizations: What each GET had as its authorization.
    """

    def __init__(self, files: Mapping[str, bytes], certificate: Path | None = None) -> None:
        self.files, self.faults, self.token, self.pause_s = dict(files), dict[str, list[Fault]](), "", 0.0
        self.gets: list[tuple[str, int]] = []
        self.states_sizes = True
        self.authorizations: list[str | None] = []
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Request)
        self._server.hub = self
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> "HubServer":
        """Begin to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        """End."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address to set as `HF_ENDPOINT`."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def content(self, path: str) -> bytes | None:
        """Return the file at a path of the hub."""
        folder, _, name = path.partition(f"/resolve/{REVISION}/")
        return self.files.get(name) if folder == f"/{REPOSITORY}" else None

    def note(self, request: Request) -> None:
        """Keep what was asked for."""
        self.gets.append((request.path.rpartition(f"{REVISION}/")[2], request.start_bytes))
        self.authorizations.append(request.headers.get("Authorization"))


def breaks(at_bytes: int, ranged: bool = True, is_reset: bool = False) -> Fault:
    """End the connection at a position of the file."""

    def answer(request: Request, content: bytes) -> None:
        request.serve(content, ranged, until=at_bytes)
        request.wfile.flush()
        if is_reset:
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def stalls(at_bytes: int) -> Fault:
    """Send nothing more from a position of the file on, and keep the connection."""

    def answer(request: Request, content: bytes) -> None:
        request.serve(content, until=at_bytes)
        request.hub.stopping.wait()

    return answer


def whole(request: Request, content: bytes) -> None:
    """Ignore the range."""
    request.serve(content, ranged=False)


def states(said_bytes: int) -> Fault:
    """State another length."""
    return lambda request, content: request.serve(content, said=said_bytes)


def status(code: int, **headers: str) -> Fault:
    """Answer with a status."""
    return lambda request, content: request.send(code, **headers)


def unstated(blocks: int) -> Fault:
    """Send zeros in chunks, without a length."""

    def answer(request: Request, content: bytes) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        for _ in range(blocks):
            request.wfile.write(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        request.wfile.write(b"0\r\n\r\n")

    return answer
