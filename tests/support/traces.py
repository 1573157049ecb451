"""Spans in memory, and the headers of traces, for tests without a collector."""

from collections.abc import Mapping

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.clock import Clock
from shared.records import Headers, Record
from shared.tracing.otel import OtelTracing, StreamTracer
from shared.tracing.port import TRACE_PARENT, TRACE_STATE
from shared.tracing_settings import TracingSettings

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
SAMPLED: Headers = ((TRACE_PARENT, f"00-{TRACE_ID}-{PARENT_ID}-01".encode()), (TRACE_STATE, b"shop=1"))
UNSAMPLED: Headers = ((TRACE_PARENT, f"00-{TRACE_ID}-{PARENT_ID}-00".encode()),)


class Traces:
    """Tracing whose spans stay in memory.

    Args:
        clock: Gives the times of spans.
        share: The share of the records without a context that begin a trace.
        stream: The stream of the tracer.
    """

    def __init__(self, clock: Clock, share: float = 0.0, stream: str = "tickets") -> None:
        self._exporter = InMemorySpanExporter()
        settings = TracingSettings(endpoint="http://localhost:4318", share=share)
        self.tracing = OtelTracing(settings, SimpleSpanProcessor(self._exporter), clock)
        self.tracer: StreamTracer = self.tracing.tracer(stream, f"millrace-{stream}")

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended."""
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of one name, by offset if they are of records."""
        found = [span for span in self.spans if span.name == name]
        return sorted(found, key=lambda span: str(attribute(span, "messaging.kafka.offset")).zfill(9))


def attribute(span: ReadableSpan, name: str) -> object:
    """Return an attribute; None if the span does not have it."""
    attributes: Mapping[str, object] = span.attributes or {}
    return attributes.get(name)


def ids_of(span: ReadableSpan) -> tuple[str, str]:
    """Return the ids of a span's trace and of the span, in hexadecimal."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    """Return the id of a span's parent, in hexadecimal; None if it has none."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def context_in(headers: Headers) -> tuple[str, str]:
    """Return the ids of the trace and of the span that headers name."""
    _, trace_id, span_id, _ = dict(headers)[TRACE_PARENT].decode().split("-")  # type: ignore[union-attr]  # not null
    return trace_id, span_id


def traced(record: Record, headers: Headers = SAMPLED) -> Record:
    """Return a record with other headers, as its producer would have sent it."""
    return Record(record.topic, record.partition, record.offset, record.timestamp_ms, record.key, record.value, headers)
