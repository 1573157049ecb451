"""Three Kafka brokers of which one or two are killed, so that writes are refused for lack of in-sync replicas.

The reason must be in the text of the pause and in `doctor`. Green does not show brokers and controllers on separate
machines, nor a replica that merely lags.
"""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from millrace.doctor.finding import Check, Finding, findings_of
from millrace.doctor.services import check_broker
from shared.broker.producer import KafkaSink
from shared.broker.provision import create_topics
from shared.records import Message
from shared.settings import BrokerSettings, Settings
from shared.stream_settings import StreamSettings
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.services import missing
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S, READ_TIMEOUT_S = 3.0, 2.0
"""Seconds that `doctor` and its reader wait for an answer. Without controllers many of them never come."""

STRICT = "strict"
"""A topic that requires all three replicas."""


@pytest.fixture
def three_brokers() -> Iterator[KafkaServer]:
    """Yield three brokers with the topics, three replicas each."""
    if reason := why_unavailable():
        missing(reason)
    with KafkaServer(nodes=3) as server:
        create_topics(server.bootstrap, TICKETS.topics(), replication=3)
        admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
        strict = NewTopic(STRICT, 3, 3, config={"min.insync.replicas": "3"})
        admin.create_topics([strict])[STRICT].result(TIMEOUT_S)
        yield server


def look(server: KafkaServer) -> list[Finding]:
    settings = Settings(broker=BrokerSettings(bootstrap=server.bootstrap))
    found = findings_of(Check("broker", lambda: check_broker(settings, StreamSettings(), TICKETS, ANSWER_TIMEOUT_S)))
    return [finding for finding in found if finding.part == "topics"]


def in_sync(server: KafkaServer, topic: str, wanted: int) -> bool:
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": 0})
    try:
        partitions = admin.list_topics(topic, timeout=5).topics[topic].partitions.values()
    except KafkaException:
        return False
    return all(len(each.isrs) == wanted and each.leader >= 0 for each in partitions)


def refused(server: KafkaServer, topic: str) -> str:
    """Return the text of the pause after a write that was not confirmed."""
    sink = KafkaSink(server.bootstrap, BrokerSettings(delivery_timeout_s=4))
    sink.produce([Message(topic, b"key", b"value")])
    assert len(sink.flush()) == 1
    return sink.last_error


def test_too_few_in_sync_replicas_are_named_in_the_pause_and_by_the_doctor(
    three_brokers: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [found.state for found in look(three_brokers)] == ["ok"]
    three_brokers.kill(2)
    wait_until(
        lambda: in_sync(three_brokers, STRICT, 2) and in_sync(three_brokers, "tickets", 2),
        TIMEOUT_S,
        "the replica out of sync",
    )
    assert f"{STRICT}: 3 of 3 partitions have 2 in-sync replicas, min.insync.replicas requires 3" in refused(
        three_brokers, STRICT
    )
    ok, lagging = look(three_brokers)
    assert (ok.state, lagging.state) == ("ok", "warning")
    assert "tickets.redo: 12 of 12 partitions have 2 in-sync replicas of 3" in lagging.detail

    # The controllers lost their majority with the second broker, and the metadata shows its replicas as in sync forever.
    three_brokers.kill(3)
    monkeypatch.setattr("shared.broker.reader.TIMEOUT_S", READ_TIMEOUT_S)
    reason = "12 of 12 partitions have 1 in-sync replica, min.insync.replicas requires 2"
    assert f"tickets.routed: {reason}" in refused(three_brokers, "tickets.routed")
    [wrong] = [found for found in look(three_brokers) if found.state == "wrong"]
    assert wrong.detail.startswith("writes are refused: ")
    for topic in TICKETS.topics():
        assert f"{topic.name}: {reason}" in wrong.detail
    assert "broker 3 does not answer" in wrong.detail
    assert wrong.fix
