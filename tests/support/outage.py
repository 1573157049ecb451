"""A worker under a steady load on a real Kafka whose brokers are killed and restarted: shared by tests and campaign."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from millrace.wiring import Running
from schemas.outcomes import Outcome
from shared.audit.comparison import AuditReport, audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.records import TopicPartition
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import BatchSettings, StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.ports import free_ports
from tests.support.proxy import Proxy
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
TIMEOUT_S = 120.0
EVERY_S = 0.1
QUIET_S = 0.5
"""Seconds after a kill by which every confirmation of the dead broker has reached the producer's callback."""

DELIVERY_TIMEOUT_MS = 600_000
LATE_S = 1.0
"""Delay of each piece that a slow proxy forwards: an answer is two seconds late."""


def _slow(proxy: Proxy, delay_s: float) -> None:
    proxy.delay_s = delay_s


@dataclass(frozen=True)
class Fault:
    """How the connection to the brokers is disturbed, and restored; and whether any data gets through meanwhile."""

    begin: Callable[[Proxy], None]
    end: Callable[[Proxy], None] = lambda proxy: proxy.set_mode("open")
    lets_through: bool = False


FAULTS = {
    "cut": Fault(lambda proxy: proxy.set_mode("cut")),
    "silent": Fault(lambda proxy: proxy.set_mode("silent")),
    "forgotten": Fault(
        lambda proxy: proxy.set_mode("silent"), lambda proxy: proxy.forget()
    ),  # connections from before the fault stay silent
    "slow": Fault(lambda proxy: _slow(proxy, LATE_S), lambda proxy: _slow(proxy, 0.0), lets_through=True),
    "answering rubbish": Fault(lambda proxy: proxy.set_mode("invalid")),
}


