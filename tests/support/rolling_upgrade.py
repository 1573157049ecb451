"""Workers of two releases in one group on a real Kafka, replaced one by one under load: shared by test and campaign."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any

from schemas.failures import FailureHeader
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.operation.control import WorkerControl
from shared.records import Message, TopicPartition
from shared.settings import BrokerSettings
from tests.support.kafka.server import KafkaServer
from tests.support.next_release import FIELD, accepts_a_new_version, environment
from tests.support.ports import free_ports
from tests.support.qdrant.process import StandinProcess
from tests.support.sources import ROOT
from tests.support.tickets import event
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

TIMEOUT_S = 180.0
EVERY_S = 0.1
PATIENT = BrokerSettings(delivery_timeout_s=TIMEOUT_S)
APART = 250
WITH_FIELD = 300
"""Records that are sent with the new field, at least, before the upgrade counts as done."""

MAX_RECORDS = 40
SETTLED = re.compile(r'^millrace_records_total\{(?=.*outcome="routed").*\} ([0-9.e+]+)$', re.MULTILINE)


class Load:
    """Sends tickets at a steady rate, as a producer of one schema version or the other.

    Each ticket has two versions, `APART` records apart: a change often falls between them.

    Attributes:
        schema_version: The version that it declares from now on.
        has_field: Whether it sends the new field from now on.
        sent: Number of delivered records, by schema version.
    """

    def __init__(self, bootstrap: str, records_per_s: int) -> None:
        self.schema_version, self.has_field = 1, False
        self.sent: Counter[int] = Counter()
        self._sink, self._rate, self._clock = KafkaSink(bootstrap, PATIENT), records_per_s, SystemClock()
        self._stop, self._turn = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def switch(self, schema_version: int, has_field: bool) -> None:
        """Send another form from now on; when this returns, every record of the earlier form is delivered."""
        with self._turn:
            self.schema_version, self.has_field = schema_version, has_field

    def end(self) -> None:
        """Stop sending; every record is delivered."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        began_s = self._clock.monotonic_s()
        while not self._clock.wait(self._stop, EVERY_S):
            due = int((self._clock.monotonic_s() - began_s) * self._rate)
            with self._turn:
                made = [self._message(number) for number in range(self.sent.total(), due)]
                self._sink.produce(made)
                assert self._sink.flush() == []
                self.sent[self.schema_version] += len(made)
        self._sink.close()

    def _message(self, number: int) -> Message:
        block, place = divmod(number, 2 * APART)
        ticket, version = f"T-{block * APART + place % APART}", 1 + place // APART
        reason, new = ("created", "updated")[version - 1], {FIELD: f"mood {number}"} if self.has_field else {}
        fields = event(
            schema_version=self.schema_version,
            ticket_id=ticket,
            event_version=version,
            reason=reason,
            body=f"text {number}",
            **new,
        )
        return Message("tickets", f"acme:{ticket}".encode(), json.dumps(fields).encode())


@dataclass(frozen=True)
class Member:
    """A worker of the group, and the root of its release."""

    process: subprocess.Popen[str]
    port: int
    root: Path

    def faults(self) -> dict[str, str] | None:
        """Return why it is not ready, by part; None if it does not answer yet."""
        assert self.process.poll() is None, f"a worker ended by itself: {self.process.communicate()[1][-2_000:]}"
        try:
            return WorkerControl("127.0.0.1", self.port).faults()
        except Unavailable:
            return None

    def settled(self) -> int:
        """Return the number of records that it has routed."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/metrics")
            found = SETTLED.findall(connection.getresponse().read().decode())
        finally:
            connection.close()
        return round(sum(float(each) for each in found))

    def stop(self) -> None:
        """Stop it by SIGTERM; it must exit with 0."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(TIMEOUT_S) == 0, self.process.communicate()[1][-2_000:]


@dataclass(frozen=True)
class Change:
    """A change of release under load.

    Attributes:
        name: Its name.
        began_s: When it began, in seconds since the epoch.
        ended_s: When it was done.
        by_old: Records that the leaving workers routed while workers of both releases were in the group.
        by_new: Records that the joining workers routed meanwhile.
    """

    name: str
    began_s: float
    ended_s: float
    by_old: int
    by_new: int


