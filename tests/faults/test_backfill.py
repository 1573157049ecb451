"""A backfill on a real Kafka beside a worker of live traffic, killed and resumed.

Green shows that it keeps its bounds, ends by itself, is shared by processes, and that both groups have a clean audit. It
does not show real models, a real Qdrant server, deferred records, nor what a backfill costs live traffic:
`benchmarks/backfill.py` measures that.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest

from schemas.drift import BatchSums
from schemas.failures import BACKFILL_HEADER
from schemas.outcomes import LedgerEntry
from schemas.topics import ledger_topic, sums_topic
from shared.audit.audited_backfill import AuditedBackfill
from shared.audit.comparison import AuditReport, audit
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.records import Message
from shared.settings import BrokerSettings, StoreSettings
from shared.vectorstore.qdrant.store import connect
from tests.support.backfill_process import BackfillPlan, backfill_process, finished
from tests.support.kafka.server import KafkaServer
from tests.support.qdrant.process import StandinProcess
from tests.support.tickets import event
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

TIMEOUT_S = 120.0
PARTITIONS = 3
BEFORE, WITHIN, AFTER = 60, 240, 60
LIVE = "millrace-tickets"


@dataclass
class Traffic:
    """A stream with records before, within and after the bounds of a backfill, which live workers have settled."""

    plan: BackfillPlan
    sent: int = 0

    def send(self, count: int) -> None:
        """Send tickets."""
        sink = KafkaSink(self.plan.bootstrap, BrokerSettings())
        for number in range(self.sent, self.sent + count):
            now = f"{SystemClock().now():%Y-%m-%dT%H:%M:%SZ}"
            fields = event(ticket_id=f"T-{number}", body=f"text {number}", occurred_at=now)
            sink.produce([Message("tickets", f"acme:T-{number}".encode(), json.dumps(fields).encode())])
        assert sink.flush() == []
        sink.close()
        self.sent += count

    def committed(self, group: str) -> int:
        """Return the number of offsets that a group has committed."""
        return sum(TopicReader(self.plan.bootstrap, group).committed(["tickets"]).values())

    def audit(self, group: str, url: str) -> AuditReport:
        """Audit a group."""
        reader, store = TopicReader(self.plan.bootstrap, group), connect(StoreSettings(url=url))
        bounds = {place: each.bounds for place, each in reader.commits(["tickets"]).items() if each.bounds}
        backfill = AuditedBackfill(group, bounds) if bounds else None
        try:
            return audit(reader, TICKETS, store.open_alias("tickets"), None, backfill)
        finally:
            store.close()

    def entries(self) -> list[LedgerEntry]:
        """Return the ledger entries of the backfill."""
        held = TopicReader(self.plan.bootstrap).read(ledger_topic("tickets"))
        found = [LedgerEntry.model_validate_json(record.value or b"") for record in held]
        return [each for each in found if each.backfill == self.plan.group]

    def marked(self) -> Counter[str]:
        """Return the number of results by the group of the backfill in their header."""
        found = TopicReader(self.plan.bootstrap).read(TICKETS.result_topic)
        return Counter((dict(record.headers).get(BACKFILL_HEADER) or b"").decode() for record in found)


@contextmanager
def traffic(server: KafkaServer, url: str) -> Iterator[Traffic]:
    """Yield records that a live worker has settled; it goes on to run."""
    create_topics(server.bootstrap, TICKETS.topics(PARTITIONS), replication=1)
    found = Traffic(BackfillPlan(server.bootstrap, url, 0, 0))
    times = []
    for count in (BEFORE, WITHIN, AFTER):
        times.append(int(time.time() * 1000))
        found.send(count)
        time.sleep(0.05)
    found.plan = replace(found.plan, from_ms=times[1], until_ms=times[2])
    with worker_process(Plan(server.bootstrap, url)):
        wait_until(lambda: found.committed(LIVE) >= found.sent, TIMEOUT_S, "settled by the live worker")
        yield found


@pytest.fixture
def standin() -> Iterator[StandinProcess]:
    """Yield a stand-in for the store's server."""
    with StandinProcess() as server:
        yield server


