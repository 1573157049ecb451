"""A stand-in for Qdrant's server: the REST calls of Millrace's adapter, and no others, served over Edge.

Run as a separate process, `python -m tests.support.qdrant.server --port 0 --path FOLDER`, it prints its port when it is
ready and ends when its standard input is closed. Its data is on disk, so it can be killed and started again. It is
never shipped: it has no real authorisation, accepts its faults from any client, and serves the calls of a collection
one at a time.

A green run on it does **not** prove that a real server answers alike: the texts of its errors, payload indexes (their
kinds are remembered, a tenant's points are not kept together), recall of an HNSW graph (every search here is exact),
how it counts for strict mode and what a token may do (`tests.support.qdrant.strict` follows its source), quantisation,
shards, replicas and consistency, gRPC, TLS, or its speed. The engine below is the server's own, so guards, filters,
scores and frequencies are Qdrant's.
"""

import argparse
import json
import os
import re
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from shared.clock import SystemClock
from tests.support.qdrant.faults import Control
from tests.support.qdrant.shards import Json, Refused, Shards
from tests.support.qdrant.strict import Budgets, check_rights, check_size, check_strict, cost

FULL = "Service internal error: No space left on device: WAL buffer size exceeds available disk space"
"""The answer of a real server with status 500 when its disk is full:
lib/collection/src/shards/local_shard/shard_ops.rs.
"""

INVALID = {
    "html": (b"<html><body><h1>It works!</h1></body></html>", "text/html"),
    "cut": (b'{"result": [{"id": "', "application/json"),
    "other": (b'{"error": "no such service"}', "application/json"),
}
Answer = Callable[["Standin", Json, "re.Match[str]"], Any]


