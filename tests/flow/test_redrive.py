"""The redrive on the embedded broker: what is due is sent once, the rest waits, is paused, or is hurried.

Green does not show transactions, which the embedded broker lacks: `tests/faults/test_retry_on_kafka.py` does.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from millrace.wiring import redrive_of
from schemas.failures import FailureReason
from shared.broker.embedded import EmbeddedBroker
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Deferred
from shared.metrics.registry import Registry
from shared.records import Deferral, Message, Provenance
from shared.retry.lane import write_waiting
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey
from shared.settings import BrokerSettings, Settings
from tests.support.streams import CALL_KIND
from tests.support.waiting import wait_until
from workers.services.redrive import Redrive

TIMEOUT_S = 60.0
KIND = CALL_KIND
PROVENANCE = Provenance(KIND.name, "30bde1f0")


@dataclass
class Lane:
    """A broker with a retry lane."""

    bootstrap: str

    def put(self, number: int, due_in_s: float, tier: int = 1) -> None:
        """Let a record wait."""
        now = SystemClock().now()
        failure = Deferred(FailureReason.MEDIA_NOT_FOUND, "audio", "nothing is there")
        deferral = Deferral(failure, tier, int((now.timestamp() + due_in_s) * 1000), 1, now)
        self.send(write_waiting(KIND.record(KIND.event(f"T-{number}"), number), deferral, PROVENANCE, now))

    def send(self, message: Message) -> None:
        """Send a message."""
        with closing(KafkaSink(self.bootstrap, BrokerSettings())) as sink:
            sink.produce([message])
            assert sink.flush() == []

    def sent(self) -> Counter[bytes | None]:
        """Return how often each record is in the redo topic, by its key."""
        return Counter(record.key for record in TopicReader(self.bootstrap).read(KIND.redo))

    def wait_sent(self, *numbers: int) -> None:
        """Wait until exactly these records are in the redo topic."""
        wanted = Counter(f"acme:T-{number}".encode() for number in numbers)
        wait_until(lambda: self.sent().total() >= len(numbers), TIMEOUT_S, f"{len(numbers)} sent")
        assert self.sent() == wanted

    @contextmanager
    def redriven(self) -> Iterator[Redrive]:
        """Run a redrive."""
        settings = Settings(broker=BrokerSettings(bootstrap=self.bootstrap))
        redrive = redrive_of([KIND.stream], settings, self.bootstrap, Registry())
        thread = threading.Thread(target=redrive.run)
        thread.start()
        try:
            yield redrive
        finally:
            redrive.lifecycle.stop()
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()


@pytest.fixture
def lane() -> Iterator[Lane]:
    with EmbeddedBroker() as broker:
        broker.create(KIND.topics)
        yield Lane(broker.bootstrap)


def test_what_is_due_is_sent_once_and_the_rest_waits(lane: Lane) -> None:
    lane.put(1, due_in_s=-5)
    lane.put(2, due_in_s=600, tier=2)
    with lane.redriven() as redrive:
        lane.wait_sent(1)
        lane.put(3, due_in_s=1, tier=3)
        lane.wait_sent(1, 3)
        assert redrive.lifecycle.not_ready() == {}
    with lane.redriven():
        lane.put(4, due_in_s=0)
        lane.wait_sent(1, 3, 4)
    states = RetrySurvey(TopicReader(lane.bootstrap, REDRIVE_GROUP), KIND.name).states()
    assert [state.records for state in states] == [0, 1, 0]


def test_an_operator_can_pause_and_hurry(lane: Lane) -> None:
    with lane.redriven() as redrive:
        redrive.lifecycle.pause()
        wait_until(lambda: redrive.lifecycle.paused is not None, TIMEOUT_S, "paused")
        lane.put(1, due_in_s=-5)
        lane.put(2, due_in_s=600)
        threading.Event().wait(1.0)
        assert lane.sent() == Counter()
        redrive.lifecycle.hurry()
        redrive.lifecycle.resume()
        lane.wait_sent(1, 2)
        lane.put(3, due_in_s=600)
        threading.Event().wait(1.0)
        lane.wait_sent(1, 2)


def test_a_record_of_another_program_is_sent_so_that_a_worker_judges_it(lane: Lane) -> None:
    lane.send(Message(KIND.retries[0], b"acme:T-9", b"x"))
    with lane.redriven():
        lane.wait_sent(9)