def test_killed_and_resumed_by_two_processes_beside_live_traffic(
    own_kafka: KafkaServer, standin: StandinProcess
) -> None:
    with traffic(own_kafka, standin.url) as live:
        with backfill_process(replace(live.plan, rate=60)) as doomed:
            wait_until(lambda: len(live.entries()) > 3, TIMEOUT_S, "some records settled by the backfill")
            doomed.kill()
            doomed.wait()
        live.send(40)
        with backfill_process(live.plan) as first, backfill_process(live.plan) as second:
            assert [finished(each)["total"] for each in (first, second)] == [WITHIN, WITHIN]
        wait_until(lambda: live.committed(LIVE) >= live.sent, TIMEOUT_S, "settled by the live worker")
        ours, theirs = live.audit(live.plan.group, standin.url), live.audit(LIVE, standin.url)
        assert (ours.clean, ours.settled, ours.pending) == (True, WITHIN, 0), ours
        assert (theirs.clean, theirs.settled, theirs.pending, theirs.repeated) == (True, live.sent, 0, 0), theirs
        assert live.marked()[""] == live.sent
        with backfill_process(live.plan) as again:
            assert finished(again)["outcomes"] == {}


def test_index_only_fills_another_store_and_publishes_nothing(own_kafka: KafkaServer, standin: StandinProcess) -> None:
    with StandinProcess() as new, traffic(own_kafka, standin.url) as live:
        plan = replace(live.plan, store=new.url, index_only=True)
        with backfill_process(plan) as process:
            assert finished(process)["outcomes"] == {"indexed": WITHIN}
        found = live.audit(plan.group, new.url)
        assert (found.clean, found.settled, found.points) == (True, WITHIN, WITHIN), found
        assert live.marked() == {"": live.sent}
        with backfill_process(replace(plan, index_only=False)) as other:
            assert other.wait(TIMEOUT_S) == 1, "another kind of backfill may not continue it"
            assert "belongs to a backfill with other bounds" in (other.stderr.read() if other.stderr else "")


def test_its_sums_are_marked_and_its_results_too(own_kafka: KafkaServer, standin: StandinProcess) -> None:
    with StandinProcess() as new, traffic(own_kafka, standin.url) as live:
        with backfill_process(replace(live.plan, store=new.url)) as process:
            assert finished(process)["outcomes"] == {"routed": WITHIN}
        held = list(TopicReader(own_kafka.bootstrap).read(sums_topic("tickets")))
        sums = [BatchSums.model_validate_json(record.value or b"") for record in held]
        counted: Counter[str] = Counter()
        for each in sums:
            counted[each.traffic] += each.items
        assert counted == {"live": live.sent, "backfilled": WITHIN}
        assert live.marked() == {"": live.sent, live.plan.group: WITHIN}


def test_two_processes_that_start_first_at_the_same_moment_agree(
    own_kafka: KafkaServer, standin: StandinProcess
) -> None:
    with traffic(own_kafka, standin.url) as live:
        plans = [replace(live.plan, is_now=True, until_ms=live.plan.until_ms + more) for more in (10_000, 0)]
        with ExitStack() as held:
            both = [held.enter_context(backfill_process(each)) for each in plans]
            found = [finished(each) for each in both]
        settled = sum(sum(each["outcomes"].values()) for each in found)
        assert len({each["total"] for each in found}) == 1, found
        assert settled == found[0]["total"] >= WITHIN
        report = live.audit(live.plan.group, standin.url)
        assert (report.clean, report.settled, report.pending) == (True, settled, 0), report


@pytest.mark.parametrize("group", [LIVE, "millrace-redrive"])
def test_a_group_of_live_traffic_is_refused(own_kafka: KafkaServer, standin: StandinProcess, group: str) -> None:
    plan = BackfillPlan(own_kafka.bootstrap, standin.url, 0, 1, group=group)
    with backfill_process(plan) as process:
        assert process.wait(TIMEOUT_S) == 1
        assert "reads live traffic" in (process.stderr.read() if process.stderr else "")