class Standin(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path, key: str | None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.shards, self.control, self.key = Shards(folder), Control(), key
        self.budgets = Budgets()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep an error of the stand-in for `report`; a client that disconnected is no error."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.control.unknown.append(f"broke: {error!r}")
            super().handle_error(request, client_address)

    def upsert(self, name: str, body: Json) -> Json:
        """Write points, with the faults in force."""
        control, faults = self.control, self.control.faults
        fails = control.upsert_begins()
        try:
            if faults.full:
                raise Refused(500, FULL)
            reported = {key: value for key, value in body.items() if key not in faults.ignore}
            points = reported["points"]
            if fails:
                points = {"nothing": [], "half": points[: len(points) // 2], "all": points}[faults.written]
            if points:
                self.shards.get(name).upsert(points, reported.get("update_filter"), reported.get("update_mode"))
            if fails:
                raise Refused(500, "Service internal error: told to fail")
            return {"operation_id": 0, "status": "acknowledged" if faults.acknowledge else "completed"}
        finally:
            control.upsert_ends()

    def change_aliases(self, body: Json) -> bool:
        """Create and remove aliases; other actions are not supported."""
        for action in body["actions"]:
            if "delete_alias" in action:
                self.shards.remove_alias(action["delete_alias"]["alias_name"])
            else:
                self.shards.set_alias(action["create_alias"]["alias_name"], action["create_alias"]["collection_name"])
        return True

    def shown_aliases(self, name: str | None = None) -> Json:
        """Return the aliases of a collection, or of all, that the key may read."""
        scope = self.control.faults.scope
        made = [
            {"alias_name": alias, "collection_name": target}
            for alias, target in self.shards.aliases.items()
            if name in (None, target) and (not scope or {alias, target} <= set(scope))
        ]
        return {"aliases": made}

    def check(self, route: str, name: str | None, body: Json) -> None:
        """Refuse calls that the server's settings or the key do not allow."""
        faults = self.control.faults
        check_rights(route, name, body, faults)
        if name is None or not self.shards.has(name) or "/points" not in route:
            return
        shard = self.shards.get(name)
        strict = {**shard.strict, **faults.strict}
        check_strict(route, body, shard.schema, strict)
        budget, taken = cost(route, body)
        if strict.get(budget) is not None:
            now_s = SystemClock().monotonic_s()
            self.budgets.take(budget, taken, strict[budget], faults.minute_s, now_s)


def _delete(server: Standin, body: Json, found: "re.Match[str]") -> Json:
    server.shards.get(found["name"]).delete(body["points"])
    return {"operation_id": 0, "status": "completed"}


def _index(server: Standin, body: Json, found: "re.Match[str]") -> Json:
    server.shards.get(found["name"]).index(body["field_name"], body["field_schema"])
    return {"operation_id": 0, "status": "completed"}


def _create(server: Standin, body: Json, found: "re.Match[str]") -> bool:
    server.shards.create(found["name"], body)
    return True


def _narrow(server: Standin, body: Json, found: "re.Match[str]") -> bool:
    server.shards.get(found["name"]).strict = body["strict_mode_config"]
    return True


COLLECTION = "/collections/(?P<name>[^/]+)"
ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", f"{COLLECTION}/exists"): lambda server, _, found: {"exists": server.shards.has(found["name"])},
    ("GET", COLLECTION): lambda server, _, found: server.shards.get(found["name"]).info(server.control.faults.strict),
    ("PUT", COLLECTION): _create,
    ("PATCH", COLLECTION): _narrow,
    ("DELETE", COLLECTION): lambda server, _, found: server.shards.remove(found["name"]),
    ("PUT", f"{COLLECTION}/index"): _index,
    ("GET", "/aliases"): lambda server, _, found: server.shown_aliases(),
    ("GET", f"{COLLECTION}/aliases"): lambda server, _, found: server.shown_aliases(found["name"]),
    ("POST", "/collections/aliases"): lambda server, body, _: server.change_aliases(body),
    ("PUT", f"{COLLECTION}/points"): lambda server, body, found: server.upsert(found["name"], body),
    ("POST", f"{COLLECTION}/points"): lambda server, body, found: server.shards.get(found["name"]).retrieve(body),
    ("POST", f"{COLLECTION}/points/delete"): _delete,
    ("POST", f"{COLLECTION}/points/count"): lambda server, body, found: server.shards.get(found["name"]).count(body),
    ("POST", f"{COLLECTION}/points/scroll"): lambda server, body, found: server.shards.get(found["name"]).scroll(body),
    ("POST", f"{COLLECTION}/points/query/batch"): lambda server, body, found: server.shards.get(found["name"]).query(
        body["searches"]
    ),
}
PARAMETERS = {"wait": ["true"], "ordering": ["medium"]}
"""The supported query parameters, and their only values."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Standin
    _retry_after_s = 0

    def do_GET(self) -> None:
        """Answer a GET."""
        self._handle()

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        """Log nothing: unknown calls are reported in `_result`."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        received = self.rfile.read(length)
        if len(received) < length:  # cut off in the middle: no client waits for an answer
            self.close_connection = True
            return
        body = json.loads(received) if length else {}
        if self.path.startswith("/standin/"):
            self._administer(body)
            return
        faults = self.server.control.faults
        threading.Event().wait(faults.delay_s)
        key = self.server.key
        if key is not None and self.headers.get("api-key") != key:
            self._send(401, b"Invalid API key or JWT", "text/plain")
        elif faults.invalid:
            self._send(200, *INVALID[faults.invalid])
        elif faults.status:
            self._answer(faults.status, {"status": {"error": f"told to answer {faults.status}"}, "time": 0.0})
        else:
            self._answer(*self._result(body, length))

    def _administer(self, body: Json) -> None:
        control = self.server.control
        if self.command == "PUT":
            control.set(body)
        self._answer(200, control.report())

    def _result(self, body: Json, size_bytes: int) -> tuple[int, Json]:
        url = urlsplit(self.path)
        if (self.command, url.path) == ("GET", "/"):
            return 200, {"title": "qdrant - vector search engine", "version": self.server.control.faults.version}
        path = "/".join(unquote(part) for part in url.path.split("/"))
        for (method, pattern), answer in ROUTES.items():
            found = re.fullmatch(pattern, path)
            strange = [name for name, value in parse_qs(url.query).items() if PARAMETERS.get(name) != value]
            if found and method == self.command and not strange:
                route = f"{method} {pattern.replace('(?P<name>[^/]+)', '*')}"
                self.server.control.called(route)
                try:
                    check_size(size_bytes, self.server.control.faults)
                    self.server.check(route, found.groupdict().get("name"), body)
                    return 200, {"result": answer(self.server, body, found), "status": "ok", "time": 0.0}
                except Refused as refused:
                    self._retry_after_s = refused.retry_after_s
                    return refused.status, {"status": {"error": refused.error}, "time": 0.0}
        what = f"{self.command} {self.path}"
        self.server.control.unknown.append(what)
        print(f"the stand-in does not know {what}", file=sys.stderr, flush=True)  # noqa: T201  (a process of its own)
        return 404, {"status": {"error": f"the stand-in does not know {what}"}, "time": 0.0}

    def _answer(self, status: int, content: Json) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status == 429 and (wait_s := self._retry_after_s or self.server.control.faults.retry_after_s):
            self.send_header("Retry-After", str(wait_s))
        self._retry_after_s = 0
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve until standard input is closed, so that nothing outlives the test run."""
    parser = argparse.ArgumentParser(description="A stand-in for Qdrant's server, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--key", default=None)
    reported = parser.parse_args()
    server = Standin(reported.port, reported.path, reported.key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)  # noqa: T201  (its parent waits for this)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
