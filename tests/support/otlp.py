"""An OTLP receiver over HTTP that keeps the spans that it gets, or that hangs or refuses them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Received:
    """A span as it arrived.

    Attributes:
        name: Its name.
        trace_id: The id of its trace, in hexadecimal.
        span_id: Its id, in hexadecimal.
        parent_id: The id of its parent, in hexadecimal; empty if it has none.
        attributes: Its attributes.
        links: The ids of the spans that it links to, in hexadecimal.
        error: The description of its error; empty if it has none.
        took_ns: How long it took.
        service: The `service.name` of its resource.
        body: The whole span as text.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[str]
    error: str
    took_ns: int
    service: str
    body: str


@dataclass
class Receiver:
    """What has arrived."""

    url: str
    spans: list[Received] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> list[Received]:
        """Return the spans of one name, by their offset if they are of records."""
        found = [span for span in list(self.spans) if span.name == name]
        return sorted(found, key=lambda span: span.attributes.get("messaging.kafka.offset", 0))


@contextmanager
def otlp_receiver(status: int = 200, hangs: bool = False) -> Iterator[Receiver]:
    """Run a receiver.

    Args:
        status: The status of its answers.
        hangs: Whether it answers only at the end.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append((self.path, dict(self.headers)))
            if hangs:
                receiver.release.wait()
            if status == 200:
                receiver.spans += _parsed(content)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _parsed(content: bytes) -> list[Received]:
    request = ExportTraceServiceRequest.FromString(content)
    return [
        _received(span, {each.key: each.value.string_value for each in group.resource.attributes}["service.name"])
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _received(span: Span, service: str) -> Received:
    values = {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in span.attributes
    }
    return Received(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        values,
        [link.span_id.hex() for link in span.links],
        span.status.message if span.status.code == 2 else "",
        span.end_time_unix_nano - span.start_time_unix_nano,
        service,
        str(span),
    )
