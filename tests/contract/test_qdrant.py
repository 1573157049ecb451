"""What only the server's adapter has: the check at start, several workers at once, outages, a key, refusals.

All of it runs on the stand-in of `tests.qdrant.server`, whose docstring says what a green run does not prove. Nor does it
prove how long a worker waits: that is the loop's, and `tests/faults/test_store_outage.py` has a whole worker.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from httpx import Headers
from pydantic import SecretStr
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from shared.errors import Fatal, Unavailable
from shared.records import Point
from shared.settings import StoreSettings
from shared.vectorstore.port import VERSION_FIELD, Collection, CollectionSpec
from shared.vectorstore.qdrant import QdrantCollection, QdrantStore, connect
from shared.vectorstore.qdrant_query import BYTES_PER_CALL, POINTS_PER_CALL, chunks
from shared.vectorstore.qdrant_setup import PROBE_PREFIX
from tests.contract.stores import unique_spec
from tests.contract.vectors import ids, point, point_id, unit
from tests.fakes import DIM
from tests.qdrant.process import StandinProcess

KEY = "a-key-that-nobody-should-read"


def in_parallel(work: list[Callable[[], object]]) -> None:
    """Do all at the same moment; raise the first error."""
    barrier = threading.Barrier(len(work))

    def begin(each: Callable[[], object]) -> None:
        barrier.wait()
        each()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, each) for each in work]:
            done.result()


# --- starting ---


@pytest.mark.parametrize("ignored", [["update_filter"], ["update_mode"], ["update_filter", "update_mode"]])
def test_a_server_that_ignores_the_guard_is_refused_with_its_version(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, ignored: list[str]
) -> None:
    server.tell(ignore=ignored)
    with pytest.raises(Fatal, match=r"does not honour guarded writes .* 1\.17 or newer .* it says it is 1\.15\.5"):
        opener().open(spec)
    server.tell()
    assert list(opener().open(spec).scroll(())) == []


def test_a_server_that_drops_guarded_writes_is_refused(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    class Deaf(Meddler):
        def upsert(self, *values: Any, **named: Any) -> models.UpdateResult:
            dropped = named.get("update_filter") is not None
            return (
                models.UpdateResult(status=models.UpdateStatus.COMPLETED)
                if dropped
                else self._client.upsert(*values, **named)
            )

    store = opener()
    client: Any = Deaf(store._link.client)
    store._link = replace(store._link, client=client)
    with pytest.raises(Fatal, match="does not honour guarded writes"):
        store.open(spec)


def test_the_check_leaves_nothing_and_a_probe_of_a_killed_worker_is_not_seen(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection = opener().open(spec)
    with_leftover = QdrantClient(url=server.url, check_compatibility=False)
    assert with_leftover.scroll(spec.name, with_payload=True)[0] == []
    probe = models.PointStruct(id=str(UUID(int=PROBE_PREFIX << 64)), vector={}, payload={VERSION_FIELD: 2})
    with_leftover.upsert(spec.name, [probe])
    with_leftover.close()
    collection.upsert([point(1)])
    assert [which for which, _ in collection.scroll(())] == [point_id(1)]


def test_workers_that_start_at_once_all_start(opener: Callable[..., QdrantStore]) -> None:
    for _ in range(3):
        spec = unique_spec()
        in_parallel([lambda spec=spec: opener().open(spec) for _ in range(6)])  # type: ignore[misc]  # a bound default
        collection = opener().open_alias(spec.alias)
        assert collection is not None
        collection.upsert([point(1)])
        assert opener().open(spec).versions([point_id(1)]) == {point_id(1): 1}


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"vectors": {"text": DIM + 1, "resolution": DIM}}, f"text is {DIM} dimensions by Cosine, expected {DIM + 1}"),
        ({"vectors": {"text": DIM}}, f"resolution is {DIM} dimensions by Cosine, expected none"),
        ({"sparse": ()}, "terms is sparse with modifier idf, expected none"),
        ({"sparse": ("terms", "words")}, "words is missing, expected sparse with modifier idf"),
        ({"indexes": {"satisfaction": "keyword"}}, "satisfaction is indexed as integer, not keyword"),
    ],
)
def test_a_collection_with_other_parameters_is_refused_and_the_difference_named(
    opener: Callable[..., QdrantStore], spec: CollectionSpec, other: dict[str, Any], words: str
) -> None:
    opener().open(spec)
    with pytest.raises(Fatal, match=words) as raised:
        opener().open(replace(spec, **other))
    assert spec.name in str(raised.value)


def test_a_field_that_is_not_indexed_yet_becomes_so(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    opener().open(replace(spec, indexes={}))
    opener().open(spec)
    client = QdrantClient(url=server.url, check_compatibility=False)
    schema = client.get_collection(spec.name).payload_schema
    client.close()
    assert {name: each.data_type.value for name, each in schema.items()} == {**spec.indexes, VERSION_FIELD: "integer"}
    tenant = schema["tenant_id"].params
    assert isinstance(tenant, models.KeywordIndexParams)
    assert tenant.is_tenant


def test_the_alias_is_set_once_and_a_second_model_does_not_move_it(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    assert opener().open_alias(spec.alias) is None
    opener().open(spec).upsert([point(1)])
    opener().open(replace(spec, name=spec.name + "-b", vectors={"text": 4}))
    readers = opener().open_alias(spec.alias)
    assert readers is not None
    assert readers.versions([point_id(1)]) == {point_id(1): 1}
    with pytest.raises(ValueError, match="shape"):
        readers.upsert([point(2, vector=unit(1)[:4])])


def test_a_collection_that_is_gone_is_fatal(
    server: StandinProcess, remote: QdrantCollection, spec: CollectionSpec
) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.delete_collection(spec.name)
    client.close()
    with pytest.raises(Fatal, match="doesn't exist"):
        remote.upsert([point(1)])


# --- the key ---


def test_the_key_is_sent_and_never_told(
    spec: CollectionSpec, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with StandinProcess(key=KEY) as server:
        settings = StoreSettings(url=server.url, api_key=SecretStr(KEY))
        assert KEY not in repr(settings) + str(settings.model_dump())
        store = connect(settings)
        store.open(spec).upsert([point(1)])
        server.tell(full=True)
        with pytest.raises(Unavailable) as outage:
            store.open(spec).upsert([point(2)])
        store.close()
        for wrong in (None, SecretStr("another-key")):
            store = connect(StoreSettings(url=server.url, api_key=wrong))
            with pytest.raises(Fatal, match="refuses the key") as refused:
                store.open(spec)
            store.close()
            assert "another-key" not in str(refused.value)
    said = "".join([*capsys.readouterr(), caplog.text, str(outage.value), repr(store)])
    assert KEY not in said
    assert "travels unencrypted" in said


# --- several workers, several writes ---


class Meddler:
    """A client to which something happens just before the next write of one kind."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        self._before: tuple[str, Callable[[], object]] | None = None

    def before(self, kind: str, do: Callable[[], object]) -> None:
        """Do something once, before the next upsert that has this argument."""
        self._before = (kind, do)

    def upsert(self, *values: Any, **named: Any) -> models.UpdateResult:
        """Write, after what another worker did."""
        if self._before and self._before[0] in named:
            _, do = self._before
            self._before = None
            do()
        return self._client.upsert(*values, **named)

    @property
    def waits(self) -> bool:
        """Whether nothing has happened yet."""
        return self._before is not None

    def __getattr__(self, name: str) -> Any:
        """Do everything else as the client does."""
        return getattr(self._client, name)