class Load:
    """Produces two versions of each ticket at a steady rate, and waits as long as the brokers are unavailable."""

    def __init__(self, bootstrap: str, records_per_s: int) -> None:
        self.sent = 0
        self.lost: list[KafkaError] = []
        self._rate, self._clock, self._stop = records_per_s, SystemClock(), threading.Event()
        self._fresh: dict[TopicPartition, int] = {}
        settings = {"enable.idempotence": True, "message.timeout.ms": DELIVERY_TIMEOUT_MS, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def mark(self) -> None:
        """Forget the delivered records: from now on the first record of each partition is kept."""
        self._fresh = {}

    def fresh(self) -> dict[TopicPartition, int]:
        """Return the offset of the first record of each partition that was delivered since `mark`."""
        return dict(self._fresh)

    def end(self) -> None:
        """Stop sending."""
        self._stop.set()
        self._thread.join()

    def deliver(self) -> None:
        """Stop sending, and wait until all records sent are delivered."""
        self.end()
        assert self._producer.flush(TIMEOUT_S) == 0
        assert self.lost == []

    def _run(self) -> None:
        began_s = self._clock.monotonic_s()
        while not self._clock.wait(self._stop, EVERY_S):
            due = int((self._clock.monotonic_s() - began_s) * self._rate)
            for number in range(self.sent, due):
                ticket, version = f"T-{number // 2}", 1 + number % 2
                reason = ("created", "updated")[number % 2]
                fields = event(ticket_id=ticket, event_version=version, reason=reason, body=f"text {number}")
                value, key = json.dumps(fields).encode(), f"acme:{ticket}".encode()
                self._producer.produce("tickets", value, key, on_delivery=self._delivered)
            self.sent = max(due, self.sent)
            self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.lost.append(error)
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self._fresh.setdefault(TopicPartition("tickets", partition), offset)


@dataclass
class Times(Seen):
    """Keeps the worker's reports, and the time of the last settled batch."""

    clock: SystemClock = field(default_factory=SystemClock)
    settled_at_s: float = 0.0

    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        """Keep the outcomes and the time."""
        self.settled_at_s = self.clock.monotonic_s()
        super().batch_settled(outcomes, oldest_timestamp_ms)


@dataclass(frozen=True)
class Recovery:
    """The duration of a recovery.

    Attributes:
        first_s: Seconds until the next settled batch.
        delivered_s: Seconds until the producer of the load had delivered a record to every partition again.
        whole_s: Seconds until those records were settled.
    """

    first_s: float
    delivered_s: float
    whole_s: float


@dataclass
class Trial:
    """A worker under load."""

    server: KafkaServer
    partitions: int
    store: EdgeStore
    running: Running
    load: Load
    watch: Times
    reader: TopicReader

    def restart(self, outage_s: float) -> Recovery:
        """Kill every broker, start them again after `outage_s`; return the recovery, measured from their first answer."""
        clock = self.watch.clock
        self.server.kill()
        clock.wait(threading.Event(), outage_s)
        launched_s = clock.monotonic_s()
        self.load.mark()
        self.server.start()
        return self._recovery(launched_s, clock.monotonic_s())

    def disturb(self, fault: Fault, proxy: Proxy, outage_s: float, within_s: float = TIMEOUT_S) -> Recovery:
        """Disturb the connection to the brokers for `outage_s`; return the recovery, measured from the fault's end.

        Raises:
            AssertionError: nothing was disturbed, or the worker has not recovered within `within_s`.
        """
        clock = self.watch.clock
        fault.begin(proxy)
        clock.wait(threading.Event(), outage_s)
        assert fault.lets_through or self.watch.settled_at_s < clock.monotonic_s() - outage_s / 2, (
            "it was not disturbed"
        )
        self.load.mark()
        fault.end(proxy)
        repaired_s = clock.monotonic_s()
        return self._recovery(repaired_s, repaired_s, within_s)

    def move_leader(self, partition: int) -> Recovery:
        """Kill the leader of a partition, wait for the recovery, measured from the kill, and start the broker again."""
        clock, admin = self.watch.clock, AdminClient({"bootstrap.servers": self.server.bootstrap, "log_level": 0})
        leader = admin.list_topics("tickets", timeout=TIMEOUT_S).topics["tickets"].partitions[partition].leader
        self.server.kill(leader)
        killed_s = clock.monotonic_s()
        clock.wait(threading.Event(), QUIET_S)
        self.load.mark()
        recovery = self._recovery(killed_s + QUIET_S, killed_s)
        found = admin.list_topics("tickets", timeout=TIMEOUT_S).topics["tickets"].partitions[partition].leader
        assert found not in (leader, -1), "the leader has not moved"
        self.server.start(leader)
        wait_until(partial(_in_sync, admin), TIMEOUT_S, "all replicas in sync")
        return recovery

    def finish(self) -> AuditReport:
        """Stop the load, wait until all is settled and the worker is ready, and audit."""
        self.load.deliver()
        wait_until(lambda: self._settled() >= self.load.sent, TIMEOUT_S, "all settled")
        wait_until(lambda: self.running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready")
        return audit(self.reader, TICKETS, self.store.open_alias("tickets"))

    def _settled(self) -> int:
        return sum(self.reader.committed(["tickets"]).values())

    def _recovery(self, after_s: float, from_s: float, within_s: float = TIMEOUT_S) -> Recovery:
        wait_until(lambda: self.watch.settled_at_s > after_s, within_s, "a batch settled")
        times_s = [self.watch.settled_at_s]
        wait_until(lambda: len(self.load.fresh()) == self.partitions, within_s, "a record delivered to every partition")
        times_s.append(self.watch.clock.monotonic_s())
        wait_until(self._all_moved, within_s, "a new record of every partition settled")
        times_s.append(self.watch.clock.monotonic_s())
        return Recovery(*(max(0.0, at_s - from_s) for at_s in times_s))

    def _all_moved(self) -> bool:
        fresh = self.load.fresh()
        committed = self.reader.committed(["tickets"])
        return all(committed.get(where, 0) > offset for where, offset in fresh.items())


@contextmanager
def proxied_kafka() -> Iterator[tuple[KafkaServer, Proxy]]:
    """Run one broker, and the proxy that it announces to the clients of its proxied listener."""
    (port,) = free_ports(1)
    with KafkaServer(proxy_port=port) as server, Proxy(server.proxied_port, port) as proxy:
        yield server, proxy


def _in_sync(admin: AdminClient) -> bool:
    found = admin.list_topics(timeout=TIMEOUT_S).topics.values()
    return all(len(each.isrs) == len(each.replicas) for topic in found for each in topic.partitions.values())


@contextmanager
def trial(
    server: KafkaServer, folder: Path, partitions: int, records_per_s: int, worker_bootstrap: str | None = None
) -> Iterator[Trial]:
    """Run a worker on Kafka and a store in `folder`, under load; begins when it has settled something.

    Args:
        server: The brokers.
        folder: Folder of the store.
        partitions: Number of partitions of each topic.
        records_per_s: Number of records sent per second.
        worker_bootstrap: The address by which the worker alone reaches the brokers; None: the brokers' own.
    """
    create_topics(server.bootstrap, TICKETS.topics(partitions), replication=len(server.nodes))
    settings = Settings(
        broker=BrokerSettings(bootstrap=worker_bootstrap or server.bootstrap),
        store=StoreSettings(path=folder),
    )
    watch, own = Times(), StreamSettings(batch=BatchSettings(max_records=40))
    with (
        closing(EdgeStore(folder)) as store,
        running_worker(
            process_of(settings, worker_bootstrap or server.bootstrap, store), FakeModel(), [watch], own
        ) as running,
    ):
        load = Load(server.bootstrap, records_per_s)
        reader = TopicReader(server.bootstrap, GROUP)
        try:
            watch.wait_settled(records_per_s)
            yield Trial(server, partitions, store, running, load, watch, reader)
        finally:
            load.end()
