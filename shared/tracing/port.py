"""Traces as the rest of the code sees them: what `Tracing` and `Tracer` do by default is nothing.

Of the context that a record carries, this module knows the names of its headers (W3C Trace Context). Only the adapter,
`otel.py`, interprets them.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from shared.observers import Observer
from shared.records import Headers, Record, Settled

TRACE_PARENT, TRACE_STATE = "traceparent", "tracestate"
TRACE_HEADERS = frozenset({TRACE_PARENT, TRACE_STATE})

VALUE_BYTES = 1_024
"""A longer value is not passed on: the standard asks for 512, and a message must not outgrow its topic."""

TRACE_PARENT_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def trace_headers(headers: Headers) -> Headers:
    """Return the headers of a record that hold its trace context, for the messages that it brings about.

    Their values are passed on as they are, also if no program could interpret them. Of a repeated name, the last counts.
    """
    if not headers:
        return ()
    found = {name: value for name, value in headers if name in TRACE_HEADERS and value and len(value) <= VALUE_BYTES}
    return tuple(found.items()) if TRACE_PARENT in found else ()


def trace_id_of(headers: Headers) -> str | None:
    """Return the id of the trace that a record belongs to, in hexadecimal; None if it has no valid trace context."""
    found = TRACE_PARENT_FORM.fullmatch(dict(trace_headers(headers)).get(TRACE_PARENT) or b"")
    return None if found is None else found.group(1).decode()


class BatchTrace:
    """The spans of one batch: none.

    Attributes:
        trace_id: The id of the batch's own trace, in hexadecimal; None if it has no spans.
    """

    trace_id: str | None = None

    def end(self, settled: Sequence[Settled]) -> None:
        """End all spans.

        Args:
            settled: The outcomes of the records that were settled; those of all others were abandoned.
        """


NOT_TRACED = BatchTrace()
"""The trace of a batch without spans."""


class Begun(NamedTuple):
    """The records of a batch, with the context of their own spans in their headers, and the trace of the batch."""

    records: Sequence[Record]
    trace: BatchTrace


class Tracer:
    """Makes the spans of one worker: none.

    Attributes:
        observers: Observers that make spans of the engine's reports.
    """

    observers: Sequence[Observer] = ()

    def begin(self, number: int, records: Sequence[Record]) -> Begun:
        """Begin the spans of a batch and of its records.

        Args:
            number: The number of the batch.
            records: Its records. Those that are traced are replaced; all others are returned as they are.
        """
        return Begun(records, NOT_TRACED)

    def working_on(self, trace: BatchTrace) -> AbstractContextManager[None]:
        """Return a block in which the calling thread works on a batch: what is reported meanwhile belongs to its trace."""
        return nullcontext()

    def close(self) -> None:
        """End the spans of all batches that have not ended: their records are abandoned."""


class Tracing:
    """Makes tracers for the workers of one process. This one makes tracers that do nothing."""

    def tracer(self, stream: str, group: str) -> Tracer:
        """Return the tracer of a stream's worker, which belongs to a consumer group."""
        return Tracer()

    def close(self) -> None:
        """Send what is waiting, for some seconds at most; the last call."""
