"""Fixtures of the suites: `broker` is the embedded one and real Kafka in turn, `server` the stand-in for Qdrant's."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.broker.embedded import EmbeddedBroker
from shared.settings import StoreSettings
from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore, connect
from tests.support.brokers import Broker
from tests.support.kafka.server import KafkaServer
from tests.support.qdrant.process import StandinProcess
from tests.support.stores import unique_spec


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Yield a broker; `kafka-classic` as an indirect parameter is Kafka with the group protocol of older brokers."""
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
    """Yield one stand-in for Qdrant's server for the whole run: use your own collections, and give it no faults.

    A call that it does not know fails the run.
    """
    with StandinProcess() as standin:
        yield standin
        assert standin.report()["unknown"] == []


@pytest.fixture(scope="module")
def standin() -> Iterator[StandinProcess]:
    """Yield a stand-in of this module's own, which tests may give faults."""
    with StandinProcess() as running:
        yield running


@pytest.fixture
def server(standin: StandinProcess) -> Iterator[StandinProcess]:
    """Yield the stand-in without faults, and check that no call was unknown to it."""
    standin.report()
    yield standin
    standin.set_faults()
    assert standin.report()["unknown"] == []


@pytest.fixture
def spec() -> CollectionSpec:
    """Return a spec under a name and an alias that no other test has."""
    return unique_spec()


@pytest.fixture
def opener(server: StandinProcess) -> Iterator[Callable[..., QdrantStore]]:
    """Yield a function that opens stores, which are closed at the end."""
    stores: list[QdrantStore] = []

    def new(url: str | None = None, **settings: Any) -> QdrantStore:
        stores.append(connect(StoreSettings(url=url or server.url, **settings)))
        return stores[-1]

    yield new
    for store in stores:
        store.close()


@pytest.fixture
def remote(opener: Callable[..., QdrantStore], spec: CollectionSpec) -> QdrantCollection:
    """Return a new collection on the stand-in."""
    return opener().open(spec)
