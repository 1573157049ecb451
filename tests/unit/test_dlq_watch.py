"""Depth and age of the dead-letter queue, as the observer receives them.

Green does not show that the broker's answers are right: `tests/contract/test_dlq_parts.py` asks brokers.
"""

import threading

import pytest
from structlog.testing import capture_logs

from shared.broker.backlog import Backlog
from shared.deadletters.watch import EVERY_S, DeadLetterWatch
from shared.errors import Fatal, Unavailable
from shared.observers import Observer
from tests.support.fakes import ManualClock

TIMEOUT_S = 10.0


class RecordingObserver(Observer):
    """Keeps the reported measures, and closes the watch after N looks."""

    def __init__(self, looks: int) -> None:
        self.reported: list[tuple[int | None, float]] = []
        self.enough, self._looks = threading.Event(), looks

    def dead_letters_measured(self, dead_letters: int | None, oldest_age_s: float) -> None:
        """Keep the reported measure."""
        self.reported.append((dead_letters, oldest_age_s))
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


def watched(*answers: Backlog | Exception) -> tuple[list[tuple[int | None, float]], ManualClock]:
    """Return what was reported for these answers."""
    waiting, reported = list(answers), RecordingObserver(len(answers))
    clock = StoppingClock(reported)

    def measure() -> Backlog:
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    watch = DeadLetterWatch(measure, clock, reported)
    assert reported.enough.wait(TIMEOUT_S)
    watch.close()
    return reported.reported, clock


def test_the_age_counts_from_the_oldest_dead_letter() -> None:
    now_ms = int(ManualClock().now().timestamp() * 1000)
    reported, clock = watched(Backlog(7, now_ms - 90_000), Backlog(8, now_ms - 90_000))
    assert [depth for depth, _ in reported] == [7, 8]
    assert [age_s for _, age_s in reported] == pytest.approx([90.0, 90.0 + EVERY_S])
    assert clock.waits == [EVERY_S] * 2


def test_an_empty_queue_is_0_and_an_unavailable_one_is_unknown() -> None:
    reported, _ = watched(Backlog(0, None), Unavailable("broker", "away"), Backlog(0, None))
    assert reported == [(0, 0.0), (None, 0.0), (0, 0.0)]


def test_clocks_that_disagree_give_no_negative_age() -> None:
    reported, _ = watched(Backlog(1, int(ManualClock().now().timestamp() * 1000) + 5_000))
    assert reported == [(1, 0.0)]


class ClientError(Exception):
    """An error as a Kafka client raises it: not one of Millrace's own errors."""


@pytest.mark.parametrize("error", [Unavailable("broker", "away"), Fatal("no key file"), ClientError("hunter2")])
def test_a_look_that_fails_is_unknown_and_the_next_one_counts(error: Exception) -> None:
    """A key file that is missing while secrets rotate must not leave the previous number standing forever."""
    reported, _ = watched(Backlog(14, None), error, Backlog(3, None))
    assert reported == [(14, 0.0), (None, 0.0), (3, 0.0)]


def test_each_change_is_logged_once_without_the_client_s_message() -> None:
    away, bad = Unavailable("broker", "away"), ClientError("hunter2")
    with capture_logs() as lines:
        watched(Backlog(1, None), away, away, bad, bad, Backlog(1, None), Backlog(1, None))
    said = [(line["log_level"], line.get("why")) for line in lines]
    assert said == [("warning", "broker: away"), ("warning", "ClientError"), ("info", None)]
