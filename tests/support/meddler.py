"""Helpers for tests of races: a client that lets something happen just before a write, and concurrent calls."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from qdrant_client import QdrantClient, models

from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore


class Meddler:
    """A client that runs a function just before the next write of one kind."""

    def __init__(self, client: QdrantClient) -> None:
        self._client = client
        self._before: tuple[str, Callable[[], object]] | None = None

    def before(self, kind: str, do: Callable[[], object]) -> None:
        """Run a function once, before the next upsert that has this argument."""
        self._before = (kind, do)

    def upsert(self, *values: Any, **named: Any) -> models.UpdateResult:
        """Write, after the other worker's change."""
        if self._before and self._before[0] in named:
            _, do = self._before
            self._before = None
            do()
        return self._client.upsert(*values, **named)

    @property
    def waits(self) -> bool:
        """Return whether the function has not run yet."""
        return self._before is not None

    def __getattr__(self, name: str) -> Any:
        """Forward everything else to the client."""
        return getattr(self._client, name)


def meddled(store: QdrantStore, spec: CollectionSpec) -> tuple[QdrantCollection, Meddler]:
    """Return a collection and its meddler, which can let another worker write first."""
    store.open(spec)
    meddler: Any = Meddler(store._link.client)
    link = replace(store._link, client=meddler)
    return QdrantCollection(link, spec.name, spec.vectors, spec.sparse), meddler


def in_parallel(work: list[Callable[[], object]]) -> None:
    """Call all functions at the same moment; raise the first error."""
    barrier = threading.Barrier(len(work))

    def begin(each: Callable[[], object]) -> None:
        barrier.wait()
        each()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, each) for each in work]:
            done.result()
