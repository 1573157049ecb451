"""The queue of spans: a dead or slow collector costs spans, never time of the work.

Green does not show the library's exporter, which `tests/flow/test_tracing.py` runs over HTTP.
"""

import threading
import time
from collections.abc import Callable, Sequence

import pytest
import structlog

from shared.clock import SystemClock
from shared.tracing import sending
from shared.tracing.sending import Sender
from tests.support.waiting import wait_until

TIMEOUT_S = 20.0


class Collector:
    """Receives spans once it may, and answers as it is asked to."""

    def __init__(self, answers: bool = True) -> None:
        self.may, self.entered, self.answers = threading.Event(), threading.Event(), answers
        self.received: list[int] = []

    def send(self, spans: Sequence[int]) -> bool:
        self.entered.set()
        self.may.wait(TIMEOUT_S)
        if self.answers:
            self.received += spans
        return self.answers

    def sender(self, interrupt: Callable[[], None] = lambda: None) -> Sender[int]:
        return Sender(self.send, interrupt, lambda: "connection refused", SystemClock())


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WAITING_LIMIT", 100)
    monkeypatch.setattr(sending, "SENT_AT_ONCE", 10)
    monkeypatch.setattr(sending, "EVERY_S", 0.05)
    monkeypatch.setattr(sending, "CLOSE_S", 0.2)


def test_everything_arrives_in_order_and_close_sends_the_rest() -> None:
    collector = Collector()
    collector.may.set()
    sender = collector.sender()
    for number in range(95):
        sender.put(number)
    sender.close()
    assert collector.received == list(range(95))
    assert (sender.dropped, sender.failed) == (0, 0)


def test_a_slow_collector_does_not_slow_the_work_and_what_has_no_room_is_counted() -> None:
    collector = Collector()
    sender = collector.sender(collector.may.set)
    sender.put(-1)
    assert collector.entered.wait(TIMEOUT_S)
    began_s = time.monotonic()
    for number in range(10_000):
        sender.put(number)
    assert time.monotonic() - began_s < 1.0
    assert sender.dropped == 10_000 - sending.WAITING_LIMIT
    with structlog.testing.capture_logs() as lines:
        sender.close()
    assert collector.received == [-1]
    assert [(line["event"], line["dropped_in_all"]) for line in lines] == [
        ("spans were lost; the work is not affected", 10_000)
    ]


def test_a_dead_collector_is_reported_once_with_the_reason() -> None:
    collector = Collector(answers=False)
    collector.may.set()
    with structlog.testing.capture_logs() as lines:
        sender = collector.sender()
        for number in range(30):
            sender.put(number)
        wait_until(lambda: sender.failed == 30, TIMEOUT_S, "all have failed")
        wait_until(lambda: bool(lines), TIMEOUT_S, "reported")
        sender.put(30)
        wait_until(lambda: sender.failed == 31, TIMEOUT_S, "one more")
        assert len(lines) == 1
        sender.close()
    assert {line["detail"] for line in lines} == {"connection refused"}
    assert lines[-1]["not_sent_in_all"] == 31


def test_close_is_bounded_although_the_collector_never_answers() -> None:
    collector = Collector()
    sender = collector.sender()
    sender.put(1)
    assert collector.entered.wait(TIMEOUT_S)
    began_s = time.monotonic()
    sender.close()
    assert time.monotonic() - began_s < 2.0
    collector.may.set()
