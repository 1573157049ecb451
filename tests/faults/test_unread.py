"""Records that Kafka removes before they are read are counted, logged, written to the ledger, and make the audit fail.

Green shows it for records deleted by hand, before a worker starts and under a worker that is stopped by a fault. It
does not wait for retention itself to run: for the client both are a log that begins later.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from confluent_kafka import Producer
from structlog.testing import capture_logs

from millrace.doctor.finding import Check, Finding, findings_of
from millrace.doctor.services import check_broker
from millrace.wiring import Running
from schemas.outcomes import LedgerEntry
from shared.audit.comparison import AuditReport, audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.broker.removal import Remover
from shared.records import TopicPartition
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.stream_settings import StreamSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
ONLY = TopicPartition("tickets", 0)
TIMEOUT_S = 60.0


@contextmanager
def working(server: KafkaServer, folder: Path, seen: Seen) -> Iterator[Running]:
    """Run a worker."""
    settings = Settings(broker=BrokerSettings(), store=StoreSettings(path=folder))
    with (
        closing(EdgeStore(folder)) as store,
        running_worker(process_of(settings, server.bootstrap, store), FakeModel(), [seen]) as running,
    ):
        yield running


def send(server: KafkaServer, first: int, count: int) -> None:
    """Send tickets."""
    produce(server.bootstrap, *(event(ticket_id=f"T-{first + at}") for at in range(count)))


def audited(server: KafkaServer) -> AuditReport:
    """Audit the topics."""
    return audit(TopicReader(server.bootstrap, GROUP), TICKETS, None)


def doctor(server: KafkaServer) -> list[Finding]:
    """Return the findings of `millrace doctor` about the brokers."""
    settings = Settings(broker=BrokerSettings(bootstrap=server.bootstrap))
    return findings_of(Check("broker", lambda: check_broker(settings, StreamSettings(), TICKETS, 5)))


def lost(running: Running) -> float:
    """Return the value of the metric."""
    lines = running.registry.render().decode().splitlines()
    [line] = [each for each in lines if each.startswith("millrace_unread_lost_records_total{")]
    return float(line.rsplit(" ", 1)[1])


def test_records_removed_while_no_worker_ran_are_lost_and_reported(own_kafka: KafkaServer, tmp_path: Path) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    seen = Seen()
    send(own_kafka, 0, 40)
    with working(own_kafka, tmp_path, seen) as running:
        seen.wait_settled(40)
        assert lost(running) == 0
    send(own_kafka, 40, 60)
    Remover(own_kafka.bootstrap).remove({ONLY: 70})
    before = audited(own_kafka)
    assert (before.unread_lost, before.clean, before.missing) == (30, False, 0), "the offsets alone must show it"
    [said] = [each for each in doctor(own_kafka) if each.part == "unread"]
    assert (said.state, said.detail) == (
        "wrong",
        "30 offsets deleted before millrace-tickets read them: tickets/0 from 40 on",
    )
    with capture_logs() as logs, working(own_kafka, tmp_path, seen) as running:
        seen.wait_settled(70)
        wait_until(lambda: lost(running) == 30, TIMEOUT_S, "the loss counted")
    [line] = [each for each in logs if each["event"].startswith("records were deleted")]
    assert (line["partition"], line["first"], line["last"], line["offsets"]) == ("tickets/0", 40, 69, 30)
    entries = [
        LedgerEntry.model_validate_json(r.value or b"")
        for r in TopicReader(own_kafka.bootstrap).read("tickets.outcomes")
    ]
    assert [(span.first, span.last) for entry in entries for span in entry.unread] == [(40, 69)]
    after = audited(own_kafka)
    assert (after.unread_lost, after.clean, after.missing, after.pending) == (30, False, 0, 0)
    assert after.examples["unread_lost"] == ["tickets/0: 30 offsets from 40 on were lost before anybody had read them"]


def test_records_removed_while_a_worker_waits_are_lost_and_reported(own_kafka: KafkaServer, tmp_path: Path) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    seen = Seen()
    with working(own_kafka, tmp_path, seen) as running:
        send(own_kafka, 0, 10)
        seen.wait_settled(10)
        running.lifecycle.pause()
        wait_until(lambda: running.lifecycle.paused is not None, TIMEOUT_S, "a pause")
        send(own_kafka, 10, 50)
        Remover(own_kafka.bootstrap).remove({ONLY: 60})
        running.lifecycle.resume()
        wait_until(lambda: lost(running) > 0, TIMEOUT_S, "the loss counted")
        send(own_kafka, 60, 10)
        seen.wait_settled(20)
        assert lost(running) == 50
    found = audited(own_kafka)
    assert (found.unread_lost, found.settled, found.missing) == (50, 10, 0)


def test_records_that_a_group_never_had_to_read_are_no_loss(own_kafka: KafkaServer, tmp_path: Path) -> None:
    """A group that begins with a topic whose beginning was deleted has lost nothing."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    send(own_kafka, 0, 30)
    Remover(own_kafka.bootstrap).remove({ONLY: 20})
    seen = Seen()
    with working(own_kafka, tmp_path, seen) as running:
        seen.wait_settled(10)
        assert lost(running) == 0
    assert audited(own_kafka).clean
    assert [each for each in doctor(own_kafka) if each.part == "unread"] == []


