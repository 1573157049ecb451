"""`python -m benchmarks.tracing [ROUNDS]`: what tracing costs, in CPU time of the process per ticket, interleaved.

Each round settles one batch of tickets in every way, in a random order, on the parts of `benchmarks.stages`. Spans are
encoded and sent to a receiver in another process before the time is taken, so that their cost counts where it arises.
"""

import multiprocessing
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median, quantiles
from typing import Any
from unittest.mock import patch

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExportResult

from benchmarks.stages import BATCH_RECORDS, Flow, batches_of, flow_of, parts
from benchmarks.texts import load_texts, to_messages
from shared.broker.producer import KafkaSink
from shared.clock import SystemClock
from shared.engine.current import CurrentBatch
from shared.engine.pipeline import Batch
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.observers import Observers
from shared.records import Record
from shared.tracing.otel import OtelTracing
from shared.tracing.port import Tracer
from shared.tracing_settings import TracingSettings
from shared.vectorstore.edge.store import EdgeCollection
from workers.tickets.stages import TICKETS

HISTORY, ROUNDS = 2_000, 40
PARENT = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
WITHOUT = "without the code"
CLOCK = SystemClock()


class Collected(SpanProcessor):
    """Keeps the spans that have ended until they are sent."""

    def __init__(self, url: str) -> None:
        self._exporter, self._spans = OTLPSpanExporter(endpoint=f"{url}/v1/traces"), list[ReadableSpan]()

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span."""
        self._spans.append(span)

    def send(self) -> None:
        """Send all spans, by as many at once as a worker does."""
        spans, self._spans = self._spans, []
        for start in range(0, len(spans), 512):
            assert self._exporter.export(spans[start : start + 512]) is SpanExportResult.SUCCESS


@dataclass(frozen=True)
class Way:
    """One way of settling batches.

    Attributes:
        flow: The stages.
        tracer: Makes the spans; None without the code of tracing.
        spans: Sends the spans; None while tracing is off.
        is_traced: Whether the records carry a sampled context.
    """

    flow: Flow
    tracer: Tracer | None = None
    spans: Collected | None = None
    is_traced: bool = False

    def settle(self, records: Sequence[Record]) -> float:
        """Settle a batch; return the CPU time per record, in microseconds."""
        given = [replace(each, headers=PARENT) for each in records] if self.is_traced else list(records)
        if self.tracer is None:
            with patch("shared.engine.build.trace_headers", lambda headers: ()):  # as the code did before
                began_s = CLOCK.cpu_s()
                self.flow.run(given)
                return (CLOCK.cpu_s() - began_s) / len(records) * 1e6
        began_s = CLOCK.cpu_s()
        current: CurrentBatch[Any] = CurrentBatch(TICKETS.name, self.tracer)
        batch = current.prepared(given, self.flow.pipeline.prepare)
        with current.in_hand(batch):
            self.flow.pipeline.process(batch)
            self.flow.settler.settle(batch)
        if self.spans is not None:
            self.spans.send()
        return (CLOCK.cpu_s() - began_s) / len(records) * 1e6


def _hold_receiver(ready: "multiprocessing.Queue[str]") -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ready.put(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()


@contextmanager
def receiver_process() -> Iterator[str]:
    """Hold a receiver in a process of its own; yield its URL."""
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=_hold_receiver, args=(ready,), daemon=True)
    process.start()
    try:
        yield ready.get(timeout=30)
    finally:
        process.kill()
        process.join()


@dataclass(frozen=True)
class Setting:
    """How tracing is set in one of the ways."""

    name: str
    share: float | None = None
    is_traced: bool = False


SETTINGS = (
    Setting("off", None),
    Setting("off, records with a context", None, is_traced=True),
    Setting("on, share 0", 0.0),
    Setting("on, share 0.01", 0.01),
    Setting("on, share 1", 1.0),
    Setting("on, records with a context", 0.0, is_traced=True),
)


def ways_of(collection: EdgeCollection, sink: KafkaSink, url: str) -> dict[str, Way]:
    """Return each way of settling, by its name."""
    ways = {WITHOUT: Way(_flow(collection, sink))}
    for each in SETTINGS:
        if each.share is None:
            ways[each.name] = Way(_flow(collection, sink), Tracer(), None, each.is_traced)
            continue
        spans = Collected(url)
        settings = TracingSettings(endpoint=url, share=each.share)
        tracer = OtelTracing(settings, spans, CLOCK).tracer(TICKETS.name, "millrace-tickets")
        ways[each.name] = Way(_flow(collection, sink, tracer), tracer, spans, each.is_traced)
    return ways


def _flow(collection: EdgeCollection, sink: KafkaSink, tracer: Tracer | None = None) -> Flow:
    metrics = Metrics(TICKETS.name, Registry())
    return flow_of(collection, sink, Observers([metrics, *(() if tracer is None else tracer.observers)]))


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the CPU time per ticket of each round, in microseconds, by the way."""
    _, texts = load_texts(HISTORY)
    with ExitStack() as held:
        (collection, sink), url = held.enter_context(parts()), held.enter_context(receiver_process())
        ways = ways_of(collection, sink, url)
        for records in batches_of(to_messages(texts, "solved", resolved=True)):
            ways[WITHOUT].settle(records)
        found: dict[str, list[float]] = {name: [] for name in ways}
        first_id = len(texts)
        for number in range(-1, rounds):  # the first round is not counted
            order = list(ways)
            random.Random(number).shuffle(order)  # noqa: S311  (no secret)
            for name in order:
                part = texts[(number * BATCH_RECORDS) % len(texts) :][:BATCH_RECORDS]
                [records] = list(batches_of(to_messages(part, "created", first_id)))
                first_id += len(part)
                cpu_us = ways[name].settle(records)
                if number >= 0:
                    found[name].append(cpu_us)
    return found


