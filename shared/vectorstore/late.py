"""A collection that is opened by its first call, so that a store that is down at start is an ordinary outage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from uuid import UUID

from typing_extensions import override

from shared.records import Point
from shared.vectorstore.port import (
    Aliased,
    Candidate,
    Collection,
    CollectionSpec,
    Hit,
    HybridQuery,
    Query,
    Stored,
    VectorStore,
)


class LateCollection(Collection, Aliased):
    """One collection of a store, opened by the first call; every call may raise what `VectorStore.open` raises.

    Args:
        store: The store that holds the collection, or in which it will be created.
        spec: The collection to open.
    """

    def __init__(self, store: VectorStore, spec: CollectionSpec) -> None:
        self._store, self._spec = store, spec
        self._found: Collection | None = None
        self._report: Callable[[bool], None] | None = None

    @override
    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        return self._opened().lookup(ids)

    @override
    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        return self._opened().versions(ids)

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        self._opened().upsert(points)

    @override
    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        return self._opened().search(queries)

    @override
    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        return self._opened().candidates(queries)

    @override
    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return self._opened().payloads(ids, fields)

    @override
    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return self._opened().read_back(ids, fields)

    @override
    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        return self._opened().count(equals, at_least)

    @override
    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        return self._opened().scroll(payload)

    @override
    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        return self._opened().scroll_all(payload)

    @override
    def alias_fault(self) -> str | None:
        found: object = self._found
        return found.alias_fault() if isinstance(found, Aliased) else None

    @override
    def watch_alias(self, notify: Callable[[bool], None]) -> None:
        self._report = notify

    def _opened(self) -> Collection:
        if self._found is None:
            self._found = self._store.open(self._spec)
            found: object = self._found
            if self._report is not None and isinstance(found, Aliased):
                found.watch_alias(self._report)
        return self._found
