"""The fields of log lines while a batch is worked on, on both threads, and in two workers side by side.

Green does not cover lines of threads that load media or models: they belong to no batch.
"""

import threading
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
import structlog

from shared.errors import Unavailable
from shared.logs import get_logger
from shared.records import Record
from shared.tracing.port import Tracer
from tests.support.assembly import Assembly
from tests.support.fakes import FakeSource, ManualClock
from tests.support.streams import NOTE_KIND, TICKET_KIND
from tests.support.traces import TRACE_ID, Traces, ids_of, traced

Line = MutableMapping[str, Any]


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    """Yield the log lines that are written meanwhile."""
    found: list[Line] = []

    def keep(_: Any, __: str, line: Line) -> Line:
        found.append(line)
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    yield found
    structlog.reset_defaults()


def worker_of(kind: Any, *records: Record, traces: Traces | None = None) -> Assembly:
    """Return a worker that stops after its first batch."""
    tracer = Tracer() if traces is None else traces.tracer
    parts = Assembly(stream=kind.stream, source=FakeSource(waiting=list(records)), tracer=tracer)
    parts.reported.when("batch_settled", parts.lifecycle.stop)
    return parts


def test_lines_of_a_batch_name_stream_batch_and_trace_and_a_dead_letter_its_own_trace(lines: list[Line]) -> None:
    traces = Traces(ManualClock())
    good = traced(TICKET_KIND.record(TICKET_KIND.event("T-1")))
    bad = traced(TICKET_KIND.record(TICKET_KIND.event("T-2", priority="x"), 1))
    parts = worker_of(TICKET_KIND, good, bad, traces=traces)
    parts.collection.failures = [Unavailable("store", "away")]
    parts.worker().run()
    [batch] = traces.named("batch tickets")
    [paused] = [line for line in lines if line["event"] == "paused" and line["dependency"] == "store"]
    assert (paused["stream"], paused["batch"], paused["trace_id"]) == ("tickets", 1, ids_of(batch)[0])
    [dead] = [line for line in lines if line["event"] == "dead-lettered"]
    assert (dead["stream"], dead["batch"], dead["trace_id"]) == ("tickets", 1, TRACE_ID)
    get_logger("after").info("after the run")
    assert "batch" not in lines[-1]


def test_without_tracing_a_dead_letter_still_names_the_trace_of_its_record(lines: list[Line]) -> None:
    bad = TICKET_KIND.event("T-2", priority="x")
    worker_of(TICKET_KIND, traced(TICKET_KIND.record(bad)), TICKET_KIND.record(bad, 1)).worker().run()
    dead = [line for line in lines if line["event"] == "dead-lettered"]
    assert [line.get("trace_id") for line in dead] == [TRACE_ID, None]
    assert {line["batch"] for line in dead} == {1}


def talking(name: str, parts: Assembly, meet: threading.Barrier) -> Callable[[str], None]:
    """Return what logs a line on each thread of a worker, while the other worker is at the same place."""
    met: set[str] = set()

    def watch(hook: str) -> None:
        if hook in ("stage_done", "settle_step_done"):
            if hook not in met:
                met.add(hook)
                meet.wait()
            get_logger("test").info(hook, of=name)
        if hook == "batch_settled":
            parts.lifecycle.stop()

    return watch


def test_the_two_threads_of_two_workers_side_by_side_do_not_mix(lines: list[Line]) -> None:
    meet = threading.Barrier(2, timeout=30)
    threads = []
    for kind in (TICKET_KIND, NOTE_KIND):
        parts = worker_of(kind, kind.record(kind.event("T-1")))
        parts.reported.watch = talking(kind.name, parts, meet)
        threads.append(threading.Thread(target=parts.worker().run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for hook in ("stage_done", "settle_step_done"):
        said = {(line["of"], line.get("stream"), line.get("batch")) for line in lines if line["event"] == hook}
        assert said == {("notes", "notes", 1), ("tickets", "tickets", 1)}
