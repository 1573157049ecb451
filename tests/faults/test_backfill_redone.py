"""What a backfill of products deferred or dead-lettered comes back on a real Kafka, and counts as backfilled to the end.

A picture server fails while the backfill runs, so that some products wait in the retry lane; others are broken, so that
they become dead letters. Then the server is well again, and a worker of live traffic finishes them. Green does not show
real pictures or models.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace

import pytest

from millrace.resources import Process
from schemas.drift import BatchSums
from schemas.failures import BACKFILL_HEADER
from schemas.outcomes import Outcome
from schemas.topics import sums_topic
from shared.audit.audited_backfill import AuditedBackfill
from shared.audit.comparison import AuditReport, audit
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.deadletters.envelope import DeadLetter, read_dead_letter
from shared.deadletters.replay_message import replay_message
from shared.metrics.registry import Registry
from shared.retry.survey import REDRIVE_GROUP
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.qdrant.store import connect
from tests.support.backfill_process import BackfillPlan, backfill_process, finished, loopback_media
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.in_process import Seen, produce, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.media_server import MediaServer, body, status
from tests.support.qdrant.process import StandinProcess
from tests.support.redrive_process import redrive_process
from tests.support.streams import PRODUCT_KIND as KIND
from tests.support.waiting import wait_until
from tests.support.worker_process import QUICK

TIMEOUT_S = 120.0
EACH = 8
DOWN, WELL, BROKEN = status(503), body(KIND.medium()), body(b"no picture")


@dataclass
class Redone:
    """Products of which half are deferred and half dead-lettered by a backfill, into a new store."""

    bootstrap: str
    host: MediaServer
    old: StandinProcess
    new: StandinProcess
    until_ms: int = 0
    groups: list[str] = field(default_factory=list)

    def work(self, held: ExitStack, store: StandinProcess) -> Seen:
        """Let a worker of live traffic work with a store, until the stack ends."""
        settings = Settings(
            broker=BrokerSettings(bootstrap=self.bootstrap),
            privacy=PRIVACY,
            store=StoreSettings(url=store.url),
            media=loopback_media(f"127.0.0.1:{self.host.port}"),
        )
        seen, opened = Seen(), held.enter_context(closing(connect(settings.store)))
        process = Process(settings, self.bootstrap, opened, Registry())
        held.enter_context(running_worker(process, FakeModel(), [seen], StreamSettings(retry=QUICK), KIND.stream))
        return seen

    def history(self) -> None:
        """Send the products, and let a worker settle them."""
        names = [f"{name}-{number}" for name in ("wait", "fail") for number in range(EACH)]
        now = {"occurred_at": f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ}"}
        events = [KIND.referring(self.host.url(f"/{name[:4]}?{name}"), name) | now for name in names]
        produce(self.bootstrap, *events, stream=KIND.stream)
        with ExitStack() as held:
            self.work(held, self.old).wait_settled(2 * EACH)
        time.sleep(0.05)
        self.until_ms = int(time.time() * 1000)

    def backfill(self, *, index_only: bool) -> None:
        """Run a backfill while the server is ill; all its records are deferred or dead-lettered."""
        self.host.answers |= {"/wait": DOWN, "/fail": BROKEN}
        plan = BackfillPlan(self.bootstrap, self.new.url, 0, self.until_ms, index_only=index_only)
        with backfill_process(replace(plan, stream=KIND.name, media_host=f"127.0.0.1:{self.host.port}")) as process:
            assert finished(process)["outcomes"] == {"deferred": EACH, "dead_lettered": EACH}
        self.groups.append(plan.group)
        self.host.answers |= {"/wait": WELL, "/fail": WELL}

    def replay(self) -> None:
        """Replay the dead letters, as `millrace dlq replay` does."""
        letters = [read_dead_letter(each) for each in TopicReader(self.bootstrap).read(KIND.dlq)]
        sink = KafkaSink(self.bootstrap, BrokerSettings())
        sink.produce([replay_message(each, KIND.name, 3) for each in letters if isinstance(each, DeadLetter)])
        assert sink.flush() == []
        sink.close()

    def audit(self, group: str) -> AuditReport:
        """Audit a group over the new store."""
        reader, redrive = TopicReader(self.bootstrap, group), TopicReader(self.bootstrap, REDRIVE_GROUP)
        bounds = {place: each.bounds for place, each in reader.commits([KIND.name]).items() if each.bounds}
        store = connect(StoreSettings(url=self.new.url))
        try:
            backfill = AuditedBackfill(group, bounds) if bounds else None
            return audit(reader, KIND.stream, store.open_alias(KIND.name), redrive, backfill)
        finally:
            store.close()

    def results(self) -> Counter[str]:
        """Return the number of results by the group in their header."""
        found = TopicReader(self.bootstrap).read(KIND.results)
        return Counter((dict(each.headers).get(BACKFILL_HEADER) or b"").decode() for each in found)

    def sums(self) -> Counter[str]:
        """Return the number of items that the watch for drift is given, by kind of traffic."""
        counted: Counter[str] = Counter()
        for record in TopicReader(self.bootstrap).read(sums_topic(KIND.name)):
            each = BatchSums.model_validate_json(record.value or b"")
            counted[each.traffic] += each.items if each.input == "image" else 0
        return +counted


@pytest.fixture
def redone(own_kafka: KafkaServer) -> Iterator[Redone]:
    """Yield products that live workers have settled."""
    create_topics(own_kafka.bootstrap, KIND.stream.topics(2), 1)
    with MediaServer({"/wait": WELL, "/fail": WELL}) as host, StandinProcess() as old, StandinProcess() as new:
        made = Redone(own_kafka.bootstrap, host, old, new)
        made.history()
        yield made


@pytest.mark.parametrize("index_only", [True, False])
def test_what_comes_back_later_counts_as_backfilled(redone: Redone, index_only: bool) -> None:
    before, live = redone.results(), redone.sums()
    assert (before, set(live)) == (Counter({"": 2 * EACH}), {"live"})
    redone.backfill(index_only=index_only)
    with ExitStack() as held:
        seen = redone.work(held, redone.new)
        held.enter_context(redrive_process(redone.bootstrap, KIND.name))
        redone.replay()
        wanted = Outcome.INDEXED if index_only else Outcome.ROUTED
        wait_until(lambda: seen.outcomes.count(wanted) == 2 * EACH, TIMEOUT_S, "all finished")
    [group] = redone.groups
    assert redone.results() - before == Counter({} if index_only else {group: 2 * EACH})
    assert redone.sums() - live == Counter({} if index_only else {"backfilled": EACH, "replayed": EACH})
    for each in (group, KIND.group):
        found = redone.audit(each)
        assert (found.clean, found.pending, found.repeated) == (True, 0, 0), (each, found)
