"""Fixtures shared by all tests: brokers, Redis, outside data. What a test needs is started on loopback for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.broker.embedded import EmbeddedBroker
from tests.support import certificates as certificates_module
from tests.support.certificates import Certificates
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.redis import server as redis_module
from tests.support.redis.server import RedisServer
from tests.support.services import missing
from tests.support.services import pytest_runtest_makereport as pytest_runtest_makereport

DATA_VARIABLE = "MILLRACE_DATA"


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Undo what a command that ran in this process set for its logs: lines of the next test would go unseen."""
    yield
    structlog.reset_defaults()


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
def secure_kafka(certificates: Certificates) -> Iterator[KafkaServer]:
    """Give one real broker that wants passwords, certificates and access rules: leave it without rules of yours."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer(certificates=certificates) as server:
        yield server


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Give librdkafka's mock cluster, held by this process for the whole run: use topics and groups of your own."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give certificates for servers on loopback and their clients, made for this run."""
    if reason := certificates_module.why_unavailable():
        missing(reason)
    return certificates_module.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _redis_can_run() -> None:
    if reason := redis_module.why_unavailable():
        missing(reason)


@pytest.fixture(scope="session")
def redis_server(_redis_can_run: None) -> Iterator[RedisServer]:
    """Give one Redis for the whole run: empty it before use, and leave it running."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_redis(_redis_can_run: None) -> Iterator[RedisServer]:
    """Give one test a Redis of its own, to freeze and to kill."""
    with RedisServer() as server:
        yield server


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
