"""An open transaction on a real Kafka: doctor, audit and the worker show the records that wait behind it.

Green does not show a hanging transaction, whose producer the coordinator has forgotten; and the worker runs with the
installed model, since only its status is checked.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from millrace.doctor.finding import Check, Finding, findings_of
from millrace.doctor.services import check_broker
from shared.broker.provision import create_topics
from shared.broker.survey import survey_cluster
from shared.settings import BrokerSettings, Settings
from shared.stream_settings import StreamSettings
from tests.faults.test_secrets import running
from tests.support.certificates import Certificates
from tests.support.kafka.access import Rule, allowed, documented, millrace, user_environment
from tests.support.kafka.config import USER
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.services import missing
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

PARTITIONS = 3
WAITING = 60
TIMEOUT_S = 90.0
GROUP = "millrace-tickets"


def transactional(server: KafkaServer) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": server.bootstrap,
            "transactional.id": "import",
            "transaction.timeout.ms": 600_000,
            "log_level": 0,
        }
    )
    producer.init_transactions(TIMEOUT_S)
    return producer


def fill(producer: Producer, records: int, topic: str = "tickets") -> None:
    for number in range(records):
        producer.produce(topic, b"{}", partition=number % PARTITIONS)
    assert producer.flush(TIMEOUT_S) == 0


@contextmanager
def left_open(server: KafkaServer, topic: str = "tickets") -> Iterator[Producer]:
    """Commit one transaction, whose markers stay in the log, and leave another open."""
    producer = transactional(server)
    producer.begin_transaction()
    fill(producer, 2 * PARTITIONS, topic)
    producer.commit_transaction(TIMEOUT_S)
    producer.begin_transaction()
    fill(producer, WAITING, topic)
    try:
        yield producer
    finally:
        producer.abort_transaction(TIMEOUT_S)


def commit_all_records(server: KafkaServer) -> None:
    """Commit offsets after each partition's last record, and before the marker of its transaction."""
    config = {"bootstrap.servers": server.bootstrap, "group.id": GROUP, "log_level": 0}
    with closing(Consumer(config)) as consumer:
        places = [TopicPartition("tickets", number, 2) for number in range(PARTITIONS)]
        consumer.commit(offsets=places, asynchronous=False)


def look(server: KafkaServer) -> Finding:
    """Return the doctor's finding about the group."""
    settings = Settings(broker=BrokerSettings(bootstrap=server.bootstrap))
    return findings_of(Check("broker", lambda: check_broker(settings, StreamSettings(), TICKETS, 5)))[-1]


@pytest.fixture
def kafka(own_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics."""
    names = [topic.name for topic in TICKETS.topics()]
    create_topics(own_kafka.bootstrap, TICKETS.topics(PARTITIONS), 1)
    wait_until(lambda: len(survey_cluster(own_kafka.bootstrap, names, 5).partitions) == len(names), TIMEOUT_S, "topics")
    return own_kafka


@pytest.fixture
def own_secure(certificates: Certificates) -> Iterator[KafkaServer]:
    """Return a broker with access rules that no other test uses."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer(certificates=certificates) as server:
        yield server


def test_the_doctor_counts_waiting_records_and_no_markers(kafka: KafkaServer) -> None:
    with left_open(kafka):
        commit_all_records(kafka)
        found = look(kafka)
        assert (found.part, found.state) == ("group", "warning")
        waits = rf"{WAITING} records wait behind an open transaction, the oldest for \d+ s"
        assert re.fullmatch(rf"{GROUP} is empty, 0 records behind; {waits}", found.detail), found.detail
        assert "kafka-transactions.sh" in found.fix
    found = look(kafka)
    assert (found.state, found.detail) == ("ok", f"{GROUP} is empty, 0 records behind"), "aborted records do not count"


def test_the_audit_counts_waiting_records_separately_from_pending_ones(kafka: KafkaServer) -> None:
    environment = {"MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap}
    with left_open(kafka):
        as_text = millrace(environment, "audit", "--no-points")
        as_json = millrace(environment, "audit", "--no-points", "--json")
    assert as_text.returncode == as_json.returncode == 0, as_text.stderr
    assert "pending 6" in as_text.stdout
    assert re.search(rf"^behind an open transaction: {WAITING}, the oldest for \d+ s$", as_text.stdout, re.MULTILINE)
    found = json.loads(as_json.stdout)
    assert (found["clean"], found["pending"], found["open_transaction"]) == (True, 6, WAITING)
    assert 0 <= found["open_transaction_oldest_age_s"] < TIMEOUT_S
    after = millrace(environment, "audit", "--no-points")
    assert "open transaction" not in after.stdout


def test_the_audit_reports_results_that_it_could_not_read(kafka: KafkaServer) -> None:
    with left_open(kafka, "tickets.outcomes"):
        done = millrace({"MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap}, "audit", "--no-points")
    assert f"{WAITING} records of tickets.outcomes wait behind an open transaction" in done.stdout


def test_a_running_worker_is_ready_and_notes_the_waiting_records(kafka: KafkaServer, tmp_path: Path) -> None:
    environment = {
        "MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap,
        "MILLRACE_STORE__PATH": str(tmp_path / "store"),
        "MILLRACE_OPERATION__STATE_DIR": str(tmp_path / "state"),
        "MILLRACE_OPERATION__LOG_FORMAT": "json",
    }
    with running(environment, tmp_path) as worker:
        with left_open(kafka):
            waits = f"{WAITING} records of tickets wait behind an open transaction, the oldest for "
            note = f'"ok": true, "faults": {{}}, "notes": {{"transactions": "{waits}'
            wait_until(lambda: note in worker.served(), TIMEOUT_S, "ready, with the note")
            assert f'millrace_open_transaction_records{{stream="tickets"}} {WAITING}.0' in worker.served()
            assert "millrace_open_transaction_oldest_age_seconds{" in worker.served()
        wait_until(lambda: "notes" not in worker.served(), TIMEOUT_S, "no note any more")
        assert 'millrace_open_transaction_records{stream="tickets"} 0.0' in worker.served()


def test_a_user_who_may_only_describe_sees_the_number_and_what_is_hidden(
    own_secure: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    create_topics(own_secure.bootstrap, TICKETS.topics(PARTITIONS), 1)
    environment = user_environment(own_secure, certificates, tmp_path)
    rules = [rule for rule in documented() if rule.role == "doctor"]
    more = Rule("doctor", "topic", "tickets", "prefixed", ("Describe_Configs",))
    with left_open(own_secure):
        with allowed(own_secure, USER, rules):
            done = millrace(environment, "doctor")
        with allowed(own_secure, USER, [*rules, more]):
            with_settings = millrace(environment, "doctor")
    assert re.search(r"about \d+ records wait behind an open transaction", done.stdout), done.stdout
    assert "do not let this user read the settings of tickets, " in done.stdout
    assert "DescribeConfigs" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "DescribeConfigs" not in with_settings.stdout
    assert "writes are refused" not in with_settings.stdout, (
        "a broker that refuses this user was reported as one that does not answer"
    )
