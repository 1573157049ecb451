"""Servers as operators configure them: storage kinds, limited tokens, strict mode, small requests, moved aliases.

All of it runs on the stand-in, whose rules follow the public source of Qdrant's server; the tests of work within limits
also run on a real server if `MILLRACE_TEST_QDRANT_URL` names one. A green run on the stand-in alone does not prove that
a real server counts alike, refuses in the same words, or finds as much with smaller requests of an approximate index.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from shared.errors import Fatal, Unavailable
from shared.settings import StoreSettings
from shared.vectorstore.port import VERSION_FIELD, CollectionSpec, HybridQuery, Query
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore, connect
from tests.support.fakes import DIM, ManualClock
from tests.support.qdrant.process import StandinProcess
from tests.support.stores import KINDS, settings_of, unique_spec
from tests.support.vectors import drawn, ids, point, point_id, terms, worded
from tests.support.waiting import wait_until

POINTS = 300
MIB = 1 << 20


@pytest.fixture
def operator(server: StandinProcess) -> Iterator[QdrantClient]:
    """Yield a client with full rights."""
    client = QdrantClient(url=server.url, check_compatibility=False)
    yield client
    client.close()


def created(operator: QdrantClient, spec: CollectionSpec, **vectors: models.VectorParams) -> None:
    """Create a collection beforehand; vectors that are not named here are as Millrace requests them."""
    wanted = {name: models.VectorParams(size=DIM, distance=models.Distance.COSINE) for name in spec.vectors}
    sparse = {name: models.SparseVectorParams(modifier=models.Modifier.IDF) for name in spec.sparse}
    operator.create_collection(spec.name, vectors_config=wanted | vectors, sparse_vectors_config=sparse)


def move(operator: QdrantClient, alias: str, name: str | None) -> None:
    """Point an alias to a collection, wherever it pointed before; None removes it."""
    change: Any = (
        models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        if name is None
        else models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=alias))
    )
    operator.update_collection_aliases([change])


# --- kinds of storage ---


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"datatype": models.Datatype.UINT8}, "stored as uint8"),
        ({"datatype": models.Datatype.TURBO4}, "stored as turbo4"),
        (
            {"multivector_config": models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)},
            "as a multivector",
        ),
    ],
)
def test_storage_that_cannot_hold_millrace_s_vectors_is_refused_at_start(
    operator: QdrantClient, opener: Callable[..., QdrantStore], spec: CollectionSpec, how: dict[str, Any], words: str
) -> None:
    created(operator, spec, resolution=models.VectorParams(size=DIM, distance=models.Distance.COSINE, **how))
    with pytest.raises(Fatal, match=f"vector resolution is {DIM} dimensions by Cosine.*{words}"):
        opener().open(spec)


def test_terms_stored_with_low_precision_are_refused_and_float16_is_accepted(
    operator: QdrantClient, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    def make(datatype: models.Datatype) -> CollectionSpec:
        own = replace(spec, name=f"{spec.name}-{datatype.value}")
        operator.create_collection(
            own.name,
            vectors_config={
                name: models.VectorParams(size=DIM, distance=models.Distance.COSINE, datatype=models.Datatype.FLOAT16)
                for name in spec.vectors
            },
            sparse_vectors_config={
                "terms": models.SparseVectorParams(
                    modifier=models.Modifier.IDF, index=models.SparseIndexParams(datatype=datatype)
                )
            },
        )
        return own

    opener().open(make(models.Datatype.FLOAT16))
    with pytest.raises(Fatal, match="vector terms is sparse with modifier idf stored as uint8"):
        opener().open(make(models.Datatype.UINT8))


# --- keys that are scoped to the collection ---


def test_a_key_for_the_collection_alone_starts_a_worker_if_everything_exists(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    opener().open(spec)
    for hide in (False, True):
        for scope in ({spec.name: "rw"}, {spec.name: "rw", spec.alias: "r"}):
            server.report()
            server.set_faults(scope=scope, hide_aliases=hide)
            collection = opener().open(spec)
            collection.upsert([point(1)])
            assert collection.versions([point_id(1)]) == {point_id(1): 1}
            calls = server.report()["calls"]
            assert "PUT /collections/*" not in calls, "it exists already"
            assert "PUT /collections/*/index" not in calls


@pytest.mark.parametrize(
    ("made_before", "scope", "words"),
    [
        (None, {"of-others": "rw"}, "may not read collection {name}"),
        (None, {"{name}": "rw", "{alias}": "rw"}, "may not create collection {name}"),
        ("no index", {"{name}": "r", "{alias}": "r"}, "may not create index event_version on collection {name}"),
        ("all", {"{name}": "r", "{alias}": "r"}, "may not write points into collection {name}"),
        ("no alias", {"{name}": "rw", "{alias}": "rw"}, "may not create the alias {alias}"),
    ],
)
def test_a_missing_right_of_a_key_is_named(
    server: StandinProcess,
    operator: QdrantClient,
    opener: Callable[..., QdrantStore],
    spec: CollectionSpec,
    made_before: str | None,
    scope: dict[str, str],
    words: str,
) -> None:
    if made_before is not None:
        created(operator, spec)
    if made_before in ("all", "no alias"):
        opener().open(spec)
    if made_before == "no alias":
        move(operator, spec.alias, None)
    names = {"name": spec.name, "alias": spec.alias}
    server.set_faults(scope={key.format(**names): right for key, right in scope.items()})
    with pytest.raises(Fatal, match=rf"MILLRACE_STORE__API_KEY {words.format(**names)}.*\(.* is required\)"):
        opener(api_key=SecretStr("a-token")).open(spec)


@pytest.mark.parametrize("hide", [False, True])
def test_a_reader_s_key_may_be_scoped_to_the_alias_the_collection_or_both(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, hide: bool
) -> None:
    opener().open(spec).upsert([point(1)])
    for scope in ({spec.alias: "r"}, {spec.name: "r", spec.alias: "r"}):
        server.set_faults(scope=scope, hide_aliases=hide)
        readers = opener().open_alias(spec.alias)
        assert readers is not None
        assert readers.versions([point_id(1)]) == {point_id(1): 1}
    server.set_faults(scope={spec.name: "r"}, hide_aliases=hide)
    with pytest.raises(Fatal, match=f"may not read {spec.alias} .*extend the key's access to {spec.alias}"):
        opener().open_alias(spec.alias)


# --- strict mode ---

STRICT = [
    {"max_query_limit": 3},
    {"max_query_limit": 1},
    {"filter_max_conditions": 5},
    {"filter_max_conditions": 4},
    {"condition_max_size": 4},
    {"upsert_max_batchsize": 7},
    {"search_max_batchsize": 1},
    {"search_allow_exact": False},
    {"unindexed_filtering_retrieve": False, "unindexed_filtering_update": False},
    {"read_rate_limit": 3_000},
    {"write_rate_limit": 2_000},
    {"max_query_limit": 4, "condition_max_size": 3, "search_max_batchsize": 2, "search_allow_exact": False},
]


def work(collection: QdrantCollection) -> list[Any]:
    """Make every call of a worker and its readers, and return the results."""
    first = [
        worded(number, {1: 1 + number / 50, 2 + number: 0.5}, tenant_id="acme", satisfaction=5) for number in range(30)
    ]
    collection.upsert(first)
    second = [replace(each, version=2, payload={**each.payload, VERSION_FIELD: 2}) for each in first[:20]]
    collection.upsert(second)
    near = Query(drawn(3), "text", 8, {"tenant_id": "acme"}, {"satisfaction": 4}, ("satisfaction",), ("number",))
    found = collection.candidates(
        [HybridQuery(near, terms({1: 1.0, 5: 1.0}), "terms"), HybridQuery(near, terms({}), "terms")]
    )
    return [
        collection.versions(ids(first)),
        sorted(collection.lookup(ids(first))),
        [[hit.id for hit in hits] for hits in collection.search([near, near])],
        [[(each.id, round(each.dense, 4), round(each.bm25, 4)) for each in answer] for answer in found],
        collection.count({"tenant_id": "acme"}, {"satisfaction": 5}),
        sorted(which for which, _ in collection.scroll(("number",))),
    ]


@pytest.fixture(params=[kind for kind in KINDS if kind in ("standin", "rest", "grpc")])
def settings(request: pytest.FixtureRequest) -> StoreSettings:
    """Yield a server whose collections can be given strict limits: the stand-in, and a real one if it is configured."""
    return settings_of(request.param, request)


@pytest.mark.parametrize("strict", STRICT, ids=str)
def test_work_continues_within_limits_set_before_or_during_it_and_finds_the_same(
    settings: StoreSettings, strict: dict[str, Any]
) -> None:
    specs = [unique_spec() for _ in range(3)]
    store = connect(settings)
    client = store.link.client
    try:
        freely = work(store.open(specs[0]))
        store.open(specs[1])
        under = store.open(specs[2])
        for spec in specs[1:]:
            mode = models.StrictModeConfig(enabled=True, **strict)
            client.update_collection(spec.name, strict_mode_config=mode)
        assert work(store.open(specs[1])) == freely
        assert work(under) == freely
    finally:
        for spec in specs:
            client.delete_collection(spec.name)
        store.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_query_limit", 0),
        ("filter_max_conditions", 1),
        ("filter_max_conditions", 3),
        ("condition_max_size", 0),
        ("upsert_max_batchsize", 0),
        ("search_max_batchsize", 0),
        ("read_rate_limit", 1),
        ("write_rate_limit", 1),
    ],
)
def test_a_limit_that_nothing_fits_is_refused_by_name(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, name: str, value: int
) -> None:
    collection = opener().open(spec)
    server.set_faults(strict={name: value})
    with pytest.raises(Fatal, match=f"strict mode of collection {spec.name}.*{name} is {value}"):
        opener().open(spec)
    if not name.endswith("rate_limit"):
        with pytest.raises(Fatal, match=name):
            work(collection)


def test_a_read_limit_that_is_smaller_than_a_batch_is_met_in_several_tries(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    server.set_faults(strict={"read_rate_limit": 60}, minute_s=0.2)
    collection = opener().open(spec)
    points = [point(number) for number in range(POINTS)]

    seen: list[dict[Any, int]] = []

    def settled() -> bool:
        with suppress(Unavailable):
            collection.lookup(ids(points))
            collection.search([Query(drawn(number), "text", 5, {"tenant_id": "acme"}) for number in range(40)])
            collection.upsert(points)
            seen.append(collection.versions(ids(points)))
        return bool(seen)

    wait_until(settled, 60, "the batch being written")
    assert seen[0] == {each.id: 1 for each in points}


# --- the size of a request ---


def test_requests_that_are_too_large_are_split_and_the_smaller_size_is_remembered(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    server.set_faults(most_bytes=20_000)
    collection = opener().open(spec)
    first = [point(number, text="x" * 500) for number in range(POINTS)]
    collection.upsert(first)
    collection.upsert([point(number, 2, text="x" * 500) for number in range(POINTS)])
    assert collection.versions(ids(first)[:100]) == dict.fromkeys(ids(first)[:100], 2)
    queries = [Query(drawn(number), "text", 1) for number in range(POINTS)]
    assert [hits[0].id for hits in collection.search(queries)] == ids(first)
    server.report()
    collection.upsert([point(number, 3, text="x" * 500) for number in range(POINTS)])
    calls = server.report()["calls"]["PUT /collections/*/points"]
    assert calls < POINTS, "the size that was learned is not learned again for each point"


def test_a_single_point_that_is_too_large_is_named_with_the_setting(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    server.set_faults(most_bytes=20_000)
    collection = opener().open(spec)
    with pytest.raises(Fatal, match=rf"point {point_id(2)} takes up to .*max_request_size_mb"):
        collection.upsert([point(1), point(2, text="x" * 30_000), point(3)])


# --- aliases that are moved ---


def test_an_alias_that_is_moved_removed_or_moved_back_is_noticed_and_never_set(
    server: StandinProcess, operator: QdrantClient, opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    clock, reported = ManualClock(), list[bool]()
    store = opener()
    store._clock = clock
    collection = store.open(spec)
    collection.watch_alias(reported.append)
    other = replace(spec, name=f"{spec.name}-b")
    opener().open(other)

    def notices(words: str | None) -> bool:
        clock.seconds += 30
        collection.upsert([point(1)])
        fault = collection.alias_fault()
        return fault is None if words is None else words in (fault or "")

    places = [(other.name, f"points to {other.name}"), (spec.name, None), (None, "was deleted")]
    for place, words in places:
        move(operator, spec.alias, place)
        wait_until(partial(notices, words), 20, f"the alias: {words}")
        assert reported[-1] is (words is not None)
    assert spec.alias not in {each.alias_name for each in operator.get_aliases().aliases}


def test_a_collection_other_than_the_one_that_readers_use_is_no_fault(
    opener: Callable[..., QdrantStore], spec: CollectionSpec
) -> None:
    opener().open(spec)
    clock = ManualClock()
    store = opener()
    store._clock = clock
    collection = store.open(replace(spec, name=f"{spec.name}-b"))
    for _ in range(3):
        clock.seconds += 60
        collection.upsert([point(1)])
        assert collection.alias_fault() is None
