"""Opening a store on Qdrant's server: the check at start, created or refused collections, aliases, key, call sizes.

All of it runs on the stand-in of `tests.support.qdrant.server`, whose docstring states what a green run does not prove:
nothing here shows how a real server lists a collection's parameters, nor which calls it allows a key with limited
rights.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from shared.errors import Fatal, Unavailable
from shared.records import Point
from shared.settings import StoreSettings
from shared.vectorstore.port import VERSION_FIELD, CollectionSpec
from shared.vectorstore.qdrant.setup import PROBE_PREFIX
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore, connect
from tests.support.fakes import DIM
from tests.support.meddler import Meddler, in_parallel
from tests.support.qdrant.process import StandinProcess
from tests.support.stores import unique_spec
from tests.support.vectors import point, point_id, unit

KEY = "a-key-that-nobody-should-read"


# --- starting ---


@pytest.mark.parametrize("ignored", [["update_filter"], ["update_mode"], ["update_filter", "update_mode"]])
def test_a_server_that_ignores_the_guard_is_refused(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, ignored: list[str]
) -> None:
    server.set_faults(ignore=ignored)
    with pytest.raises(Fatal, match="ignores the condition of a write"):
        opener().open(spec)
    server.set_faults()
    assert list(opener().open(spec).scroll(())) == []


@pytest.mark.parametrize("version", ["1.18.3", "v0.11.0", "1.2"])
def test_a_server_that_is_too_old_is_refused_and_nothing_is_created(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, version: str
) -> None:
    server.set_faults(version=version)
    with pytest.raises(Fatal, match=rf"is Qdrant {version}: upgrade it to 1\.19 or newer"):
        opener().open(spec)
    assert opener().open_alias(spec.alias) is None


@pytest.mark.parametrize("version", ["1.19.0", "1.20.1", "2.0.0", "nightly"])
def test_a_newer_server_is_not_refused(
    server: StandinProcess, opener: Callable[..., QdrantStore], spec: CollectionSpec, version: str
) -> None:
    server.set_faults(version=version)
    opener().open(spec)


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
    with pytest.raises(Fatal, match="ignores the condition of a write"):
        store.open(spec)


def test_the_check_leaves_nothing_and_a_probe_of_a_killed_worker_is_not_visible(
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


def test_workers_that_start_at_the_same_time_all_start(opener: Callable[..., QdrantStore]) -> None:
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
def test_a_collection_with_other_parameters_is_refused_and_the_difference_is_named(
    opener: Callable[..., QdrantStore], spec: CollectionSpec, other: dict[str, Any], words: str
) -> None:
    opener().open(spec)
    with pytest.raises(Fatal, match=words) as raised:
        opener().open(replace(spec, **other))
    assert spec.name in str(raised.value)


def test_a_field_without_an_index_gets_one(
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


def test_a_deleted_collection_is_fatal(server: StandinProcess, remote: QdrantCollection, spec: CollectionSpec) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.delete_collection(spec.name)
    client.close()
    with pytest.raises(Fatal, match="doesn't exist"):
        remote.upsert([point(1)])


# --- the key ---


def test_the_key_is_sent_and_never_shown(
    spec: CollectionSpec, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with StandinProcess(key=KEY) as server:
        settings = StoreSettings(url=server.url, api_key=SecretStr(KEY))
        assert KEY not in repr(settings) + str(settings.model_dump())
        store = connect(settings)
        store.open(spec).upsert([point(1)])
        server.set_faults(full=True)
        with pytest.raises(Unavailable) as outage:
            store.open(spec).upsert([point(2)])
        store.close()
        for wrong in (None, SecretStr("another-key")):
            store = connect(StoreSettings(url=server.url, api_key=wrong))
            with pytest.raises(Fatal, match="rejects the key") as refused:
                store.open(spec)
            store.close()
            assert "another-key" not in str(refused.value)
    said = "".join([*capsys.readouterr(), caplog.text, str(outage.value), repr(store)])
    assert KEY not in said
    assert "sent unencrypted" in said


# --- points of other programs ---


def test_a_point_of_another_program_is_fatal_and_named(
    server: StandinProcess, remote: QdrantCollection, spec: CollectionSpec
) -> None:
    client = QdrantClient(url=server.url, check_compatibility=False)
    client.upsert(spec.name, [models.PointStruct(id=str(point_id(1)), vector={}, payload={"text": "hello"})])
    client.close()
    with pytest.raises(Fatal, match=str(point_id(1))):
        remote.upsert([Point(point_id(1), 1, {"text": unit(1)}, {VERSION_FIELD: 1})])
