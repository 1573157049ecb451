"""Qdrant's server or cluster, over REST or gRPC. Several workers may share it.

The reasons for the way of writing, the checks at start and the treatment of errors are in
`docs/decisions/0010-qdrant-server.md`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import QdrantClient, models
from typing_extensions import override

from shared.clock import Clock, SystemClock
from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.records import Point
from shared.settings import StoreSettings
from shared.vectorstore.checking import candidates_checked, check_indexes, search_checked
from shared.vectorstore.port import (
    VERSION_FIELD,
    Aliased,
    Candidate,
    Collection,
    CollectionSpec,
    Hit,
    HybridQuery,
    Query,
    Stored,
    VectorStore,
    check_points,
    stored_version,
    with_uuid,
)
from shared.vectorstore.qdrant.alias import AliasWatch, Opened, alias_target, ensure_alias
from shared.vectorstore.qdrant.client import client_of, where
from shared.vectorstore.qdrant.client_errors import permitted
from shared.vectorstore.qdrant.limits import Limits
from shared.vectorstore.qdrant.query import chunks, find_candidates, older_than, to_filter, to_id, to_request
from shared.vectorstore.qdrant.requests import Link, Requests
from shared.vectorstore.qdrant.setup import check_guard, check_version, ensure_collection, is_probe, layout

log = get_logger("store")


class QdrantCollection(Collection, Aliased):
    """One collection on the server.

    Args:
        link: The connection to the server.
        name: The physical name of the collection.
        dimensions: Dimension of each named vector.
        sparse: The names of the sparse vectors.
        limits: The limits of a request.
        opened: What was found when a worker opened the collection for writing; None for readers.
    """

    def __init__(
        self,
        link: Link,
        name: str,
        dimensions: Mapping[str, int],
        sparse: Sequence[str],
        limits: Limits | None = None,
        opened: Opened | None = None,
    ) -> None:
        self._link, self._name = link, name
        self._dimensions, self._sparse = dimensions, sparse
        self._requests = Requests(link, name, limits or Limits(), None if opened is None else opened.spec)
        self._watch = None if opened is None else self._watched(opened)

    @override
    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        self.alias_fault()
        found: dict[UUID, Stored] = {}
        for record in self._requests.retrieve("lookup", _texts(ids), True, list(self._dimensions)):
            named: Mapping[str, Any] = record.vector if isinstance(record.vector, dict) else {}
            vectors = {name: np.asarray(values, np.float32) for name, values in named.items()}
            version = stored_version(record.id, record.payload)
            found[_uuid(record)] = Stored(version, record.payload or {}, vectors)
        return found

    @override
    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        found = self._versions("versions", ids)
        self._requests.kept.forget()  # as `read_back` does
        return found

    @override
    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        found = self._requests.retrieve("read_back", _texts(ids), list(fields))
        self._requests.kept.forget()  # answers from before the write are out of date
        return {_uuid(record): record.payload or {} for record in found}

    @override
    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        found = self._requests.retrieve("payloads", _texts(ids), list(fields))
        return {_uuid(record): record.payload or {} for record in found}

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, each only over an absent or an older one; several calls are in flight at once.

        Ids that are not stored yet are written as insert-only. If another worker was faster with an id and wrote an
        older version, the point is written again under the guard.
        """
        check_points(points, self._dimensions, self._sparse)
        self.alias_fault()
        known = self._versions("before", [point.id for point in points])
        fresh = [point for point in points if point.id not in known]
        newer = [point for point in points if point.id in known and known[point.id] < point.version]
        self._requests.fitting(lambda: self._run(fresh, newer))
        if fresh:
            stored = self._versions("after", [point.id for point in fresh])
            late = [point for point in fresh if stored.get(point.id, -1) < point.version]
            self._requests.fitting(lambda: self._run([], late))

    @override
    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        self._check(queries)
        return search_checked(queries, self._search)

    @override
    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        self._check(queries)
        return candidates_checked(queries, lambda asked: find_candidates(asked, self._requests.ask))

    @override
    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        return self._requests.count(to_filter(equals, at_least))

    @override
    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        return with_uuid(self.scroll_all(payload))

    @override
    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield the id and payload fields of every point, except probes that a check at start left behind."""
        for record in self._requests.pages(None, list(payload)):
            which = to_id(record.id)
            if not is_probe(which):
                yield which, record.payload or {}

    @override
    def alias_fault(self) -> str | None:
        if self._watch is None:
            return None
        self._watch.look_by(self._link.pool)
        return self._watch.fault

    @override
    def watch_alias(self, notify: Callable[[bool], None]) -> None:
        if self._watch is not None:
            self._watch.notify(notify)

    def _run(self, fresh: Sequence[Point], newer: Sequence[Point]) -> None:
        """Write in chunks on the pool and wait for all of them; nothing is in flight when this returns or raises."""
        limits, most_bytes = self._requests.limits, self._requests.most_bytes
        submit = self._link.pool.submit
        futures: list[Future[None]] = [
            *(submit(self._insert, chunk) for chunk in chunks(fresh, limits.insert_points, most_bytes)),
            *(submit(self._replace, chunk) for chunk in chunks(newer, limits.guard_points, most_bytes)),
        ]
        wait(futures)
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        passing = [error for error in errors if isinstance(error, Unavailable)]
        for error in errors:
            if error not in passing:
                raise error
        if passing:
            raise passing[0]

    def _insert(self, chunk: list[Point]) -> None:
        # All replicas apply inserts in one order: the first insert of an id wins, and must be the same everywhere.
        how = {"ordering": models.WriteOrdering.MEDIUM, "update_mode": models.UpdateMode.INSERT_ONLY}
        self._requests.write(chunk, lambda _: how)

    def _replace(self, chunk: list[Point]) -> None:
        # The highest version wins in any order in which a replica applies these. An id deleted meanwhile is inserted.
        self._requests.write(chunk, lambda points: {"update_filter": older_than(points)})

    def _versions(self, purpose: str, ids: Ids[UUID]) -> dict[UUID, int]:
        found = self._requests.retrieve(purpose, _texts(ids), [VERSION_FIELD])
        return {_uuid(record): stored_version(record.id, record.payload) for record in found}

    def _search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        answers = self._requests.ask([to_request(query) for query in queries])
        return [[Hit(to_id(hit.id), hit.score, hit.payload or {}) for hit in answer] for answer in answers]

    def _check(self, queries: Sequence[Query] | Sequence[HybridQuery]) -> None:
        try:
            check_indexes(queries, self._requests.limits.indexes)
        except Fatal:  # an operator may have changed the index
            self._requests.read_limits()
            check_indexes(queries, self._requests.limits.indexes)

    def _watched(self, opened: Opened) -> AliasWatch:
        def look() -> str | None:
            with suppress(Fatal):  # limits that are too low end the worker later, when a request is rejected
                self._requests.read_limits()
            return alias_target(self._link.client, opened.spec.alias, self._link.where, self._name)

        return AliasWatch(look, opened, self._name)


class QdrantStore(VectorStore):
    """The collections of one server.

    Args:
        client: The server's client; closed together with the store.
        where: The server's address, for messages.
        parallel_upserts: Largest number of writes in flight; 1 for the client's memory mode, which has no locks.
        clock: The clock that times the checks of an alias; the machine's clock by default.
    """

    def __init__(self, client: QdrantClient, where: str, parallel_upserts: int, clock: Clock | None = None) -> None:
        self._link = Link(client, where, ThreadPoolExecutor(parallel_upserts, "store"))
        self._clock = clock or SystemClock()

    @override
    def open(self, spec: CollectionSpec) -> QdrantCollection:
        """Open a collection for writing, and create it if it does not exist.

        Raises:
            Fatal: the collection exists with other parameters or with limits that are too low, or the server is too
                old, ignores the guard, or rejects the key, or the key lacks a right.
            Unavailable: the server cannot be reached.
        """
        client, where = self._link.client, self._link.where
        check_version(client, where)
        info = ensure_collection(client, spec, where)
        check_guard(client, spec.name, where)
        opened = Opened(spec, ensure_alias(client, spec, where), self._clock)
        return QdrantCollection(self._link, spec.name, spec.vectors, spec.sparse, Limits.of(info), opened)

    @override
    def alias_target(self, alias: str) -> str | None:
        return alias_target(self._link.client, alias, self._link.where)

    @override
    def open_alias(self, alias: str) -> QdrantCollection | None:
        client, where = self._link.client, self._link.where
        name = alias_target(client, alias, where)
        scope = f"extend the key's access to {alias} and to the collection that this alias points to"
        if name is None:
            with permitted(where, f"read {alias}", scope):
                if not client.collection_exists(alias):
                    return None
            name = alias  # the key may be scoped to the alias only; the server resolves the alias
        with permitted(where, f"read collection {name}", scope):
            info = client.get_collection(name)
        return QdrantCollection(self._link, name, *layout(info.config.params), Limits.of(info))

    @property
    def link(self) -> Link:
        """The connection to the server, for callers that only inspect the server."""
        return self._link

    @override
    def close(self) -> None:
        """Close the connection; acknowledged writes are safe on the server."""
        self._link.pool.shutdown()
        self._link.client.close()


def connect(settings: StoreSettings, clock: Clock | None = None) -> QdrantStore:
    """Return the store at the configured address; nothing is sent yet. By default the clock is the machine's.

    Raises:
        Fatal: no address is configured, certificates cannot be read, or the proxy needs a package that is missing.
    """
    client = client_of(settings, os.environ)
    if settings.api_key is not None and str(settings.url).startswith("http:"):
        log.warning("the store's key is sent unencrypted: use https outside a trusted network", url=settings.url)
    return QdrantStore(client, where(settings), settings.parallel_upserts, clock)


def _texts(ids: Ids[UUID]) -> list[str]:
    return [str(each) for each in ids]


def _uuid(record: models.Record) -> UUID:
    return UUID(str(record.id))
