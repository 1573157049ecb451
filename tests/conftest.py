"""Fixtures shared by all tests: brokers, Redis, outside data. Required services are started on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from shared.broker.embedded import EmbeddedBroker
from tests.support import certificates as certificates_module
from tests.support.certificates import Certificates
from tests.support.kafka.config import SHORT_SESSION_TIMEOUT_S
from tests.support.kafka.server import KafkaServer, why_unavailable
from tests.support.redis import server as redis_module
from tests.support.redis.server import RedisServer
from tests.support.services import missing
from tests.support.services import pytest_runtest_makereport as pytest_runtest_makereport

DATA_VARIABLE = "MILLRACE_DATA"


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Undo the log settings of a command that ran in this process: log lines of the next test would be suppressed."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    """Yield one real broker for the whole run: use your own topics and groups, and leave it running."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer() as server:
        yield server


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    """Yield a real broker for one test, without topics, which the test may kill and fill; its sessions are short."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer(session_timeout_s=SHORT_SESSION_TIMEOUT_S) as server:
        yield server


@pytest.fixture(scope="session")
def secure_kafka(certificates: Certificates) -> Iterator[KafkaServer]:
    """Yield one real broker that requires passwords, certificates and access rules: remove your rules afterwards."""
    reason = why_unavailable()
    if reason:
        missing(reason)
    with KafkaServer(certificates=certificates) as server:
        yield server


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Yield librdkafka's mock cluster, held by this process for the whole run: use your own topics and groups."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return certificates for servers on loopback and their clients, created for this run."""
    if reason := certificates_module.why_unavailable():
        missing(reason)
    return certificates_module.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _redis_can_run() -> None:
    if reason := redis_module.why_unavailable():
        missing(reason)


@pytest.fixture(scope="session")
def redis_server(_redis_can_run: None) -> Iterator[RedisServer]:
    """Yield one Redis for the whole run: empty it before use, and leave it running."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_redis(_redis_can_run: None) -> Iterator[RedisServer]:
    """Yield a Redis for one test, which may freeze and kill it."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of outside data, which only `MILLRACE_DATA` names."""
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        missing(f"{DATA_VARIABLE} does not name the folder of development data")
    folder = Path(named)
    if not folder.is_dir():
        missing(f"{DATA_VARIABLE} names no folder")
    return folder