def marking_us() -> list[float]:
    """Return what the code alone costs while tracing is off, in microseconds per batch: marking it on both threads."""
    current: CurrentBatch[Any] = CurrentBatch(TICKETS.name, Tracer())
    found, many = list[float](), 2_000
    for _ in range(9):
        began_s = CLOCK.cpu_s()
        for _ in range(many):
            with current.in_hand(current.prepared((), lambda records: Batch([]))):
                pass
        found.append((CLOCK.cpu_s() - began_s) / many * 1e6)
    return found


def traced_us() -> list[float]:
    """Return what the spans alone cost, in microseconds per traced record of a batch: making, encoding and sending them."""
    found = list[float]()
    with receiver_process() as url:
        spans = Collected(url)
        tracing = OtelTracing(TracingSettings(endpoint=url, share=1.0), spans, CLOCK)
        tracer = tracing.tracer(TICKETS.name, "millrace-tickets")
        records = [Record(TICKETS.name, 0, offset, 0, b"key", b"value") for offset in range(BATCH_RECORDS)]
        for number in range(40):
            began_s = CLOCK.cpu_s()
            tracer.begin(number, records).trace.end(())
            spans.send()
            found.append((CLOCK.cpu_s() - began_s) / len(records) * 1e6)
    return found


def report(rounds: int) -> None:
    """Measure and print."""
    found = measure(rounds)
    print(f"\nCPU per ticket, stand-in encoder, batches of {BATCH_RECORDS}, {rounds} rounds interleaved")
    print(f"{'':<30}{'microseconds':>14}{'ratio: median (quartiles; min-max)':>44}")
    for name, values in found.items():
        ratios = [value / base for value, base in zip(values, found[WITHOUT], strict=True)]
        low, _, high = quantiles(ratios, n=4)
        spread = f"{median(ratios):.3f} ({low:.3f}-{high:.3f}; {min(ratios):.3f}-{max(ratios):.3f})"
        print(f"{name:<30}{median(values):>14.0f}{spread:>44}")

    for what, alone in (("off, the code alone, per batch", marking_us()), ("on, spans alone, per record", traced_us())):
        print(f"{what:<31}{median(alone):>13.1f} us ({min(alone):.1f}-{max(alone):.1f})")


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
