"""Concurrent workers and writes on Qdrant's server: races for an id, calls in flight, calls that fail in part.

All of it runs on the stand-in of `tests.support.qdrant.server`, whose docstring states what a green run does not prove:
above all nothing about replicas, which may apply writes in another order.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from httpx import Headers
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from shared.errors import Fatal, Unavailable
from shared.vectorstore.port import Collection, CollectionSpec
from shared.vectorstore.qdrant.query import BYTES_PER_CALL, POINTS_PER_CALL, chunks
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore
from tests.support.meddler import Meddler, in_parallel, meddled
from tests.support.qdrant.process import StandinProcess
from tests.support.vectors import ids, point, point_id, unit


@pytest.mark.parametrize(("theirs", "ours"), [(1, 2), (2, 2), (3, 2)])
def test_a_race_for_a_new_id_is_won_by_the_newer_version(
    opener: Callable[..., QdrantStore], spec: CollectionSpec, theirs: int, ours: int
) -> None:
    collection, meddler = meddled(opener(), spec)
    other = opener().open(spec)
    meddler.before("update_mode", lambda: other.upsert([point(1, theirs, unit(1), says="theirs")]))
    collection.upsert([point(1, ours, unit(0, 1), says="ours"), point(2, 1)])
    assert not meddler.waits
    found = other.lookup([point_id(1)])[point_id(1)]
    assert (found.version, found.payload["says"]) == ((ours, "ours") if ours > theirs else (theirs, "theirs"))
    assert other.versions([point_id(2)]) == {point_id(2): 1}


@pytest.mark.parametrize(("theirs", "ours"), [(2, 3), (3, 3), (4, 3)])
def test_a_race_for_a_known_id_is_won_by_the_newer_version(
    opener: Callable[..., QdrantStore], spec: CollectionSpec, theirs: int, ours: int
) -> None:
    collection, meddler = meddled(opener(), spec)
    other = opener().open(spec)
    other.upsert([point(1, 1), point(2, 1)])
    meddler.before("update_filter", lambda: other.upsert([point(1, theirs, unit(1), says="theirs")]))
    collection.upsert([point(1, ours, unit(0, 1), says="ours"), point(2, 2)])
    assert not meddler.waits
    found = other.lookup([point_id(1)])[point_id(1)]
    assert (found.version, found.payload["says"]) == ((ours, "ours") if ours > theirs else (theirs, "theirs"))
    assert other.versions([point_id(2)]) == {point_id(2): 2}


def test_an_id_that_was_deleted_during_the_write_is_written_anyway(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection, meddler = meddled(opener(), spec)
    collection.upsert([point(1, 1)])
    gone: list[Any] = [str(point_id(1))]
    meddler.before("update_filter", lambda: opener()._link.client.delete(spec.name, gone))
    collection.upsert([point(1, 2)])
    assert not meddler.waits
    assert collection.versions([point_id(1)]) == {point_id(1): 2}


def test_a_collection_that_is_deleted_during_a_write_is_fatal(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection, meddler = meddled(opener(), spec)
    meddler.before("update_mode", lambda: opener()._link.client.delete_collection(spec.name))
    with pytest.raises(Fatal, match="doesn't exist"):
        collection.upsert([point(number) for number in range(500)])


def test_of_several_refusals_the_one_that_waiting_does_not_fix_is_raised(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    def refuse(status: int) -> None:
        raise UnexpectedResponse(status, "", b'{"status": {"error": "told"}}', Headers())

    class Refusing(Meddler):
        statuses = iter((500, 400, 500))

        def upsert(self, *values: Any, **named: Any) -> models.UpdateResult:
            refuse(next(self.statuses))
            raise AssertionError

    store = opener()
    store.open(spec)
    client: Any = Refusing(store._link.client)
    collection = QdrantCollection(replace(store._link, client=client), spec.name, spec.vectors, spec.sparse)
    with pytest.raises(Fatal, match="status 400"):
        collection.upsert([point(number) for number in range(3 * POINTS_PER_CALL)])


def test_if_several_workers_write_the_same_ids_the_newest_version_wins(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    workers = [opener().open(spec) for _ in range(4)]

    def write(worker: Collection, first: int) -> None:
        for version in range(first, 25, 4):
            worker.upsert([point(number, version, says=version) for number in range(30)])

    in_parallel([lambda w=w, n=n: write(w, 1 + n) for n, w in enumerate(workers)])  # type: ignore[misc]  # bound defaults
    stored = workers[0].lookup([point_id(number) for number in range(30)])
    assert {(found.version, found.payload["says"]) for found in stored.values()} == {(24, 24)}


def test_several_writes_are_in_flight_and_all_are_acknowledged(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection = opener(parallel_upserts=4).open(spec)
    server.set_faults(delay_s=0.1)
    server.report()
    collection.upsert([point(number) for number in range(8 * POINTS_PER_CALL)])
    report = server.report()
    assert report["calls"]["PUT /collections/*/points"] == 8
    assert 2 <= report["most_at_once"] <= 4
    server.set_faults()
    assert len(collection.versions([point_id(number) for number in range(8 * POINTS_PER_CALL)])) == 8 * POINTS_PER_CALL


@pytest.mark.parametrize("written", ["nothing", "half", "all"])
def test_a_write_that_failed_in_part_is_unavailable_and_the_next_completes_it(
    server: StandinProcess, remote: QdrantCollection, written: str
) -> None:
    remote.upsert([point(number) for number in range(0, 1_000, 2)])
    points = [point(number, 2, says="again") for number in range(1_000)]
    server.set_faults(fail_upsert=3, written=written)
    with pytest.raises(Unavailable, match="told to fail"):
        remote.upsert(points)
    server.set_faults()
    remote.upsert(points)
    stored = remote.lookup(ids(points))
    assert {(found.version, found.payload["says"]) for found in stored.values()} == {(2, "again")}
    assert len(stored) == 1_000


def test_a_write_that_is_only_queued_is_not_acknowledged(server: StandinProcess, remote: QdrantCollection) -> None:
    server.set_faults(acknowledge=True)
    with pytest.raises(Unavailable, match="has not applied it"):
        remote.upsert([point(1)])


def test_points_are_split_into_calls_by_number_and_by_size() -> None:
    small = [point(number) for number in range(2 * POINTS_PER_CALL + 1)]
    assert [len(chunk) for chunk in chunks(small)] == [POINTS_PER_CALL, POINTS_PER_CALL, 1]
    big = [point(number, text="x" * (BYTES_PER_CALL // 3)) for number in range(5)]
    assert [len(chunk) for chunk in chunks(big)] == [2, 2, 1]
    bigger = [point(number, text="ä" * BYTES_PER_CALL) for number in range(2)]
    assert [len(chunk) for chunk in chunks(bigger)] == [1, 1]
    assert [each for chunk in chunks([*small, *big]) for each in chunk] == [*small, *big]
    assert list(chunks([])) == []


def test_a_call_with_large_points_succeeds(remote: QdrantCollection) -> None:
    points = [point(number, text="x" * 900_000) for number in range(20)]
    remote.upsert(points)
    assert len(remote.versions(ids(points))) == 20
