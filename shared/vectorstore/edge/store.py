"""Qdrant Edge: the server's engine inside this process, on disk with a write-ahead log. One process per folder.

The design states what Edge guarantees. The guard, and why everything is checked before a call, are explained in
`docs/decisions/0003-guarded-writes.md`.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as edge
from typing_extensions import override

from shared.errors import Fatal, StoreInUse, Unavailable
from shared.records import Point
from shared.vectorstore.checking import candidates_checked, check_indexes, search_checked
from shared.vectorstore.edge.folder import ALIASES, OWNER, aliases_of
from shared.vectorstore.edge.query import find_candidates, find_hits, older_than, to_filter, to_id, to_point
from shared.vectorstore.port import (
    VERSION_FIELD,
    Candidate,
    Collection,
    CollectionSpec,
    Hit,
    HybridQuery,
    IndexKind,
    Query,
    Stored,
    VectorStore,
    check_points,
    stored_version,
    with_uuid,
)

POINTS_PER_CALL = 200
"""An update holds the interpreter's lock; with this many points it holds the lock for less than about 10 ms."""

FLUSH_POINTS = 10_000
"""The largest number of writes that are only in the write-ahead log. Each takes about 2 KB of it, and opening a folder
replays it, which takes a second for 15,000 writes and blocks the whole process."""

SCROLL_POINTS = 1_000
INDEXES: Mapping[IndexKind, edge.PayloadSchemaType] = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "datetime": edge.PayloadSchemaType.Datetime,
}


