"""A collection that is opened when it is first asked: a store that is gone at start is an outage like any other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Ids
from uuid import UUID

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


class LateCollection:
    """One collection of a store, opened by the first call; every call may raise what `VectorStore.open` raises.

    Args:
        store: Where it is, or will be created.
        spec: Which.
    """

    def __init__(self, store: VectorStore, spec: CollectionSpec) -> None:
        self._store, self._spec = store, spec
        self._found: Collection | None = None
        self._tell: Callable[[bool], None] | None = None

    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        """Return what is stored of these ids."""
        return self._opened().lookup(ids)

    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        """Return the stored version of these ids."""
        return self._opened().versions(ids)

    def upsert(self, points: Sequence[Point]) -> None:
        """Write points, each only over an absent or an older one."""
        self._opened().upsert(points)

    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Answer several queries."""
        return self._opened().search(queries)

    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        """Answer several hybrid queries."""
        return self._opened().candidates(queries)

    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of the payloads of these ids."""
        return self._opened().payloads(ids, fields)

    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        """Return these fields of what is stored now."""
        return self._opened().read_back(ids, fields)

    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        """Return the exact number of points that have these values."""
        return self._opened().count(equals, at_least)

    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        """Yield the id and payload fields of every point whose id is a UUID."""
        return self._opened().scroll(payload)

    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        """Yield every point's id and payload fields."""
        return self._opened().scroll_all(payload)

    def alias_fault(self) -> str | None:
        """Return where the alias stands now if it has been moved; None before the collection is open."""
        found: object = self._found
        return found.alias_fault() if isinstance(found, Aliased) else None

    def tell_alias(self, tell: Callable[[bool], None]) -> None:
        """Call `tell` once the collection is open, and whenever the alias has been looked at."""
        self._tell = tell

    def _opened(self) -> Collection:
        if self._found is None:
            self._found = self._store.open(self._spec)
            found: object = self._found
            if self._tell is not None and isinstance(found, Aliased):
                found.tell_alias(self._tell)
        return self._found
