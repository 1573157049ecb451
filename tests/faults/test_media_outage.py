"""A host of media that is down, on a real Kafka with a real HTTP server: the others go on, and nothing is lost.

Green shows neither how old records become meanwhile (`python -m benchmarks.media_outage`), nor a network that loses data.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from millrace.resources import Process
from schemas.outcomes import Outcome
from shared.audit.comparison import audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.engine.loop import FailurePolicies
from shared.media_settings import MediaSettings
from shared.metrics.registry import Registry
from shared.retry.survey import REDRIVE_GROUP
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import RetrySettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, produce, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.media_server import Answer, MediaServer, body, reset, silent, status
from tests.support.redrive_process import redrive_process
from tests.support.streams import CALL_KIND
from tests.support.waiting import wait_until

TIMEOUT_S = 120.0
CONTENT = body(CALL_KIND.medium())
CALLS = 30


@dataclass
class Outage:
    """A worker of calls at work, and two servers of recordings."""

    bootstrap: str
    store: EdgeStore
    well: MediaServer
    ill: MediaServer
    seen: Seen

    def send(self, server: MediaServer, name: str) -> None:
        """Send calls with recordings of a server."""
        events = [CALL_KIND.referring(server.url(f"/a?{number}"), f"{name}-{number}") for number in range(CALLS)]
        produce(self.bootstrap, *events, stream=CALL_KIND.stream)

    def count(self, outcome: Outcome) -> int:
        """Return how many records ended so."""
        return self.seen.outcomes.count(outcome)


@pytest.fixture
def outage(own_kafka: KafkaServer, tmp_path: Path) -> Iterator[Outage]:
    """Yield a worker at work whose retry lane waits a second."""
    create_topics(own_kafka.bootstrap, CALL_KIND.stream.topics(2), 1)
    with ExitStack() as held:
        well, ill = (held.enter_context(MediaServer({"/a": CONTENT})) for _ in range(2))
        settings = Settings(
            broker=BrokerSettings(bootstrap=own_kafka.bootstrap),
            store=StoreSettings(path=tmp_path),
            media=MediaSettings(
                hosts=tuple(f"127.0.0.1:{each.port}" for each in (well, ill)),
                plain_http=True,
                private_addresses=("127.0.0.1",),
                first_byte_timeout_s=1.0,
                breaker_open_s=1.0,
                breaker_open_max_s=2.0,
            ),
        )
        store, seen = held.enter_context(closing(EdgeStore(tmp_path))), Seen()
        process = Process(settings, own_kafka.bootstrap, store, Registry(), FailurePolicies())
        own = StreamSettings(retry=RetrySettings(tiers_s=(1, 2, 4), attempts_per_tier=5))
        held.enter_context(running_worker(process, FakeModel(), [seen], own, CALL_KIND.stream))
        yield Outage(own_kafka.bootstrap, store, well, ill, seen)


@pytest.mark.parametrize("down", [silent, reset, status(503)], ids=["silent", "reset", "503"])
def test_records_of_a_host_that_is_down_wait_and_the_others_go_on(outage: Outage, down: Answer) -> None:
    outage.ill.answers["/a"] = down
    with redrive_process(outage.bootstrap, CALL_KIND.name):
        outage.send(outage.ill, "ill")
        outage.send(outage.well, "well")
        wait_until(lambda: outage.count(Outcome.ROUTED) == CALLS, TIMEOUT_S, "the healthy ones settled")
        assert outage.count(Outcome.DEFERRED) >= CALLS, "the others went on before the sick host was given up"
        outage.ill.answers["/a"] = CONTENT
        wait_until(lambda: outage.count(Outcome.ROUTED) == 2 * CALLS, TIMEOUT_S, "all settled")
    assert outage.count(Outcome.DEAD_LETTERED) == 0
    assert len(outage.well.requests) == CALLS
    reader, redrive = TopicReader(outage.bootstrap, CALL_KIND.group), TopicReader(outage.bootstrap, REDRIVE_GROUP)
    findings = audit(reader, CALL_KIND.stream, outage.store.open_alias(CALL_KIND.name), redrive)
    assert findings.clean, findings
    assert (findings.pending, findings.repeated) == (0, 0)
