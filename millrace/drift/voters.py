"""A stream's points as voters and as similar items only: nothing is looked up as an earlier version, nothing is written."""

from collections.abc import Collection as Ids
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from typing_extensions import override

from shared.errors import Fatal
from shared.records import Point
from shared.vectorstore.port import Candidate, Collection, Hit, HybridQuery, Query, Stored


class Voters(Collection):
    """A collection in which no item has an earlier version, so that each record is decided as if it were new.

    Args:
        points: The collection whose points vote and are searched.
    """

    def __init__(self, points: Collection) -> None:
        self._points = points

    @override
    def lookup(self, ids: Ids[UUID]) -> dict[UUID, Stored]:
        return {}

    @override
    def versions(self, ids: Ids[UUID]) -> dict[UUID, int]:
        return {}

    @override
    def upsert(self, points: Sequence[Point]) -> None:
        raise Fatal("nothing may be written while records are only looked at")

    @override
    def search(self, queries: Sequence[Query]) -> list[list[Hit]]:
        return self._points.search(queries)

    @override
    def candidates(self, queries: Sequence[HybridQuery]) -> list[list[Candidate]]:
        return self._points.candidates(queries)

    @override
    def payloads(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return self._points.payloads(ids, fields)

    @override
    def read_back(self, ids: Ids[UUID], fields: tuple[str, ...]) -> dict[UUID, Mapping[str, object]]:
        return self._points.read_back(ids, fields)

    @override
    def count(self, equals: Mapping[str, str | int], at_least: Mapping[str, int]) -> int:
        return self._points.count(equals, at_least)

    @override
    def scroll(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID, Mapping[str, object]]]:
        return self._points.scroll(payload)

    @override
    def scroll_all(self, payload: tuple[str, ...]) -> Iterator[tuple[UUID | int, Mapping[str, object]]]:
        return self._points.scroll_all(payload)
