"""A topic that is deleted or created again under the same name: reported, read whole, and not confused by the audit.

Green shows it on one real Kafka node under both group protocols. It does not show a topic that comes back with fewer
partitions, nor brokers older than topic ids (before Kafka 2.8).
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from millrace.wiring import Running
from shared.audit.comparison import audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.broker.topic_ids import topic_id
from shared.errors import Unavailable
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, results_of, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
TOPICS = TICKETS.topics(3)
TIMEOUT_S = 60.0
Protocol = Literal["consumer", "classic"]
both_protocols = pytest.mark.parametrize("protocol", ["consumer", "classic"])


@contextmanager
def working(server: KafkaServer, folder: Path, seen: Seen, protocol: Protocol) -> Iterator[Running]:
    """Run a worker."""
    broker = BrokerSettings(group_protocol=protocol)
    settings = Settings(broker=broker, store=StoreSettings(path=folder))
    with (
        closing(EdgeStore(folder)) as store,
        running_worker(process_of(settings, server.bootstrap, store), FakeModel(), [seen]) as running,
    ):
        yield running


def send(server: KafkaServer, prefix: str, count: int) -> None:
    """Send tickets."""
    produce(server.bootstrap, *(event(ticket_id=f"{prefix}-{at}") for at in range(count)))


def delete(server: KafkaServer) -> None:
    """Delete the input topic, and wait until the deletion is complete."""
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.delete_topics(["tickets"])["tickets"].result()
    wait_until(lambda: _is_deleted(server), TIMEOUT_S, "the topic gone")


def _is_deleted(server: KafkaServer) -> bool:
    try:
        TopicReader(server.bootstrap).watermarks("tickets")
    except Unavailable:
        return True
    return False


@both_protocols
def test_a_topic_created_again_within_seconds_is_read_from_its_beginning(
    protocol: Protocol, own_kafka: KafkaServer, tmp_path: Path
) -> None:
    """The broker was restarted before: its epoch is above that of a new topic, which a client takes for an old one."""
    create_topics(own_kafka.bootstrap, TOPICS, 1)
    own_kafka.restart()
    seen = Seen()
    with working(own_kafka, tmp_path, seen, protocol):
        send(own_kafka, "old", 300)
        seen.wait_settled(300)
        delete(own_kafka)
        create_topics(own_kafka.bootstrap, TOPICS, 1)
        send(own_kafka, "new", 600)
        wait_until(lambda: _routed(own_kafka, "new") == 600, TIMEOUT_S, "every record of the new topic routed")
        reader = TopicReader(own_kafka.bootstrap, GROUP)
        wait_until(lambda: sum(reader.committed(["tickets"]).values()) == 600, TIMEOUT_S, "all committed")
    findings = audit(reader, TICKETS, None)
    assert (findings.settled, findings.pending, findings.missing, findings.conflicting) == (600, 0, 0, 0)
    assert findings.former >= 300
    assert findings.clean


def _routed(server: KafkaServer, prefix: str) -> int:
    return len({result.ticket_id for result in results_of(server.bootstrap) if result.ticket_id.startswith(prefix)})


@both_protocols
def test_a_deleted_topic_is_named_and_the_worker_is_not_ready_until_it_exists_again(
    protocol: Protocol, own_kafka: KafkaServer, tmp_path: Path
) -> None:
    create_topics(own_kafka.bootstrap, TOPICS, 1)
    seen = Seen()
    with working(own_kafka, tmp_path, seen, protocol) as running:
        send(own_kafka, "old", 30)
        seen.wait_settled(30)
        wait_until(lambda: running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready")
        delete(own_kafka)
        wait_until(lambda: "consumer" in running.lifecycle.not_ready(), TIMEOUT_S, "not ready")
        assert "there is no topic tickets;" in running.lifecycle.not_ready()["consumer"]
        create_topics(own_kafka.bootstrap, TOPICS, 1)
        wait_until(lambda: running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready again")
        send(own_kafka, "new", 40)
        wait_until(lambda: _routed(own_kafka, "new") == 40, TIMEOUT_S, "every record of the new topic routed")


def test_results_go_to_a_result_topic_that_was_created_again(own_kafka: KafkaServer, tmp_path: Path) -> None:
    create_topics(own_kafka.bootstrap, TOPICS, 1)
    own_kafka.restart()
    seen = Seen()
    settings = Settings(broker=BrokerSettings(delivery_timeout_s=5), store=StoreSettings(path=tmp_path))
    with (
        closing(EdgeStore(tmp_path)) as store,
        running_worker(process_of(settings, own_kafka.bootstrap, store), FakeModel(), [seen]),
    ):
        send(own_kafka, "old", 30)
        seen.wait_settled(30)
        admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap})
        admin.delete_topics(["tickets.routed"])["tickets.routed"].result()
        time.sleep(1)
        create_topics(own_kafka.bootstrap, TOPICS, 1)
        send(own_kafka, "new", 40)
        seen.wait_settled(70)
    assert _routed(own_kafka, "new") == 40


def test_offsets_committed_for_the_old_topic_do_not_apply_to_the_new_one(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    """A worker that has not yet learned of the deletion commits an offset of the old topic, and ends."""
    create_topics(own_kafka.bootstrap, TOPICS, 1)
    old_id = topic_id(own_kafka.bootstrap, "tickets")
    assert old_id is not None
    delete(own_kafka)
    create_topics(own_kafka.bootstrap, TOPICS, 1)
    send(own_kafka, "new", 60)
    with closing(Consumer({"bootstrap.servers": own_kafka.bootstrap, "group.id": GROUP})) as late:
        late.commit(offsets=[KafkaPartition("tickets", n, 10, old_id) for n in range(3)], asynchronous=False)
    assert sum(TopicReader(own_kafka.bootstrap, GROUP).committed(["tickets"]).values()) == 0
    seen = Seen()
    with working(own_kafka, tmp_path, seen, "consumer"):
        seen.wait_settled(60)
    assert _routed(own_kafka, "new") == 60


def test_an_offset_set_by_an_operator_is_accepted(own_kafka: KafkaServer, tmp_path: Path) -> None:
    """Kafka's own tools commit without the topic's id."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(1), 1)
    send(own_kafka, "new", 60)
    with closing(Consumer({"bootstrap.servers": own_kafka.bootstrap, "group.id": GROUP})) as tool:
        tool.commit(offsets=[KafkaPartition("tickets", 0, 50)], asynchronous=False)
    seen = Seen()
    with working(own_kafka, tmp_path, seen, "consumer"):
        seen.wait_settled(10)
    assert _routed(own_kafka, "new") == 10
