"""Worker processes of one group on one store, killed or frozen at random moments: shared by tests and campaigns."""

import json
import random
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from schemas.topics import redo_topic
from shared.audit.comparison import AuditReport, audit
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.operation.control import WorkerControl
from shared.records import Message
from shared.settings import BrokerSettings, StoreSettings
from shared.vectorstore.qdrant.store import connect
from tests.support.kafka.config import SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer
from tests.support.ports import free_ports
from tests.support.qdrant.process import StandinProcess
from tests.support.tickets import event
from tests.support.waiting import wait_until
from tests.support.worker_process import Plan, worker_process
from workers.tickets.stages import TICKETS

TIMEOUT_S = 1_800.0
AT_ONCE = 1_000
FROZEN_AFTER_S = 3.0
"""Seconds that a worker stays frozen after its session has expired."""

LABELS = 7
KILL_WITHIN_S = 0.5
"""About the duration of a batch. A kill at the moment when a number of commits is reached would always follow a commit."""


@dataclass(frozen=True)
class Campaign:
    """The size of a campaign, its number of workers, and its disturbances.

    Attributes:
        records: Events, two versions of each ticket one after the other.
        kills: SIGKILLs, spread evenly over the records; 0: undisturbed.
        freezes: SIGSTOPs after the kills: others take over the partitions, and SIGCONT follows after the
            session has expired.
        slow_s: The longest time that a batch takes in the model.
        votes: Every other ticket is labelled, so that the vote of neighbours changes all the time; and every third version
            is in the redo topic too.
        commit_first: Workers make the mistake that the audit must detect.
        seed: Seed for the choice of victims and moments.
        session_s: Seconds after which the brokers evict a silent member.
    """

    records: int
    partitions: int = 6
    workers: int = 3
    kills: int = 0
    freezes: int = 0
    slow_s: float = 0.0
    votes: bool = False
    max_records: int = 256
    commit_first: bool = False
    seed: int = 1
    session_s: float = SESSION_TIMEOUT_S


@dataclass(frozen=True)
class CampaignResult:
    """The result of a campaign.

    Attributes:
        records: Number of records in all.
        wall_s: Seconds from the first settled record to the last.
    """

    findings: AuditReport
    records: int
    killed: int
    frozen: int
    wall_s: float