class Group:
    """The workers of one group under load.

    Args:
        plan: The plan of every worker, without its port.
        load: What is sent meanwhile.
        next_root: The root of the next release.
    """

    def __init__(self, plan: Plan, load: Load, next_root: Path) -> None:
        self.load, self.next_root = load, next_root
        self._newest = 2 if accepts_a_new_version(next_root) else 1
        self.members: list[Member] = []
        self.reader = TopicReader(plan.bootstrap, plan.group)
        self.plan, self._held, self._clock = plan, ExitStack(), SystemClock()

    def start(self, root: Path = ROOT, workers: int = 1) -> None:
        """Start workers of a release, and wait until they are ready."""
        joining = [self._launched(root) for _ in range(workers)]
        wait_until(lambda: all(each.faults() == {} for each in joining), TIMEOUT_S, "the new workers ready")
        self.members += joining

    def _launched(self, root: Path) -> Member:
        (port,) = free_ports(1)
        process = self._held.enter_context(worker_process(replace(self.plan, port=port), root))
        return Member(process, port, root)

    def stop(self, member: Member) -> None:
        """Stop one worker."""
        self.members.remove(member)
        member.stop()

    def upgrade(self, producers_first: bool = False) -> Change:
        """Replace every worker by one of the next release, and only then send the new field; or send it first."""
        began_s = self._clock.now().timestamp()
        if producers_first:
            self.send_the_field()
        by_old, by_new = self.roll(self.next_root)
        if not producers_first:
            self.send_the_field()
        wanted = self.load.sent.total() + WITH_FIELD
        wait_until(lambda: self.load.sent.total() >= wanted, TIMEOUT_S, "events with the field sent")
        self.settle_what_was_sent()
        return Change("upgrade", began_s, self._clock.now().timestamp(), by_old, by_new)

    def roll_back(self) -> Change:
        """Send the old version again, wait until every new event is settled, and only then replace the workers."""
        began_s = self._clock.now().timestamp()
        self.load.switch(1, has_field=False)
        self.settle_what_was_sent()
        by_old, by_new = self.roll(ROOT)
        return Change("roll back", began_s, self._clock.now().timestamp(), by_old, by_new)

    def send_the_field(self) -> None:
        """Send events with the new field from now on, of the newest version that the next release accepts."""
        self.load.switch(self._newest, has_field=True)

    def roll(self, root: Path) -> tuple[int, int]:
        """Replace the workers one after the other by those of a release; each old one leaves when a new one is ready.

        Returns:
            How many records the leaving and the joining workers have routed while both were in the group.
        """
        leaving = list(self.members)
        before: dict[int, int] = {}
        by_old = by_new = 0
        for each in leaving:
            self.start(root)
            before = before or {old.port: old.settled() for old in leaving}
            by_old += each.settled() - before[each.port]
            by_new = sum(member.settled() for member in self.members if member not in leaving)
            self.stop(each)
        return by_old, by_new

    def settled(self) -> int:
        """Return the number of committed records."""
        return sum(self.reader.committed(["tickets"]).values())

    def finish(self) -> None:
        """Stop the load, wait until all is settled, and stop the workers."""
        self.load.end()
        wait_until(lambda: self.settled() >= self.load.sent.total(), TIMEOUT_S, "all settled")
        for each in list(self.members):
            self.stop(each)

    def audit(self) -> dict[str, Any]:
        """Return what `millrace audit` of the next release finds: this one cannot read the new version."""
        settings = {"MILLRACE_BROKER__BOOTSTRAP": self.plan.bootstrap, "MILLRACE_STORE__URL": self.plan.store}
        command = [sys.executable, "-m", "millrace", "audit", "--json"]
        done = subprocess.run(
            command,
            cwd=self.next_root,
            env=environment(self.next_root) | settings,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.stdout, done.stderr[-2_000:]
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def dead_letters(self) -> Counter[str]:
        """Return the number of dead letters by reason."""
        reasons = (dict(each.headers).get(FailureHeader.REASON) for each in self.reader.read("tickets.dlq"))
        return Counter((reason or b"").decode() for reason in reasons)

    def longest_gaps_s(self, change: Change) -> tuple[float, float]:
        """Return the longest time without a result during a change, in seconds: of all, and of one input partition."""
        at_s: dict[int, list[float]] = {-1: []}
        for record in self.reader.read("tickets.routed"):
            partition = json.loads(record.value or b"")["source"]["partition"]
            for place in (partition, -1):
                at_s.setdefault(place, []).append(record.timestamp_ms / 1_000)
        longest = {place: _longest_gap_s(sorted(times), change) for place, times in at_s.items()}
        return longest[-1], max(longest.values())

    def settle_what_was_sent(self) -> None:
        """Wait until all that is in the topic now is settled, as an operator does by `millrace lag`."""
        wanted = {where: marks.high for where, marks in self.reader.watermarks("tickets").items()}
        try:
            wait_until(partial(self._is_settled, wanted), TIMEOUT_S, "what was sent settled")
        except TimeoutError as late:
            committed, faults = self.reader.committed(["tickets"]), [each.faults() for each in self.members]
            left = {where.partition: high - committed.get(where, 0) for where, high in wanted.items()}
            raise AssertionError(f"not settled, by partition: {left}; not ready: {faults}") from late

    def close(self) -> None:
        """Stop the load and kill the workers that still run."""
        self.load.end()
        self._held.close()

    def _is_settled(self, wanted: dict[TopicPartition, int]) -> bool:
        committed = self.reader.committed(["tickets"])
        return all(committed.get(where, 0) >= high for where, high in wanted.items())


def _longest_gap_s(times_s: list[float], change: Change) -> float:
    pairs = [(a, b) for a, b in pairwise(times_s) if b >= change.began_s and a <= change.ended_s]
    return max((after - before for before, after in pairs), default=0.0)


@contextmanager
def group_under_load(
    server: KafkaServer, next_root: Path, partitions: int, workers: int, records_per_s: int
) -> Iterator[Group]:
    """Run workers of this release under load; begins when they keep up with it."""
    create_topics(server.bootstrap, TICKETS.topics(partitions), replication=1)
    with StandinProcess() as standin:
        plan = Plan(server.bootstrap, standin.url, max_records=MAX_RECORDS)
        group = Group(plan, Load(server.bootstrap, records_per_s), next_root)
        try:
            group.start(workers=workers)
            group.settle_what_was_sent()
            yield group
        finally:
            group.close()
