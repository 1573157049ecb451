"""The HTTP port of a worker: /metrics, /healthz and /readyz."""

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from shared.engine.lifecycle import Lifecycle
from shared.errors import Fatal
from shared.metrics import CONTENT_TYPE, Metrics


class ProbeServer:
    """Answers probes on a thread of its own for as long as the process lives.

    Args:
        host: Address to bind.
        port: Port to bind; 0 picks a free one, told by `port`.
        lifecycle: What health and readiness are read from.
        metrics: What /metrics shows.

    Raises:
        Fatal: the port cannot be bound.
    """

    def __init__(self, host: str, port: int, lifecycle: Lifecycle, metrics: Metrics) -> None:
        self._lifecycle, self._metrics = lifecycle, metrics
        try:
            self._server: WSGIServer = make_server(host, port, self._answer, _Server, _Silent)
        except OSError as error:
            raise Fatal(
                f"the probes' port {port} on {host} cannot be bound ({error.strerror}); "
                "choose another with MILLRACE_OPERATION__PORT, 0 picks a free one"
            ) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            start("200 OK", [("Content-Type", CONTENT_TYPE)])
            return [self._metrics.render()]
        faults: dict[str, str] | None = None
        if path == "/healthz":
            faults = dict.fromkeys(self._lifecycle.stuck(), "stuck")
        elif path == "/readyz":
            faults = self._lifecycle.not_ready()
        if faults is None:
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"try /metrics, /healthz or /readyz\n"]
        start("503 Service Unavailable" if faults else "200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"ok": not faults, "faults": faults}).encode() + b"\n"]


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per connection, so that a silent client holds up neither the probes nor the exit."""

    daemon_threads = True
    block_on_close = False


class _Silent(WSGIRequestHandler):
    """Writes no access log: probes come every few seconds. Gives up on a client that says nothing."""

    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
        """Drop the line."""