class Fleet:
    """Running workers; a killed one is replaced at once."""

    def __init__(self, plan: Plan, seed: int, frozen_s: float) -> None:
        self._plan, self._held, self._frozen_s = plan, ExitStack(), frozen_s
        self._rng = random.Random(seed)  # noqa: S311  (whom to kill and when, not a secret)
        self._running: list[tuple[subprocess.Popen[str], WorkerControl]] = []
        self.killed = self.frozen = 0

    def start(self) -> None:
        """Start one more worker."""
        (port,) = free_ports(1)
        process = self._held.enter_context(worker_process(replace(self._plan, port=port)))
        self._running.append((process, WorkerControl("127.0.0.1", port)))

    def all_ready(self) -> bool:
        """Return whether every worker runs and reports that it is ready."""
        for process, _ in self._running:
            if process.poll() is not None:
                raise AssertionError(f"a worker ended by itself: {process.communicate()[1][-2_000:]}")
        return all(_is_ready(worker) for _, worker in self._running)

    def kill_one(self) -> bool:
        """Kill a ready worker by SIGKILL, soon, and start another; return False if no worker is ready yet."""
        victim = self._victim()
        if victim is None:
            return False
        victim[0].kill()
        victim[0].wait()
        self._running.remove(victim)
        self.killed += 1
        self.start()
        return True

    def freeze_one(self) -> bool:
        """Stop a ready worker by SIGSTOP, and resume it once others own its partitions; False if no worker is ready."""
        victim = self._victim()
        if victim is None:
            return False
        victim[0].send_signal(signal.SIGSTOP)
        time.sleep(self._frozen_s)
        victim[0].send_signal(signal.SIGCONT)
        self.frozen += 1
        return True

    def _victim(self) -> tuple[subprocess.Popen[str], WorkerControl] | None:
        """Choose a ready worker, after a random wait."""
        ready = [each for each in self._running if _is_ready(each[1])]
        if ready:
            time.sleep(self._rng.uniform(0, KILL_WITHIN_S))
        return self._rng.choice(ready) if ready else None

    def stop(self) -> list[int]:
        """Stop all workers and return their exit codes."""
        for process, _ in self._running:
            process.terminate()
        return [process.wait(TIMEOUT_S) for process, _ in self._running]

    def __enter__(self) -> "Fleet":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill all workers that still run."""
        self._held.close()


def run_campaign(campaign: Campaign, server: KafkaServer) -> CampaignResult:
    """Produce the records, have them settled by workers that are killed, and audit the result."""
    create_topics(server.bootstrap, TICKETS.topics(campaign.partitions), replication=1)
    wanted = produce_pairs(server.bootstrap, campaign.records, campaign.votes)
    with StandinProcess() as standin:
        plan = Plan(
            server.bootstrap,
            standin.url,
            max_records=campaign.max_records,
            commit_first=campaign.commit_first,
            slow_s=campaign.slow_s,
        )
        with Fleet(plan, campaign.seed, campaign.session_s + FROZEN_AFTER_S) as fleet:
            wall_s = _work(fleet, replace(campaign, records=wanted), TopicReader(plan.bootstrap, plan.group))
            assert set(fleet.stop()) == {0}, "a worker did not exit with 0"
        store = connect(StoreSettings(url=standin.url))
        findings = audit(TopicReader(plan.bootstrap, plan.group), TICKETS, store.open_alias("tickets"))
        store.close()
    return CampaignResult(findings, wanted, fleet.killed, fleet.frozen, wall_s)


def produce_pairs(bootstrap: str, records: int, votes: bool = False) -> int:
    """Produce two versions of every ticket, the second with another text; return the number of records."""
    sink = KafkaSink(bootstrap, BrokerSettings())
    sent = 0
    for first in range(0, records, AT_ONCE):
        made = [_message(number, votes) for number in range(first, min(first + AT_ONCE, records))]
        again = [replace(message, topic=redo_topic("tickets")) for message in made[::3]] if votes else []
        sink.produce([*made, *again])
        assert sink.flush() == []
        sent += len(made) + len(again)
    sink.close()
    return sent


def _message(number: int, votes: bool) -> Message:
    ticket, version = f"T-{number // 2}", 1 + number % 2
    reason = ("created", "updated")[number % 2]
    label = {"agent_label": f"label {number % LABELS}"} if votes and number % 4 < 2 else {}
    fields = event(ticket_id=ticket, event_version=version, reason=reason, body=f"text {number}", **label)
    return Message("tickets", f"acme:{ticket}".encode(), json.dumps(fields).encode())


def _work(fleet: Fleet, campaign: Campaign, reader: TopicReader) -> float:
    """Kill a worker after every N records until the kills are done; return the seconds from first to last record."""
    clock = SystemClock()

    def reached(records: int) -> bool:
        return sum(reader.committed(["tickets", "tickets.redo"]).values()) >= records

    for _ in range(campaign.workers):
        fleet.start()
    wait_until(lambda: reached(1), TIMEOUT_S, "something settled")
    began_s = clock.monotonic_s()
    disturbances = [fleet.kill_one] * campaign.kills + [fleet.freeze_one] * campaign.freezes
    for number, disturb in enumerate(disturbances, start=1):
        wanted = number * campaign.records // (len(disturbances) + 1)
        wait_until(lambda wanted=wanted: reached(wanted), TIMEOUT_S, f"{wanted} settled")  # type: ignore[misc]
        wait_until(disturb, TIMEOUT_S, "a worker to disturb")
    wait_until(lambda: reached(campaign.records), TIMEOUT_S, "all settled")
    wall_s = clock.monotonic_s() - began_s
    wait_until(fleet.all_ready, TIMEOUT_S, "all workers ready")  # a worker that is still starting cannot stop properly
    return wall_s


def _is_ready(worker: WorkerControl) -> bool:
    try:
        return worker.faults() == {}
    except Unavailable:  # it has not opened its port yet
        return False
