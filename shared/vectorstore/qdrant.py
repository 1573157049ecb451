"""Qdrant's server or cluster, over REST or gRPC. Several workers may share it.

Why writes are made the way they are, what is checked at start, and what was decided about errors:
`docs/decisions/0010-qdrant-server.md`.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import QdrantClient, models

from shared.errors import Fatal, Unavailable
from shared.logs import get_logger
from shared.records import Point
from shared.settings import StoreSettings
from shared.vectorstore.port import (
    VERSION_FIELD,
    Candidate,
    CollectionSpec,
    Hit,
    HybridQuery,
    Query,
    Stored,
    check_points,
    stored_version,
    with_uuid,
)
from shared.vectorstore.qdrant_errors import translated
from shared.vectorstore.qdrant_query import chunks, find_candidates, older_than, to_filter, to_id, to_point, to_request
from shared.vectorstore.qdrant_setup import (
    alias_target,
    check_done,
    check_guard,
    check_version,
    ensure_alias,
    ensure_collection,
    is_probe,
    layout,
)
from shared.vectorstore.widening import ask_for_ours, has_uuid, search_ours

LOOKUP_POINTS = 250
"""Points read in one call with their vectors, or with all of their payload: some megabytes."""

READ_POINTS = 1_000
"""Points read in one call without their vectors."""

GRPC_OPTIONS = {
    "grpc.initial_reconnect_backoff_ms": 500,
    "grpc.max_reconnect_backoff_ms": 5_000,
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
}
"""A channel by itself waits up to two minutes before it connects again, and never notices that the other end has died."""

log = get_logger("store")


@dataclass(frozen=True, slots=True)
class Link:
    """The way to a server: its client, its address for messages, and the threads that write."""

    client: QdrantClient
    where: str
    pool: ThreadPoolExecutor


class QdrantCollection:
    """One collection on the server.

    Args:
        link: The way to the server.
        name: The physical collection.
        dimensions: Of each named vector.
        sparse: The names of the sparse vectors.
    """

    def __init__(self, link: Link, name: str, dimensions: Mapping[str, int], sparse: Sequence[str]) -> None:
        self._link, self._name = link, name
        self._dimensions, self._sparse = dimensions, sparse

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return what is stored of these ids."""
        found: dict[UUID, Stored] = {}
        for record in self._retrieve(ids, True, list(self._dimensions), LOOKUP_POINTS):
            named: Mapping[str, Any] = record.vector if isinstance(record.vector, dict) else {}
            vectors = {name: np.asarray(values, np.float32) for name, values in named.items()}
            version = stored_version(record.id, record.payload)
            found[_uuid(record)] = Stored(version, record.payload or {}, vectors)
        return found

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored version of these ids."""
        records = self._retrieve(ids, [VERSION_FIELD])
        return {_uuid(record): stored_version(record.id, record.payload) for record in records}

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of the payloads of these ids."""
        return {_uuid(record): record.payload or {} for record in self._retrieve(ids, list(fields))}

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, each only over an absent or an older one; several calls are in flight at once.

        Ids not stored yet are insert-only. Where another worker was faster with one of them and wrote an older version, it
        is written again under the guard.
        """
        check_points(points, self._dimensions, self._sparse)
        known = self.versions([point.id for point in points])
        fresh = [point for point in points if point.id not in known]
        newer = [point for point in points if point.id in known and known[point.id] < point.version]
        self._run([(self._insert, fresh), (self._replace, newer)])
        if fresh:
            stored = self.versions([point.id for point in fresh])
            late = [point for point in fresh if stored.get(point.id, -1) < point.version]
            self._run([(self._replace, late)])

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answer several queries in one batch."""
        return search_ours(queries, self._search, has_uuid)

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Answer several hybrid queries."""
        return ask_for_ours(queries, lambda asked: find_candidates(asked, self._ask), has_uuid)

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        """Return the exact number of points that have these values."""
        with translated(self._link.where):
            return self._link.client.count(self._name, to_filter(equals, at_least), exact=True).count

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield the id and payload fields of every point whose id is a UUID."""
        return with_uuid(self.scroll_all(payload))

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield every point's id and payload fields; what a check at start left behind is left out."""
        offset: Any = None
        while True:
            with translated(self._link.where):
                records, offset = self._link.client.scroll(
                    self._name, limit=LOOKUP_POINTS, offset=offset, with_payload=list(payload), with_vectors=False
                )
            for record in records:
                which = to_id(record.id)
                if not is_probe(which):
                    yield which, record.payload or {}
            if offset is None:
                return

    def _run(self, work: Sequence[tuple[Callable[[list[Point]], None], Sequence[Point]]]) -> None:
        """Write in chunks on the pool and wait for all of them; nothing is in flight when this returns or raises."""
        futures: list[Future[None]] = [
            self._link.pool.submit(write, chunk) for write, points in work for chunk in chunks(points)
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
        # In one order on every replica: of two inserts of one id the first wins, and it must be the same one everywhere.
        self._write(chunk, ordering=models.WriteOrdering.MEDIUM, update_mode=models.UpdateMode.INSERT_ONLY)

    def _replace(self, chunk: list[Point]) -> None:
        # The highest version wins in whatever order a replica applies these. An id that is gone by now is inserted.
        self._write(chunk, update_filter=older_than(chunk))

    def _write(self, chunk: list[Point], **how: Any) -> None:
        with translated(self._link.where):
            done = self._link.client.upsert(self._name, [to_point(point) for point in chunk], wait=True, **how)
        check_done(done, self._link.where)

    def _search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        answers = self._ask([to_request(query) for query in queries])
        return [[Hit(to_id(hit.id), hit.score, hit.payload or {}) for hit in answer] for answer in answers]

    def _ask(self, requests: Sequence[models.QueryRequest]) -> list[list[models.ScoredPoint]]:
        if not requests:
            return []
        with translated(self._link.where):
            answers = self._link.client.query_batch_points(self._name, requests)
        if len(answers) != len(requests):
            raise Unavailable("store", f"{self._link.where} answered {len(answers)} of {len(requests)} queries")
        return [answer.points for answer in answers]

    def _retrieve(
        self, ids: Ids[UUID], payload: bool | list[str], vectors: bool | list[str] = False, at_once: int = READ_POINTS
    ) -> Iterator[models.Record]:
        wanted = [str(each) for each in ids]
        for start in range(0, len(wanted), at_once):
            with translated(self._link.where):
                records = self._link.client.retrieve(
                    self._name, wanted[start : start + at_once], with_payload=payload, with_vectors=vectors
                )
            yield from records


class QdrantStore:
    """The collections of one server.

    Args:
        client: Closed with the store.
        where: The server's address, for messages.
        parallel_upserts: How many writes are in flight at once; 1 for the client's memory mode, which has no locks.
    """

    def __init__(self, client: QdrantClient, where: str, parallel_upserts: int) -> None:
        self._link = Link(client, where, ThreadPoolExecutor(parallel_upserts, "store"))

    def open(self, spec: CollectionSpec) -> QdrantCollection:
        """Open a collection for writing, created if it is missing.

        Raises:
            Fatal: it is there with other parameters, or the server is too old, ignores the guard, or refuses the key.
            Unavailable: the server cannot be reached.
        """
        client, where = self._link.client, self._link.where
        check_version(client, where)
        ensure_collection(client, spec, where)
        check_guard(client, spec.name, where)
        ensure_alias(client, spec, where)
        return QdrantCollection(self._link, spec.name, spec.vectors, spec.sparse)

    def open_alias(self, alias: str) -> QdrantCollection | None:
        """Open the collection an alias stands for; a key that may only read is enough."""
        name = alias_target(self._link.client, alias, self._link.where)
        if name is None:
            return None
        with translated(self._link.where):
            info = self._link.client.get_collection(name)
        return QdrantCollection(self._link, name, *layout(info.config.params))

    @property
    def link(self) -> Link:
        """The way to the server, for who only looks at it."""
        return self._link

    def close(self) -> None:
        """Let go; what was acknowledged is safe on the server."""
        self._link.pool.shutdown()
        self._link.client.close()


def connect(settings: StoreSettings) -> QdrantStore:
    """Return the store at the configured address; nothing is sent yet.

    Raises:
        Fatal: no address is configured.
    """
    if settings.url is None:
        raise Fatal("MILLRACE_STORE__URL names no server")
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if key is not None and settings.url.startswith("http:"):
        log.warning("the store's key travels unencrypted: use https outside a trusted network", url=settings.url)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")  # said above, as a log line
        client = QdrantClient(
            url=settings.url,
            api_key=key,
            prefer_grpc=settings.grpc,
            grpc_port=settings.grpc_port,
            grpc_options=dict(GRPC_OPTIONS),  # the client adds to it
            timeout=settings.timeout_s,
            check_compatibility=False,  # it only warns, from a thread of its own; `check_version` refuses
        )
    return QdrantStore(client, settings.url, settings.parallel_upserts)


def _uuid(record: models.Record) -> UUID:
    return UUID(str(record.id))
