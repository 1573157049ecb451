"""What a test of races needs: a client to which something happens just before a write, and several things at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from qdrant_client import QdrantClient, models

from shared.vectorstore.port import CollectionSpec
from shared.vectorstore.qdrant.store import QdrantCollection, QdrantStore


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


def in_parallel(work: list[Callable[[], object]]) -> None:
    """Do all at the same moment; raise the first error."""
    barrier = threading.Barrier(len(work))

    def begin(each: Callable[[], object]) -> None:
        barrier.wait()
        each()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, each) for each in work]:
            done.result()