class EdgeCollection(Collection):
    """One collection, in its own folder."""

    def __init__(self, shard: edge.EdgeShard, dimensions: Mapping[str, int], sparse: Sequence[str]) -> None:
        self._shard = shard
        self._dimensions, self._sparse = dimensions, sparse
        self._unflushed = 0

    @override
    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        found: dict[UUID, Stored] = {}
        for record in self._retrieve(ids, True, list(self._dimensions)):
            payload: dict[str, Any] = record.payload or {}
            vectors = {name: np.asarray(values, np.float32) for name, values in _named(record.vector).items()}
            found[to_id(record.id)] = Stored(stored_version(record.id, payload), payload, vectors)
        return found

    @override
    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        records = self._retrieve(ids, [VERSION_FIELD], False)
        return {to_id(record.id): stored_version(record.id, record.payload) for record in records}

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        check_points(points, self._dimensions, self._sparse)
        known = self.versions([point.id for point in points])
        fresh = [point for point in points if point.id not in known]
        newer = [point for point in points if point.id in known and known[point.id] < point.version]
        for chunk in _chunks(fresh):
            self._update([to_point(point) for point in chunk], None, edge.UpdateMode.InsertOnly)
        for chunk in _chunks(newer):
            self._update([to_point(point) for point in chunk], older_than(chunk), edge.UpdateMode.UpdateOnly)
        self._unflushed += len(fresh) + len(newer)
        if self._unflushed >= FLUSH_POINTS:
            self._flush()

    @override
    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        check_indexes(queries, self.indexes())
        return search_checked(queries, lambda asked: find_hits(asked, self._ask, self.payloads))

    @override
    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        check_indexes(queries, self.indexes())
        return candidates_checked(queries, lambda asked: find_candidates(asked, self._ask, self.payloads))

    @override
    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return {to_id(record.id): record.payload or {} for record in self._retrieve(ids, list(fields), False)}

    @override
    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return self.payloads(ids, fields)

    @override
    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        try:
            return self._shard.count(edge.CountRequest(exact=True, filter=to_filter(equals, at_least)))
        except Exception as error:  # Edge raises plain exceptions
            raise Unavailable("store", str(error)) from error

    @override
    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        return with_uuid(self.scroll_all(payload))

    @override
    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        offset = None
        while True:
            request = edge.ScrollRequest(offset=offset, limit=SCROLL_POINTS, with_payload=list(payload))
            try:
                records, offset = self._shard.scroll(request)
            except Exception as error:  # Edge raises plain exceptions
                raise Unavailable("store", str(error)) from error
            for record in records:
                yield to_id(record.id), record.payload or {}
            if offset is None:
                return

    def indexes(self) -> dict[str, IndexKind]:
        """Return the kind of each payload index; it takes some microseconds."""
        kinds = {kind: name for name, kind in INDEXES.items()}
        return {name: kinds[each.data_type] for name, each in self._shard.info().payload_schema.items()}

    def index(self, indexes: Mapping[str, IndexKind]) -> None:
        """Create the payload indexes that are missing."""
        _create_indexes(self._shard, indexes)

    def close(self) -> None:
        """Flush to disk, and release the folder of the collection."""
        self._shard.close()

    def _ask(self, requests: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        if not requests:
            return []
        try:
            return self._shard.query_batch(edge.QueryBatchRequest(list(requests)))
        except Exception as error:  # Edge raises plain exceptions
            raise Unavailable("store", str(error)) from error

    def _retrieve(self, ids: Ids[UUID], payload: bool | list[str], vectors: bool | list[str]) -> list[edge.Record]:
        if not ids:
            return []
        try:
            return self._shard.retrieve(list(ids), payload, vectors)
        except Exception as error:  # Edge raises plain exceptions
            raise Unavailable("store", str(error)) from error

    def _flush(self) -> None:
        try:
            self._shard.flush()
        except Exception as error:  # Edge raises plain exceptions
            raise Unavailable("store", str(error)) from error
        self._unflushed = 0

    def _update(self, points: list[edge.Point], condition: edge.Filter | None, mode: edge.UpdateMode) -> None:
        try:
            self._shard.update(edge.UpdateOperation.upsert_points(points, condition, mode))
        except Exception as error:  # Edge raises plain exceptions
            raise Unavailable("store", str(error)) from error


class EdgeStore(VectorStore):
    """A folder of collections, used by one process at a time.

    Args:
        folder: The folder; created if it does not exist.

    Raises:
        StoreInUse: another process uses the folder; the error states its pid.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = _lock(folder)
        self._open: dict[str, EdgeCollection] = {}

    @override
    def open(self, spec: CollectionSpec) -> EdgeCollection:
        """Open a collection, and create it if it does not exist.

        Raises:
            Fatal: the collection exists with other vectors, or cannot be opened.
        """
        if spec.name not in self._open:
            self._open[spec.name] = self._create(spec) if self._is_new(spec.name) else self._load(spec.name, spec)
        else:
            self._open[spec.name].index(spec.indexes)  # a reader may have opened it without them
        aliases = self._aliases()
        if spec.alias not in aliases:
            self._write(ALIASES, {**aliases, spec.alias: spec.name})
        return self._open[spec.name]

    @override
    def alias_target(self, alias: str) -> str | None:
        return self._aliases().get(alias)

    @override
    def open_alias(self, alias: str) -> EdgeCollection | None:
        name = self._aliases().get(alias)
        if name is not None and name not in self._open:
            self._open[name] = self._load(name)
        return None if name is None else self._open[name]

    @override
    def close(self) -> None:
        """Close every collection and release the folder."""
        for collection in self._open.values():
            collection.close()
        self._open.clear()
        os.close(self._lock)

    def _is_new(self, name: str) -> bool:
        return not (self._folder / f"{name}.json").exists()

    def _create(self, spec: CollectionSpec) -> EdgeCollection:
        params = {n: edge.EdgeVectorParams(size=d, distance=edge.Distance.Cosine) for n, d in spec.vectors.items()}
        sparse = {name: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf) for name in spec.sparse}
        folder = self._folder / spec.name
        _remove_unfinished(folder)
        shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors=params, sparse_vectors=sparse))
        _create_indexes(shard, {VERSION_FIELD: "integer", **spec.indexes})
        shard.flush()
        self._write(f"{spec.name}.json", _manifest(spec))  # last, because this file marks the folder as complete
        return EdgeCollection(shard, spec.vectors, spec.sparse)

    def _load(self, name: str, spec: CollectionSpec | None = None) -> EdgeCollection:
        manifest: dict[str, Any] = json.loads((self._folder / f"{name}.json").read_text())
        if "vectors" not in manifest or (spec is not None and manifest != _manifest(spec)):
            raise Fatal(
                f"the vector store's collection {name} was created with other vectors: "
                f"move {self._folder / name} and {name}.json to another place, then send all items again"
            )
        try:
            shard = edge.EdgeShard.load(str(self._folder / name))
        except Exception as error:  # Edge raises plain exceptions
            raise Fatal(
                f"the vector store's collection {name} cannot be opened: {error}; "
                f"restore {self._folder / name}, or move it away and send all items again"
            ) from error
        if spec is not None:
            _create_indexes(shard, spec.indexes)
        return EdgeCollection(shard, manifest["vectors"], manifest["sparse"])

    def _aliases(self) -> dict[str, str]:
        return aliases_of(self._folder)

    def _write(self, name: str, content: Mapping[str, object]) -> None:
        part = self._folder / f"{name}.part"
        part.write_text(json.dumps(content))
        part.replace(self._folder / name)


def _lock(folder: Path) -> int:
    """Lock the folder for this process; the kernel releases the lock when the process ends, in whatever way."""
    handle = os.open(folder / OWNER, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(handle, 32).decode(errors="replace").strip()
        os.close(handle)
        raise StoreInUse(str(folder), int(owner) if owner.isdigit() else None) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


def _manifest(spec: CollectionSpec) -> dict[str, object]:
    return {"vectors": dict(spec.vectors), "sparse": list(spec.sparse)}


def _create_indexes(shard: edge.EdgeShard, indexes: Mapping[str, IndexKind]) -> None:
    """Create the indexes that do not exist yet, or exist for another kind of value."""
    present = shard.info().payload_schema
    for name, kind in indexes.items():
        if name not in present or present[name].data_type != INDEXES[kind]:
            shard.update(edge.UpdateOperation.create_field_index(name, INDEXES[kind]))


def _remove_unfinished(folder: Path) -> None:
    """Delete the files of a process that died while it created this collection, and create an empty folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()


def _chunks(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    for start in range(0, len(points), POINTS_PER_CALL):
        yield points[start : start + POINTS_PER_CALL]


def _named(vector: Any) -> dict[str, list[float]]:
    return vector if isinstance(vector, dict) else {}
