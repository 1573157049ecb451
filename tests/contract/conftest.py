"""The brokers under test: every test that takes `broker` runs on the embedded one and on real Kafka. And the stand-in."""

from collections.abc import Iterator

import pytest

from shared.broker.embedded import EmbeddedBroker
from tests.contract.brokers import Broker
from tests.kafka.server import KafkaServer
from tests.qdrant.process import StandinProcess


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Give a broker; `kafka-classic` as an indirect parameter is Kafka with the group protocol of older brokers."""
    if request.param == "embedded":
        embedded: EmbeddedBroker = request.getfixturevalue("embedded_broker")
        opened = Broker(embedded.bootstrap, embedded)
    else:
        server: KafkaServer = request.getfixturevalue("kafka_server")
        opened = Broker(server.bootstrap, protocol="classic" if request.param == "kafka-classic" else "consumer")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def qdrant_standin() -> Iterator[StandinProcess]:
    """Give one stand-in for Qdrant's server for the whole run: use collections of your own, and tell it no faults.

    A call that it does not know fails the run.
    """
    with StandinProcess() as standin:
        yield standin
        assert standin.report()["unknown"] == []
