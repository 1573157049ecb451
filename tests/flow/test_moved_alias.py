"""A worker whose readers' alias was moved: it works on, and reports it in `/readyz` and in its metrics.

The server is the stand-in, the broker the embedded one. A green run does not prove that an operator's alert fires.
"""

from functools import partial

import pytest
from qdrant_client import QdrantClient, models

from shared.broker.embedded import EmbeddedBroker
from shared.settings import BrokerSettings, CacheSettings, Settings, StoreSettings
from shared.vectorstore.qdrant import alias as qdrant_alias
from shared.vectorstore.qdrant.store import connect
from tests.support.fakes import PRIVACY, FakeModel
from tests.support.in_process import Seen, process_of, produce, running_worker
from tests.support.qdrant.process import StandinProcess
from tests.support.tickets import event
from tests.support.waiting import wait_until
from workers.tickets.stages import TICKETS

ALIAS = "tickets"
GAUGE = 'millrace_alias_elsewhere{stream="tickets"}'


def test_a_moved_alias_is_reported_and_the_worker_works_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_alias, "LOOK_EVERY_S", 0.1)
    with StandinProcess() as server, EmbeddedBroker() as broker:
        broker.create([topic.name for topic in TICKETS.topics()])
        settings = Settings(
            broker=BrokerSettings(bootstrap=broker.bootstrap),
            cache=CacheSettings(memory_mib=0),
            privacy=PRIVACY,
            store=StoreSettings(url=server.url),
        )
        store, seen = connect(settings.store), Seen()
        operator = QdrantClient(url=server.url, check_compatibility=False)
        process = process_of(settings, broker.bootstrap, store)
        with running_worker(process, FakeModel(), [seen]) as running:

            def shown(value: float) -> bool:
                return f"{GAUGE} {value}" in process.registry.render().decode()

            def reported(words: str) -> bool:
                return words in running.lifecycle.not_ready().get("alias", "")

            wait_until(lambda: running.lifecycle.not_ready() == {} and shown(0.0), 60, "ready")
            [ours] = [each.collection_name for each in operator.get_aliases().aliases]
            for place, words in [("elsewhere", "points to elsewhere"), (None, "was deleted")]:
                _set(operator, place)
                wait_until(partial(reported, words), 60, words)
                assert shown(1.0)
                produce(broker.bootstrap, event(ticket_id=f"T-{words}"))
            seen.wait_settled(2)
            assert ours in running.lifecycle.not_ready()["alias"], (
                "the collection that the worker writes to is not named"
            )
            assert operator.get_aliases().aliases == [], "the worker must not set the alias"
            _set(operator, ours)
            wait_until(lambda: running.lifecycle.not_ready() == {} and shown(0.0), 60, "ready again")
        store.close()
        operator.close()


def _set(operator: QdrantClient, place: str | None) -> None:
    if place is None:
        delete = models.DeleteAlias(alias_name=ALIAS)
        operator.update_collection_aliases([models.DeleteAliasOperation(delete_alias=delete)])
        return
    if not operator.collection_exists(place):
        one = models.VectorParams(size=4, distance=models.Distance.COSINE)
        operator.create_collection(place, vectors_config={"text": one})
    create = models.CreateAlias(collection_name=place, alias_name=ALIAS)
    operator.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
