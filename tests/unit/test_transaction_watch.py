"""Records that wait behind open transactions, as reported to the observer and the probes.

Green does not show that the broker's answers are right: `tests/faults/test_open_transaction.py` asks a broker.
"""

import threading
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from shared.broker.transactions import Waiting
from shared.errors import Fatal, Unavailable
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.observers import Observer
from shared.operation.transaction_watch import EVERY_S, TransactionWatch
from tests.support.fakes import ManualClock

TIMEOUT_S = 10.0
NOW_MS = int(ManualClock().now().timestamp() * 1000)


class RecordingObserver(Observer):
    """Keeps the reported measures."""

    def __init__(self, looks: int) -> None:
        self.reported: list[tuple[int | None, float]] = []
        self.enough, self._looks = threading.Event(), looks

    def open_transactions_measured(self, records: int | None, oldest_age_s: float) -> None:
        """Keep the reported measure."""
        self.reported.append((records, oldest_age_s))
        if len(self.reported) == self._looks:
            self.enough.set()


class StoppingClock(ManualClock):
    """Ends the watch's wait once the observer has enough reports."""

    def __init__(self, reported: RecordingObserver) -> None:
        super().__init__()
        self._reported = reported

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait no time."""
        return super().wait(event, timeout_s) or self._reported.enough.is_set()


def watched(*answers: list[Waiting] | Exception) -> tuple[list[tuple[int | None, float]], str | None]:
    """Return the reports for these answers, and the note after the last of them."""
    waiting, reported = list(answers), RecordingObserver(len(answers))
    clock = StoppingClock(reported)

    def measure() -> Sequence[Waiting]:
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = TransactionWatch(measure, clock, reported)
    assert reported.enough.wait(TIMEOUT_S)
    watch.close()
    assert set(clock.waits) == {EVERY_S}
    clock.seconds = ManualClock().seconds
    return reported.reported, watch.note()


def test_all_topics_are_added_up_and_each_is_named() -> None:
    reported, note = watched([Waiting("tickets", 60, NOW_MS - 74_000), Waiting("tickets.redo", 1, NOW_MS - 5_000)])
    assert reported == [(61, 74.0)]
    assert note == (
        "60 records of tickets wait behind an open transaction, the oldest for 74 s; "
        "1 record of tickets.redo waits behind an open transaction, the oldest for 5 s"
    )


def test_missing_counts_and_unknown_ages_are_reported_as_such() -> None:
    reported, note = watched([Waiting("tickets", 9000, None, is_counted=False)])
    assert (reported, note) == ([(9000, 0.0)], "about 9000 records of tickets wait behind an open transaction")


def test_no_waiting_records_give_0_and_no_note() -> None:
    assert watched([Waiting("tickets", 0), Waiting("tickets.redo", 0)]) == ([(0, 0.0)], None)


@pytest.mark.parametrize("error", [Unavailable("broker", "away"), Fatal("no key file"), RuntimeError("hunter2")])
def test_a_failed_measurement_is_unknown_and_the_next_look_counts(error: Exception) -> None:
    with capture_logs() as lines:
        assert watched([Waiting("tickets", 3, NOW_MS)], error) == ([(3, 0.0), (None, 0.0)], None)
        assert watched(error, [Waiting("tickets", 3, NOW_MS + 9_000)])[0] == [(None, 0.0), (3, 0.0)]
    assert {line["log_level"] for line in lines} == {"debug"}
    assert "hunter2" not in str(lines)


def test_the_gauges_are_absent_while_unknown() -> None:
    registry = Registry()
    metrics = Metrics("tickets", registry)
    metrics.open_transactions_measured(60, 74.0)
    assert b'millrace_open_transaction_oldest_age_seconds{stream="tickets"} 74.0' in registry.render()
    metrics.open_transactions_measured(None, 0.0)
    assert b"millrace_open_transaction_records{" not in registry.render()
    assert b"millrace_open_transaction_oldest_age_seconds{" not in registry.render()
