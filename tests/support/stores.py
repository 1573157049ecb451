"""The vector stores under test: the fake, Edge, Qdrant's client in its memory mode, the stand-in, and a real server.

A real server is tested if `MILLRACE_TEST_QDRANT_URL` names one (its key in `MILLRACE_TEST_QDRANT_API_KEY`), over REST
and over gRPC (port 6334, or `MILLRACE_TEST_QDRANT_GRPC_PORT`). There and on the stand-in each test has a collection and
an alias of its own, removed afterwards.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import qdrant_edge as edge
from pydantic import SecretStr
from qdrant_client import QdrantClient, models

from shared.records import Point, Vector
from shared.settings import StoreSettings
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.port import VERSION_FIELD, Collection, CollectionSpec, IndexKind, VectorStore
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore, connect
from tests.support.fakes import FakeCollection, FakeStore
from tests.support.qdrant.process import StandinProcess
from tests.support.vectors import SPEC

URL_VARIABLE = "MILLRACE_TEST_QDRANT_URL"
KEY_VARIABLE = "MILLRACE_TEST_QDRANT_API_KEY"
GRPC_PORT_VARIABLE = "MILLRACE_TEST_QDRANT_GRPC_PORT"
REAL_TIMEOUT_S = 30
"""Creating and removing hundreds of collections takes a server's disk longer than a call of a worker."""

KINDS = ["fake", "edge", "memory", "standin"] + (["rest", "grpc"] if os.environ.get(URL_VARIABLE) else [])
MEMORY_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore:{said}")
    for said in ("Payload indexes have no effect in the local", "Local mode performs exact")
]
"""The client's one-time warning about its memory mode, whose two limits are expected here."""


def params(**cannot: str) -> list[object]:
    """Return the kinds of store as parameters; the named ones are expected to fail, for the given reason."""
    return [pytest.param(kind, marks=_marks(kind, cannot.get(kind))) for kind in KINDS]


def all_but(**cannot: str) -> pytest.MarkDecorator:
    """Run on all stores, and expect the named ones to fail."""
    return pytest.mark.parametrize("collection", params(**cannot), indirect=True)


@contextmanager
def opened(
    request: pytest.FixtureRequest, folder: Path, indexes: Mapping[str, IndexKind] | None = None
) -> Iterator[Collection]:
    """Open a new collection, with these indexes too, in the store that the fixture's parameter names."""
    local = with_indexes(SPEC, indexes)
    kind: str = request.param
    if kind == "fake":
        yield from _closed_after(FakeStore(FakeCollection()), SPEC)
    elif kind == "edge":
        yield from _closed_after(EdgeStore(folder / "store"), local)
    elif kind == "memory":
        yield from _closed_after(QdrantStore(QdrantClient(":memory:"), ":memory:", 1), local)
    else:
        spec = with_indexes(unique_spec(), indexes)
        settings = settings_of(kind, request)
        try:
            yield from _closed_after(connect(settings), spec)
        finally:
            remove(settings, spec)


def with_indexes(spec: CollectionSpec, indexes: Mapping[str, IndexKind] | None) -> CollectionSpec:
    """Return a spec with more payload indexes."""
    return replace(spec, indexes={**spec.indexes, **(indexes or {})})


def unique_spec() -> CollectionSpec:
    """Return the spec under a name and an alias that no other test has."""
    own = uuid4().hex
    return replace(SPEC, alias=f"millrace-test-{own}", name=f"millrace-test-{own}__00000001")


def settings_of(kind: str, request: pytest.FixtureRequest) -> StoreSettings:
    """Return the settings for connecting to a server."""
    if kind == "standin":
        standin: StandinProcess = request.getfixturevalue("qdrant_standin")
        return StoreSettings(url=standin.url)
    key = os.environ.get(KEY_VARIABLE)
    return StoreSettings(
        url=os.environ[URL_VARIABLE],
        api_key=SecretStr(key) if key else None,
        grpc=kind == "grpc",
        grpc_port=int(os.environ.get(GRPC_PORT_VARIABLE, "6334")),
        timeout_s=REAL_TIMEOUT_S,
    )


def remove(settings: StoreSettings, spec: CollectionSpec) -> None:
    """Remove a test's collection, and with it the alias."""
    store = connect(settings)
    try:
        store.link.client.delete_collection(spec.name)  # the adapter itself removes nothing
    finally:
        store.close()


def write_foreign(
    collection: Collection,
    which: UUID | int,
    payload: Mapping[str, object],
    vectors: Mapping[str, Vector] | None = None,
) -> None:
    """Write a point as another program does: any id and payload, bypassing Millrace's checks and the guard."""
    named: dict[str, Any] = {name: vector.tolist() for name, vector in (vectors or {}).items()}
    if isinstance(collection, EdgeCollection):
        foreign = edge.Point(which, named, dict(payload))
        collection._shard.update(edge.UpdateOperation.upsert_points([foreign]))
    elif isinstance(collection, QdrantCollection):
        key = which if isinstance(which, int) else str(which)
        record = models.PointStruct(id=key, vector=named, payload=dict(payload))
        collection._link.client.upsert(collection._name, [record], wait=True)
    else:
        assert isinstance(collection, FakeCollection)
        stated: Any = payload.get(VERSION_FIELD)
        version = stated if isinstance(stated, int) else 1
        held = Point(which, version, dict(vectors or {}), dict(payload))  # type: ignore[arg-type]  # an integer is foreign
        collection.points[held.id] = held


def _closed_after(store: VectorStore, spec: CollectionSpec) -> Iterator[Collection]:
    try:
        yield store.open(spec)
    finally:
        store.close()


def _marks(kind: str, cannot: str | None) -> list[pytest.MarkDecorator]:
    marks = MEMORY_WARNINGS if kind == "memory" else []
    return [*marks, pytest.mark.xfail(reason=f"{kind}: {cannot}", strict=True)] if cannot else list(marks)
