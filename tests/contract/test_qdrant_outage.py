"""Outages of Qdrant's server: every call raises `Unavailable`, and works again as soon as the server does.

All of it runs on the stand-in of `tests.support.qdrant.server`, whose docstring states what a green run does not prove.
Nor does it prove how long a worker waits: the loop decides that, and `tests/faults/test_store_outage.py` has a whole
worker.
"""

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import Unavailable
from shared.settings import StoreSettings
from shared.vectorstore.port import Collection, CollectionSpec, HybridQuery, Query
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore, connect
from tests.support.proxy import Proxy
from tests.support.qdrant.process import StandinProcess
from tests.support.vectors import point, point_id, terms, tombstone, unit, worded

CALLS: dict[str, Callable[[Collection], object]] = {
    "lookup": lambda c: c.lookup([point_id(1)]),
    "versions": lambda c: c.versions([point_id(1)]),
    "payloads": lambda c: c.payloads([point_id(1)], ("number",)),
    "upsert": lambda c: c.upsert([point(1, 2)]),
    "search": lambda c: c.search([Query(unit(1), "text", 5)]),
    "candidates": lambda c: c.candidates([HybridQuery(Query(unit(1), "text", 5), terms({5: 1.0}), "terms")]),
    "scroll": lambda c: list(c.scroll(("number",))),
}


def fails_everywhere(collection: Collection, words: str) -> None:
    """Check that every call of the port raises `Unavailable`."""
    for name, call in CALLS.items():
        with pytest.raises(Unavailable, match=words) as raised:
            call(collection)
        assert raised.value.dependency == "store", name


def test_a_full_disk_is_an_outage_and_reads_continue(server: StandinProcess, remote: QdrantCollection) -> None:
    remote.upsert([point(1)])
    server.set_faults(full=True)
    with pytest.raises(Unavailable, match="No space left on device"):
        remote.upsert([point(1, 2), point(2)])
    assert remote.versions([point_id(1), point_id(2)]) == {point_id(1): 1}
    server.set_faults()
    remote.upsert([point(1, 2), point(2)])
    assert remote.versions([point_id(1), point_id(2)]) == {point_id(1): 2, point_id(2): 1}


@pytest.mark.parametrize("invalid", ["html", "cut", "other"])
def test_an_answer_that_is_not_from_qdrant_is_an_outage(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, invalid: str
) -> None:
    store = opener()
    collection = store.open(spec)
    server.set_faults(invalid=invalid)
    fails_everywhere(collection, "not Qdrant's")
    with pytest.raises(Unavailable):
        store.open(spec)
    with pytest.raises(Unavailable):
        store.open_alias(spec.alias)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_an_overloaded_server_is_an_outage(server: StandinProcess, remote: QdrantCollection, status: int) -> None:
    server.set_faults(status=status, retry_after_s=7 if status == 429 else 0)
    fails_everywhere(remote, "wait 7 s" if status == 429 else str(status))


@pytest.mark.parametrize(("mode", "words"), [("cut", "cannot be reached"), ("silent", "did not answer in time")])
def test_a_connection_that_is_cut_or_silent_is_an_outage_until_it_is_restored(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, mode: Any, words: str
) -> None:
    with Proxy(server.port) as proxy:
        collection = opener(proxy.url, timeout_s=1).open(spec)
        collection.upsert([worded(1, {5: 1.0})])
        proxy.set_mode(mode)
        fails_everywhere(collection, words)
        with pytest.raises(Unavailable, match=words):
            opener(proxy.url, timeout_s=1).open(spec)
        proxy.set_mode("open")
        collection.upsert([point(2), tombstone(1, 2)])
        assert collection.versions([point_id(1), point_id(2)]) == {point_id(1): 2, point_id(2): 1}


def test_a_call_to_a_slow_server_ends_at_its_time_out(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection = opener(timeout_s=1).open(spec)
    server.set_faults(delay_s=10)
    for name in ("upsert", "search"):
        with pytest.raises(Unavailable, match="did not answer in time"):
            CALLS[name](collection)
    server.set_faults()


def test_acknowledged_writes_survive_a_kill_of_the_server(spec: CollectionSpec) -> None:
    with StandinProcess() as server:
        store = connect(StoreSettings(url=server.url))
        collection = store.open(spec)
        collection.upsert([point(number) for number in range(1_000)])
        server.kill()
        fails_everywhere(collection, "cannot be reached")
        server.start()
        assert len(collection.versions([point_id(number) for number in range(1_000)])) == 1_000
        collection.upsert([point(number, 2) for number in range(500)])
        assert store.open_alias(spec.alias) is not None
        assert len(list(store.open(spec).scroll(()))) == 1_000
        store.close()
