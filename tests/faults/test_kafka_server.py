"""The Kafka fixture is a real broker: records survive its death, and it leaves no process behind.

A green run does not prove anything about Millrace, nor that data survives the loss of the machine: the operating system
keeps the writes of a killed process.
"""

import os
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.services import missing
from tests.support.sources import ROOT

VALUES = [f"record {number}".encode() for number in range(10)]


@pytest.fixture(autouse=True)
def _kafka_can_run() -> None:
    if reason := why_unavailable():
        missing(reason)


@pytest.fixture
def own_server() -> Iterator[KafkaServer]:
    with KafkaServer() as server:
        yield server


def create(bootstrap: str, topic: str, partitions: int, copies: int = 1) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, copies)])[topic].result(timeout=30)


def produce(bootstrap: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in VALUES:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(bootstrap: str, topic: str, group: str) -> list[bytes]:
    settings = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"}
    values: list[bytes] = []
    with closing(Consumer(settings | {"group.protocol": "consumer"})) as consumer:
        consumer.subscribe([topic])
        for _ in range(300):
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                values.append(message.value() or b"")
            if len(values) == len(VALUES):
                break
    return sorted(values)


def test_records_are_produced_and_consumed(kafka_server: KafkaServer) -> None:
    create(kafka_server.bootstrap, "ten", partitions=3)
    produce(kafka_server.bootstrap, "ten")
    assert consume(kafka_server.bootstrap, "ten", "readers") == VALUES


def test_asking_for_a_topic_does_not_create_it(kafka_server: KafkaServer) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server.bootstrap})
    admin.list_topics("never-created", timeout=10)
    assert "never-created" not in admin.list_topics(timeout=10).topics


def test_data_survives_a_kill_and_a_restart(own_server: KafkaServer) -> None:
    create(own_server.bootstrap, "kept", partitions=1)
    produce(own_server.bootstrap, "kept")
    own_server.kill()
    own_server.start()
    assert consume(own_server.bootstrap, "kept", "after-kill") == VALUES
    own_server.restart()
    assert consume(own_server.bootstrap, "kept", "after-restart") == VALUES


def test_a_server_whose_port_was_taken_before_it_listened_starts_on_others() -> None:
    with socket.socket() as stranger:
        server = KafkaServer()
        stranger.bind(("127.0.0.1", server.nodes[0].controller_port))
        stranger.listen()
        with server:
            create(server.bootstrap, "kept", partitions=1)
            produce(server.bootstrap, "kept")
            assert consume(server.bootstrap, "kept", "elsewhere") == VALUES


def test_three_nodes_continue_without_one() -> None:
    with KafkaServer(nodes=3) as cluster:
        create(cluster.bootstrap, "copied", partitions=3, copies=3)
        produce(cluster.bootstrap, "copied")
        cluster.kill(node=2)
        assert consume(cluster.bootstrap, "copied", "two-left") == VALUES
        cluster.start(node=2)


def test_no_process_is_left_when_the_test_run_itself_is_killed() -> None:
    script = """
        import os, signal
        from tests.support.kafka.server import KafkaServer
        server = KafkaServer()
        server.start()
        print(server.folder, next(iter(server._running.values())).pid, server._reaper.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    folder, broker, reaper = done.stdout.split()
    for pid in (int(reaper), int(broker)):
        _wait_for_end(pid)
    assert not Path(folder).exists()


def _wait_for_end(pid: int) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Soon: a broker whose folder was deleted also ends by itself, some twenty seconds later.
        readable, _, _ = select.select([handle], [], [], 5)
        assert readable, f"process {pid} still runs"
    finally:
        os.close(handle)
