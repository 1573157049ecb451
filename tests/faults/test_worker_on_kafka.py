"""A worker on a real Kafka: a compressed value far above Millrace's limit, and brokers that stop and come back.

Green does not show several brokers, nor an outage in the middle of a settle (the loop's unit test shows that).
"""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.outcomes import Outcome
from schemas.topics import MESSAGE_LIMIT_BYTES
from shared.audit.comparison import audit
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.settings import BrokerSettings, Settings, StoreSettings
from shared.vectorstore.edge.store import EdgeStore
from tests.support.fakes import FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.kafka.server import KafkaServer
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

GROUP = "millrace-tickets"
TIMEOUT_S = 60.0


@pytest.fixture
def server(own_kafka: KafkaServer) -> KafkaServer:
    """Return a Kafka of its own."""
    create_topics(own_kafka.bootstrap, TICKETS.topics(2), replication=1)
    return own_kafka


def settings_for(server: KafkaServer, folder: Path) -> Settings:
    """Return a worker's settings."""
    return Settings(broker=BrokerSettings(bootstrap=server.bootstrap), store=StoreSettings(path=folder))


def test_a_value_that_fits_only_compressed_is_one_dead_letter_and_delays_nothing(
    server: KafkaServer, tmp_path: Path
) -> None:
    settings, store, seen = settings_for(server, tmp_path), EdgeStore(tmp_path), Seen()
    oversize = b'{"body": "' + b"x" * (8 * MESSAGE_LIMIT_BYTES) + b'"}'
    producer = Producer(
        {"bootstrap.servers": server.bootstrap, "compression.type": "zstd", "message.max.bytes": 2 * len(oversize)}
    )
    producer.produce("tickets", key=b"acme:T-9", value=oversize)
    assert producer.flush(30) == 0
    produce(server.bootstrap, *[event(ticket_id=f"T-{number}") for number in range(8)])
    with running_worker(process_of(settings, server.bootstrap, store), FakeModel(), [seen]):
        seen.wait_settled(9)
    assert sorted(seen.outcomes) == [Outcome.DEAD_LETTERED] + [Outcome.ROUTED] * 8
    reader = TopicReader(server.bootstrap, GROUP)
    (letter,) = reader.read("tickets.dlq")
    assert letter.value == oversize
    assert dict(letter.headers)["millrace-reason"] == b"too_large"
    assert audit(reader, TICKETS, store.open_alias("tickets")).clean
    store.close()


def test_the_worker_is_not_ready_without_a_broker_and_ready_once_it_is_back(
    server: KafkaServer, tmp_path: Path
) -> None:
    settings, store, seen = settings_for(server, tmp_path), EdgeStore(tmp_path), Seen()
    with running_worker(process_of(settings, server.bootstrap, store), FakeModel(), [seen]) as running:
        wait_until(lambda: running.source.assigned == 4, TIMEOUT_S, "all partitions")
        assert running.lifecycle.not_ready() == {}
        server.kill()
        wait_until(lambda: "consumer" in running.lifecycle.not_ready(), TIMEOUT_S, "not ready without a broker")
        assert running.lifecycle.stuck() == []
        server.restart()
        wait_until(lambda: running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready again")
        produce(server.bootstrap, event())
        seen.wait_settled(1)
    store.close()
    assert seen.outcomes == [Outcome.ROUTED]


def test_without_its_topics_the_worker_is_not_ready_and_names_them(own_kafka: KafkaServer, tmp_path: Path) -> None:
    settings, store, seen = settings_for(own_kafka, tmp_path), EdgeStore(tmp_path), Seen()
    with running_worker(process_of(settings, own_kafka.bootstrap, store), FakeModel(), [seen]) as running:
        wait_until(lambda: "tickets.redo" in running.lifecycle.not_ready().get("consumer", ""), TIMEOUT_S, "reported")
        create_topics(own_kafka.bootstrap, TICKETS.topics(2), replication=1)
        wait_until(lambda: running.lifecycle.not_ready() == {}, TIMEOUT_S, "ready with its topics")
    store.close()