def meddled(store: QdrantStore, spec: CollectionSpec) -> tuple[QdrantCollection, Meddler]:
    """Return a collection whose writes another worker can come before."""
    store.open(spec)
    meddler: Any = Meddler(store._link.client)
    link = replace(store._link, client=meddler)
    return QdrantCollection(link, spec.name, spec.vectors, spec.sparse), meddler


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


def test_an_id_that_is_gone_by_now_is_written_all_the_same(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection, meddler = meddled(opener(), spec)
    collection.upsert([point(1, 1)])
    gone: list[Any] = [str(point_id(1))]
    meddler.before("update_filter", lambda: opener()._link.client.delete(spec.name, gone))
    collection.upsert([point(1, 2)])
    assert not meddler.waits
    assert collection.versions([point_id(1)]) == {point_id(1): 2}


def test_a_collection_that_goes_while_it_is_written_is_fatal(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    collection, meddler = meddled(opener(), spec)
    meddler.before("update_mode", lambda: opener()._link.client.delete_collection(spec.name))
    with pytest.raises(Fatal, match="doesn't exist"):
        collection.upsert([point(number) for number in range(500)])


def test_of_several_refusals_the_one_that_waiting_does_not_mend_is_told(
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


def test_of_workers_that_write_the_same_ids_the_newest_version_wins(
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
    server.tell(delay_s=0.1)
    server.report()
    collection.upsert([point(number) for number in range(8 * POINTS_PER_CALL)])
    report = server.report()
    assert report["calls"]["PUT /collections/*/points"] == 8
    assert 2 <= report["most_at_once"] <= 4
    server.tell()
    assert len(collection.versions([point_id(number) for number in range(8 * POINTS_PER_CALL)])) == 8 * POINTS_PER_CALL


@pytest.mark.parametrize("written", ["nothing", "half", "all"])
def test_a_write_that_failed_in_part_is_unavailable_and_the_next_completes_it(
    server: StandinProcess, remote: QdrantCollection, written: str
) -> None:
    remote.upsert([point(number) for number in range(0, 1_000, 2)])
    points = [point(number, 2, says="again") for number in range(1_000)]
    server.tell(fail_upsert=3, written=written)
    with pytest.raises(Unavailable, match="told to fail"):
        remote.upsert(points)
    server.tell()
    remote.upsert(points)
    stored = remote.lookup(ids(points))
    assert {(found.version, found.payload["says"]) for found in stored.values()} == {(2, "again")}
    assert len(stored) == 1_000


def test_what_is_only_in_a_queue_is_not_acknowledged(server: StandinProcess, remote: QdrantCollection) -> None:
    server.tell(acknowledge=True)
    with pytest.raises(Unavailable, match="has not made it"):
        remote.upsert([point(1)])


def test_points_are_cut_into_calls_by_number_and_by_size() -> None:
    small = [point(number) for number in range(2 * POINTS_PER_CALL + 1)]
    assert [len(chunk) for chunk in chunks(small)] == [POINTS_PER_CALL, POINTS_PER_CALL, 1]
    big = [point(number, text="x" * (BYTES_PER_CALL // 3)) for number in range(5)]
    assert [len(chunk) for chunk in chunks(big)] == [2, 2, 1]
    bigger = [point(number, text="ä" * BYTES_PER_CALL) for number in range(2)]
    assert [len(chunk) for chunk in chunks(bigger)] == [1, 1]
    assert [each for chunk in chunks([*small, *big]) for each in chunk] == [*small, *big]
    assert list(chunks([])) == []


def test_a_call_of_big_points_gets_through(remote: QdrantCollection) -> None:
    points = [point(number, text="x" * 900_000) for number in range(20)]
    remote.upsert(points)
    assert len(remote.versions(ids(points))) == 20


# --- what is not ours ---


def test_a_point_of_somebody_else_is_fatal_and_named(
    server: StandinProcess, remote: QdrantCollection, spec: CollectionSpec
) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.upsert(spec.name, [models.PointStruct(id=str(point_id(1)), vector={}, payload={"text": "hello"})])
    client.close()
    with pytest.raises(Fatal, match=str(point_id(1))):
        remote.upsert([Point(point_id(1), 1, {"text": unit(1)}, {VERSION_FIELD: 1})])
