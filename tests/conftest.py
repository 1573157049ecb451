"""Fixtures shared by all tests: the brokers and the outside data. What a test needs is started on loopback for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.broker.embedded import EmbeddedBroker
from tests.kafka.server import KafkaServer, why_unavailable
from tests.services import missing
from tests.services import pytest_runtest_makereport as pytest_runtest_makereport

DATA_VARIABLE = "MILLRACE_DATA"


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """Give one real broker for the whole run: use topics and groups of your own, and leave it running."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer() as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    """Give one test a real broker of its own, without topics, to kill and to fill as it likes."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer() as server:
        yield server


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Give librdkafka's mock cluster, held by this process for the whole run: use topics and groups of your own."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Give the folder of outside data, which only `MILLRACE_DATA` names."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        missing(f"{DATA_VARIABLE} does not name the folder of development data")
    folder = Path(named)
    if not folder.is_dir():
        missing(f"{DATA_VARIABLE} names no folder")
    return folder
