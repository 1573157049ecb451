"""A forward proxy on loopback, as companies have them: it forwards requests, or opens a tunnel, and counts both."""

import base64
import http.client
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT_S = 30.0
CHUNK_BYTES = 65_536


class ForwardProxy(ThreadingHTTPServer):
    """The proxy, running while the context is open; `user` is the credential it requires, as user:password."""

    daemon_threads = True

    def __init__(self, user: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wanted = None if user is None else f"Basic {base64.b64encode(user.encode()).decode()}"
        self.passed: list[str] = []

    @property
    def place(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.server_port}"

    def __enter__(self) -> "ForwardProxy":
        """Start the proxy."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the proxy."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._may_pass():
            return
        url = urlsplit(self.path)
        way = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_S)
        kept = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        way.request(self.command, url.path + (f"?{url.query}" if url.query else ""), body, kept)
        answer = way.getresponse()
        content = answer.read()
        way.close()
        self._answer(answer.status, content, answer.getheader("Content-Type") or "")

    do_PUT = do_POST = do_DELETE = do_GET

    def do_CONNECT(self) -> None:
        """Open a tunnel, and forward bytes until one end is closed."""
        if not self._may_pass():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), TIMEOUT_S) as other:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: other, other: self.connection}
            while True:
                for ready in select.select(list(ends), [], [], TIMEOUT_S)[0]:
                    received = ready.recv(CHUNK_BYTES)
                    if not received:
                        self.close_connection = True
                        return
                    ends[ready].sendall(received)

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _may_pass(self) -> bool:
        self.server.passed.append(f"{self.command} {self.path}")
        if self.server.wanted is None or self.headers.get("Proxy-Authorization") == self.server.wanted:
            return True
        self._answer(407, b"who are you?", "text/plain")
        return False

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