def test_markers_of_transactions_and_aborted_records_are_no_loss(own_kafka: KafkaServer, tmp_path: Path) -> None:
    """A partition ends with a marker, and with records that nobody may read; then retention removes all of it."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    producer = Producer({"bootstrap.servers": own_kafka.bootstrap, "transactional.id": "t", "log_level": 0})
    producer.init_transactions()
    for abort in (False, True):
        producer.begin_transaction()
        for at in range(10):
            value = json.dumps(event(ticket_id=f"T-{abort}-{at}")).encode()
            producer.produce("tickets", value, f"acme:T-{abort}-{at}".encode())
        producer.flush()
        (producer.abort_transaction if abort else producer.commit_transaction)()
    seen, reader = Seen(), TopicReader(own_kafka.bootstrap, GROUP)
    with working(own_kafka, tmp_path, seen):
        seen.wait_settled(10)
        wait_until(lambda: reader.committed(["tickets"]).get(ONLY) == 22, TIMEOUT_S, "committed behind the last marker")
    Remover(own_kafka.bootstrap).remove({ONLY: 22})
    assert counted(audited(own_kafka)) == (0, True)
    assert [each for each in doctor(own_kafka) if each.part == "unread"] == []
    with working(own_kafka, tmp_path, seen) as running:
        send(own_kafka, 0, 5)
        seen.wait_settled(15)
        assert lost(running) == 0


def counted(findings: AuditReport) -> tuple[int, bool]:
    """Return the number of lost records, and whether the audit is clean."""
    return findings.unread_lost, findings.clean


def test_records_removed_from_a_partition_without_a_commit_are_lost(own_kafka: KafkaServer, tmp_path: Path) -> None:
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    seen, reader = Seen(), TopicReader(own_kafka.bootstrap, GROUP)
    with working(own_kafka, tmp_path, seen):
        wait_until(lambda: ONLY in reader.committed(["tickets"]), TIMEOUT_S, "the beginning committed")
    send(own_kafka, 0, 30)
    Remover(own_kafka.bootstrap).remove({ONLY: 20})
    assert counted(audited(own_kafka)) == (20, False)
    with working(own_kafka, tmp_path, seen) as running:
        seen.wait_settled(10)
        wait_until(lambda: lost(running) == 20, TIMEOUT_S, "the loss counted")
    assert counted(audited(own_kafka)) == (20, False)


def test_a_loss_is_counted_once_although_the_partition_stays_empty(own_kafka: KafkaServer, tmp_path: Path) -> None:
    """Once reported, it is committed past: the next worker that is assigned the partition does not report it again."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    seen, reader = Seen(), TopicReader(own_kafka.bootstrap, GROUP)
    with working(own_kafka, tmp_path, seen):
        send(own_kafka, 0, 10)
        seen.wait_settled(10)
    send(own_kafka, 10, 20)
    Remover(own_kafka.bootstrap).remove({ONLY: 30})
    with working(own_kafka, tmp_path, seen) as running:
        wait_until(lambda: lost(running) == 20, TIMEOUT_S, "the loss counted")
        wait_until(lambda: reader.committed(["tickets"]).get(ONLY) == 30, TIMEOUT_S, "committed past it")
    with working(own_kafka, tmp_path, seen) as running:
        send(own_kafka, 30, 5)
        seen.wait_settled(15)
        assert lost(running) == 0
    assert counted(audited(own_kafka)) == (20, False)
