"""Marks the batch that a thread works on: its log lines name the batch, and its spans belong to the batch's trace."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Generic

from shared.engine.pipeline import Batch
from shared.engine.snapshots import ItemT
from shared.logs import bound
from shared.records import Record, Settled
from shared.tracing.port import BatchTrace, Tracer


class CurrentBatch(Generic[ItemT]):
    """Numbers the batches of one worker, and marks them while a thread works on them.

    Args:
        stream: The stream.
        tracer: Makes the spans.
    """

    def __init__(self, stream: str, tracer: Tracer) -> None:
        self._stream, self._tracer = stream, tracer
        self._numbers = count(1)

    def prepared(self, records: Sequence[Record], prepare: Callable[[Sequence[Record]], Batch[ItemT]]) -> Batch[ItemT]:
        """Begin a batch, and return it as it was prepared; called on the prepare thread."""
        number = next(self._numbers)
        begun = self._tracer.begin(number, records)
        with self._marked(number, begun.trace):
            batch = prepare(begun.records)
        batch.number, batch.trace = number, begun.trace
        return batch

    @contextmanager
    def in_hand(self, batch: Batch[ItemT]) -> Iterator[None]:
        """Process and settle a batch in this block; called on the worker thread. Its spans end with the block."""
        settled: Sequence[Settled] = ()
        try:
            with self._marked(batch.number, batch.trace):
                yield
            settled = batch.settled
        finally:
            batch.trace.end(settled)

    def close(self) -> None:
        """End the spans of batches that were begun and never taken in hand."""
        self._tracer.close()

    @contextmanager
    def _marked(self, number: int, trace: BatchTrace) -> Iterator[None]:
        fields: dict[str, object] = {"stream": self._stream, "batch": number}
        if trace.trace_id is not None:
            fields["trace_id"] = trace.trace_id
        with bound(**fields), self._tracer.working_on(trace):
            yield
