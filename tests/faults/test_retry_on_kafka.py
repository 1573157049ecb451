"""The retry lane on a real Kafka: each deferred record comes back when it is due, once, also if the redrive is killed.

Green does not show a real network: media appear by the clock of a stand-in (`tests/faults/test_media_outage.py` has a
real server). It does not show the death of a broker.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from millrace.resources import Process
from millrace.wiring import redrive_of
from schemas.failures import FailureReason
from schemas.media import Media
from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.engine.loop import FailurePolicies
from shared.errors import Deferred
from shared.metrics.registry import Registry
from shared.records import Message, Record
from shared.retry.lane import read_waiting
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, produce, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.redrive_process import RedriveStep, redrive_process
from tests.support.streams import CALL_KIND
from tests.support.waiting import wait_until

TIMEOUT_S = 120.0
PARTITIONS = 2


def to_nowhere(record: Record) -> Message:
    """Return a message to a topic that no worker reads."""
    return Message(CALL_KIND.quarantine, record.key, record.value)


@dataclass
class Appearing:
    """Media that appear some seconds after they were asked for first, after some attempts, or never.

    A reference is `https://x/after-3/name`, `https://x/attempt-4/name` or `https://x/never/name`.
    """

    attempts: Counter[str] = field(default_factory=Counter)
    since_s: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def host_of(self, media: Media) -> str:
        """Return the host of a reference."""
        return str(media.uri).split("/")[2] if media.uri else ""

    def close(self) -> None:
        """Do nothing."""

    def fetch(self, media: Media, field: str) -> bytes:
        """Return the content of a medium that has appeared."""
        uri = str(media.uri)
        kind, _, number = uri.split("/")[3].partition("-")
        with self.lock:
            self.attempts[uri] += 1
            since_s = self.since_s.setdefault(uri, time.monotonic())
            there = (kind == "after" and time.monotonic() - since_s >= float(number)) or (
                kind == "attempt" and self.attempts[uri] >= int(number)
            )
        if not there:
            raise Deferred(FailureReason.MEDIA_NOT_FOUND, field, "nothing is there")
        return CALL_KIND.medium()


@dataclass
class Lane:
    """A worker of calls at work on a real Kafka."""

    bootstrap: str
    store: EdgeStore
    media: Appearing
    seen: Seen

    def send(self, *kinds: str, count: int = 10) -> None:
        """Send calls whose recordings appear as the kinds say."""
        events = [
            CALL_KIND.referring(f"https://x/{kind}/{number}", f"{kind}-{number}")
            for kind in kinds
            for number in range(count)
        ]
        produce(self.bootstrap, *events, stream=CALL_KIND.stream)

    def final(self) -> Counter[Outcome]:
        """Return the outcomes that are final."""
        return Counter(each for each in self.seen.outcomes if each is not Outcome.DEFERRED)

    def wait_final(self, records: int) -> None:
        """Wait until N records have a final outcome."""
        wait_until(lambda: self.final().total() >= records, TIMEOUT_S, f"{records} final outcomes")

    def audit(self) -> AuditReport:
        """Audit the stream."""
        reader, redrive = TopicReader(self.bootstrap, CALL_KIND.group), TopicReader(self.bootstrap, REDRIVE_GROUP)
        return audit(reader, CALL_KIND.stream, self.store.open_alias(CALL_KIND.name), redrive)

    def came_back(self) -> Counter[str]:
        """Return how often each deferred record came back."""
        found = [read_waiting(record) for record in TopicReader(self.bootstrap).read(CALL_KIND.redo)]
        return Counter(str(each.deferred.origin) for each in found if each is not None)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        found = [read_dead_letter(record) for record in TopicReader(self.bootstrap).read(CALL_KIND.dlq)]
        return [each for each in found if isinstance(each, DeadLetter)]


@contextmanager
def lane_of(server: KafkaServer, folder: Path, retry: RetrySettings) -> Iterator[Lane]:
    """Run a worker of calls."""
    create_topics(server.bootstrap, CALL_KIND.stream.topics(PARTITIONS), 1)
    settings = Settings(broker=BrokerSettings(bootstrap=server.bootstrap), store=StoreSettings(path=folder))
    media, seen = Appearing(), Seen()
    with ExitStack() as held:
        store = held.enter_context(closing(EdgeStore(folder)))
        process = Process(settings, server.bootstrap, store, Registry(), FailurePolicies(), media)
        own = StreamSettings(retry=retry)
        held.enter_context(running_worker(process, FakeModel(), [seen], own, CALL_KIND.stream))
        yield Lane(server.bootstrap, store, media, seen)


@contextmanager
def redrive_thread(bootstrap: str) -> Iterator[None]:
    """Run a redrive in this process."""
    settings = Settings(broker=BrokerSettings(bootstrap=bootstrap))
    redrive = redrive_of([CALL_KIND.stream], settings, bootstrap, Registry())
    thread = threading.Thread(target=redrive.run)
    thread.start()
    try:
        yield
    finally:
        redrive.lifecycle.stop()
        thread.join(TIMEOUT_S)


def test_a_record_comes_back_until_its_media_are_there_or_its_attempts_are_spent(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    retry = RetrySettings(tiers_s=(1, 2, 4), attempts_per_tier=1)
    with lane_of(own_kafka, tmp_path, retry) as lane, redrive_thread(own_kafka.bootstrap):
        lane.send("after-3", "attempt-4", "never")
        lane.wait_final(30)
        assert lane.final() == {Outcome.ROUTED: 20, Outcome.DEAD_LETTERED: 10}
        attempts = {kind: {lane.media.attempts[f"https://x/{kind}/{number}"] for number in range(10)} for kind in (
            "after-3", "attempt-4", "never",
        )}  # fmt: skip
        assert attempts == {"after-3": {3}, "attempt-4": {4}, "never": {4}}
        findings = lane.audit()
        assert findings.clean, findings
        assert (findings.pending, findings.repeated) == (0, 0)
        letters = lane.dead_letters()
        assert {(each.reason, each.field, each.attempts) for each in letters} == {
            ("media_not_found", CALL_KIND.media_field, 4)
        }
        assert set(lane.came_back().values()) == {1}


def test_what_waits_is_pending_and_visible(own_kafka: KafkaServer, tmp_path: Path) -> None:
    with lane_of(own_kafka, tmp_path, RetrySettings(tiers_s=(300, 400, 500))) as lane:
        lane.send("never", count=7)
        lane.seen.wait_settled(7)
        wait_until(lambda: lane.audit().outcomes["deferred"] == 7, TIMEOUT_S, "all committed")
        findings = lane.audit()
        assert (findings.clean, findings.pending) == (True, 7)
        survey = RetrySurvey(TopicReader(lane.bootstrap, REDRIVE_GROUP), CALL_KIND.name)
        assert [state.records for state in survey.states()] == [7, 0, 0]
        assert len(list(survey.waiting())) == 7


def test_a_redrive_killed_at_every_step_loses_and_repeats_nothing(own_kafka: KafkaServer, tmp_path: Path) -> None:
    retry = RetrySettings(tiers_s=(0.5, 1, 2), attempts_per_tier=1)
    with lane_of(own_kafka, tmp_path, retry) as lane:
        lane.send("never", "attempt-3", count=20)
        for step in list(RedriveStep)[1:]:
            with redrive_process(lane.bootstrap, CALL_KIND.name, step) as doomed:
                assert doomed.wait(TIMEOUT_S) == -signal.SIGKILL
        with redrive_process(lane.bootstrap, CALL_KIND.name), redrive_process(lane.bootstrap, CALL_KIND.name):
            lane.wait_final(40)
        assert lane.final() == {Outcome.ROUTED: 20, Outcome.DEAD_LETTERED: 20}
        assert set(lane.came_back().values()) == {1}
        assert set(lane.media.attempts.values()) == {3, 4}
        findings = lane.audit()
        assert findings.clean, findings
        assert (findings.pending, findings.repeated) == (0, 0)


@pytest.mark.parametrize("lost", ["retry", "redo"])
def test_the_audit_notices_a_deferred_record_that_is_gone(
    own_kafka: KafkaServer, tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that writes no retry message, or a redrive that commits and sends nothing, is found out."""
    with lane_of(own_kafka, tmp_path, RetrySettings(tiers_s=(0.5, 1, 2), attempts_per_tier=1)) as lane:
        if lost == "retry":
            monkeypatch.setattr("shared.engine.announcing.write_waiting", lambda record, *_: to_nowhere(record))
        else:
            monkeypatch.setattr("workers.services.redrive.redo_message", lambda record, _: to_nowhere(record))
        with redrive_thread(lane.bootstrap):
            lane.send("never", count=3)
            wait_until(lambda: lane.audit().missing == 3, TIMEOUT_S, "three missing")
