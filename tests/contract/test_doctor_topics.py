"""The findings of `millrace doctor` about the topics of a real Kafka: who created them, their limits, and their replicas.

A green run does not prove how older brokers answer, nor which settings besides partitions a broker gives to topics that
it creates by itself: here such topics are created in the same way, with one partition and without settings.
"""

import re

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from typer.testing import CliRunner

from millrace.cli import app
from millrace.doctor.finding import Check, Finding, findings_of
from millrace.doctor.services import check_broker
from schemas.topics import DRIFT_ALERTS, Topic
from shared.broker.provision import create_topics
from shared.settings import BrokerSettings, Settings
from shared.stream_settings import StreamSettings
from tests.support.kafka.server import KafkaServer
from tests.support.waiting import wait_until
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS

TOPICS = TICKETS.topics()
TIMEOUT_S = 30.0


def look(bootstrap: str) -> list[Finding]:
    """Return the doctor's findings about the topics, once the broker shows all that were created."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    names = {topic.name for topic in TOPICS}
    wait_until(lambda: names <= set(admin.list_topics(timeout=5).topics), TIMEOUT_S, "all topics shown")
    settings = Settings(broker=BrokerSettings(bootstrap=bootstrap))
    found = findings_of(Check("broker", lambda: check_broker(settings, StreamSettings(), TICKETS, 5)))
    return [finding for finding in found if finding.part in ("topics", "topic limits")]


def bare(bootstrap: str, topics: list[Topic], partitions: int, **config: str) -> None:
    """Create topics with these settings only."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for future in admin.create_topics(
        [NewTopic(topic.name, partitions, 1, config=config) for topic in topics]
    ).values():
        future.result(TIMEOUT_S)


@pytest.fixture
def bootstrap(own_kafka: KafkaServer) -> str:
    """Return the address of a broker without topics."""
    return own_kafka.bootstrap


def test_topics_that_the_broker_created_by_itself_are_wrong_and_named_with_the_remedy(bootstrap: str) -> None:
    bare(bootstrap, list(TOPICS[:2]), partitions=1)
    create_topics(bootstrap, TICKETS.topics(), 1)
    [found] = look(bootstrap)
    assert found.state == "wrong"
    assert re.search(
        r"tickets, tickets\.redo: one partition instead of 12, not created by `millrace topics create`", found.detail
    )
    assert "tickets.dlq" not in found.detail
    assert "--delete --topic tickets" in found.fix
    assert "millrace topics create" in found.fix


def test_topics_that_a_person_created_with_fewer_partitions_are_a_warning(bootstrap: str) -> None:
    create_topics(bootstrap, TICKETS.topics(1), 1)
    [found] = look(bootstrap)
    assert found.state == "warning"
    assert "fewer partitions than the default of 12: tickets 1" in found.detail


def test_topics_that_accept_smaller_records_than_the_schema_are_a_warning(bootstrap: str) -> None:
    small = [topic for topic in TOPICS if topic.name == "tickets.dlq"]
    bare(bootstrap, small, partitions=12, **{"retention.ms": "1000000", "max.message.bytes": "1048576"})
    create_topics(bootstrap, TOPICS, 1)
    ok, found = look(bootstrap)
    assert (ok.state, found.state) == ("ok", "warning")
    assert found.part == "topic limits"
    needed = small[0].message_limit_bytes
    assert f"tickets.dlq refuses messages above 1048576 bytes, but Millrace may write up to {needed}" in found.detail
    assert f"--entity-name tickets.dlq --add-config max.message.bytes={small[0].message_limit_bytes}" in found.fix


def test_a_higher_minimum_than_replicas_is_a_warning(bootstrap: str) -> None:
    bare(bootstrap, list(TOPICS[:1]), 12, **{"min.insync.replicas": "2", "max.message.bytes": "20000000"})
    create_topics(bootstrap, TOPICS, 1)
    ok, found = look(bootstrap)
    assert (ok.state, found.state) == ("ok", "warning")
    assert found.detail == "tickets: 12 of 12 partitions have 1 in-sync replica, min.insync.replicas requires 2"


def test_one_command_creates_the_topics_of_several_streams(bootstrap: str) -> None:
    command = ["topics", "create", "--bootstrap", bootstrap, "--stream", "calls", "--stream", "products"]
    wanted = {DRIFT_ALERTS.name, *(topic.name for stream in (CALLS, PRODUCTS) for topic in stream.topics())}
    created = CliRunner().invoke(app, [*command, "--partitions", "1"])
    assert created.exit_code == 0, created.output
    assert {line.split()[0] for line in created.stdout.splitlines() if line.endswith("created")} == wanted
    again = CliRunner().invoke(app, command)
    assert {line.split()[0] for line in again.stdout.splitlines() if line.endswith("exists")} == wanted


def test_topics_created_by_millrace_give_no_fault(bootstrap: str) -> None:
    create_topics(bootstrap, TOPICS, 1)
    assert [found.state for found in look(bootstrap)] == ["ok"]
