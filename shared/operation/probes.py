"""The HTTP port of a worker: /metrics, /healthz, /readyz; and, only from this machine, POST to /pause, /resume and /hurry.

These need no password, because anyone who can run a command on the worker's machine can also stop the
worker. Requests from other machines are refused, because the port may be open to a network for the probes.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from shared.errors import Fatal
from shared.metrics.catalogue import READY
from shared.metrics.registry import CONTENT_TYPE, Registry, Sample
from shared.operation.lifecycle import Lifecycle

LOOPBACK = "127.0.0.1"
FORWARDED = ("HTTP_ORIGIN", "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_VIA")
"""Request headers that show that a web page or a proxy on this machine forwards a request for someone else."""


class _Answer(NamedTuple):
    status: str
    kind: str
    body: bytes


class ProbeServer:
    """Answers probes on its own thread for as long as the process runs.

    Each path except /metrics covers all streams of the process; with `/<stream>` appended, it covers one. If a process
    runs several streams, an answer about all of them names each part `<stream>.<part>`.

    Args:
        host: Address to bind.
        port: Port to bind; 0 selects a free port, which the attribute `port` then holds.
        workers: The life cycles from which health and readiness are read, by stream.
        registry: The metrics that /metrics returns.

    Raises:
        Fatal: the port cannot be bound.
    """

    def __init__(self, host: str, port: int, workers: Mapping[str, Lifecycle], registry: Registry) -> None:
        self._workers, self._registry = workers, registry
        registry.compute([READY.name], self._ready)
        try:
            self._server: WSGIServer = make_server(host, port, self._answer, _Server, _Silent)
        except OSError as error:
            raise Fatal(
                f"cannot bind port {port} on {host} for the probes ({error.strerror}); "
                "stop the worker that may run there, or choose another port with MILLRACE_OPERATION__PORT (0: a free port)"
            ) from error
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="probes", daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _ready(self) -> list[Sample]:
        """Return for each stream whether its worker is ready."""
        return [Sample(READY.name, (name,), not each.not_ready()) for name, each in self._workers.items()]

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, _, stream = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
        asked = {stream: self._workers[stream]} if stream in self._workers else {} if stream else self._workers
        control = environ.get("REQUEST_METHOD") == "POST"
        answer = self._answer_post(path, asked, environ) if control else self._answer_get(path, asked)
        start(answer.status, [("Content-Type", answer.kind)])
        return [answer.body]

    def _answer_get(self, path: str, asked: Mapping[str, Lifecycle]) -> _Answer:
        if path == "metrics" and asked is self._workers:
            return _Answer("200 OK", CONTENT_TYPE, self._registry.render())
        if not asked or path not in ("healthz", "readyz", "pause", "resume"):
            return _text("404 Not Found", "try /metrics, /healthz or /readyz")
        if path in ("pause", "resume"):
            return _pause_state(asked)
        if path == "healthz":
            faults = _by_part(asked, lambda worker: dict.fromkeys(worker.stuck(), "stuck"))
        else:
            faults = _by_part(asked, Lifecycle.not_ready)
        content: dict[str, Any] = {"ok": not faults, "faults": faults}
        if path == "readyz" and (notes := _by_part(asked, Lifecycle.notes)):
            content["notes"] = notes
        return _json("503 Service Unavailable" if faults else "200 OK", content)

    def _answer_post(self, path: str, asked: Mapping[str, Lifecycle], environ: dict[str, Any]) -> _Answer:
        if not asked or path not in ("pause", "resume", "hurry"):
            return _text("404 Not Found", "POST is only possible to /pause, /resume and /hurry")
        if not self._is_local(environ):
            return _text("403 Forbidden", "a worker can only be paused, resumed and hurried from its own machine")
        if path == "hurry":
            return _hurry([worker for worker in asked.values() if worker.can_hurry])
        for worker in asked.values():
            (worker.pause if path == "pause" else worker.resume)()
        return _pause_state(asked)

    def _is_local(self, environ: dict[str, Any]) -> bool:
        """Return whether a request comes from this machine, but not from a browser or a proxy on it."""
        own_addresses = {LOOPBACK, str(self._server.server_address[0])}
        named = environ.get("HTTP_HOST", "").rpartition(":")[0]
        return (
            environ.get("REMOTE_ADDR") in own_addresses
            and named in own_addresses | {"localhost"}
            and not any(header in environ for header in FORWARDED)
        )


def _by_part(asked: Mapping[str, Lifecycle], of: Callable[[Lifecycle], Mapping[str, str]]) -> dict[str, str]:
    """Return the texts of workers, by part; for several workers, by stream and part."""
    if len(asked) == 1:
        return dict(of(next(iter(asked.values()))))
    return {f"{stream}.{part}": text for stream, worker in asked.items() for part, text in of(worker).items()}


def _pause_state(asked: Mapping[str, Lifecycle]) -> _Answer:
    """Return whether a pause is requested, and since when it holds; of several workers, once all of them are paused."""
    pauses = [worker.paused for worker in asked.values()]
    whole = None if None in pauses else pauses[0]
    return _json("200 OK", {"wanted": all(worker.pause_wanted for worker in asked.values()), "paused": whole})


def _hurry(redrives: list[Lifecycle]) -> _Answer:
    if not redrives:
        return _text("404 Not Found", "no redrive runs in this process")
    for redrive in redrives:
        redrive.hurry()
    return _json("200 OK", {"hurried_at_ms": redrives[0].hurried_at_ms})


def _text(status: str, line: str) -> _Answer:
    return _Answer(status, "text/plain", line.encode() + b"\n")


def _json(status: str, content: dict[str, Any]) -> _Answer:
    return _Answer(status, "application/json", json.dumps(content).encode() + b"\n")


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per connection, so that a silent client holds up neither the probes nor the exit."""

    daemon_threads = True
    block_on_close = False


class _Silent(WSGIRequestHandler):
    """Writes no access log, because probes come every few seconds. Disconnects a client that sends nothing for 5 s."""

    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
        """Drop the log line."""
