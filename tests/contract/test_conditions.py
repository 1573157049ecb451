"""Every vector store filters by conditions as plain Python does, with and without a payload index.

The drawn payloads hold texts, numbers, booleans, nulls and nested objects under plain and quoted names. A green run does
not prove anything about speed, nor about a server unless one is named (`tests/support/stores.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.records import Point
from shared.vectorstore.conditions import Condition, Operator, field_path
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.port import Collection, HybridQuery, Query
from tests.support.matching import meets
from tests.support.stores import opened, params
from tests.support.vectors import SPEC, point, terms, unit, worded

NAMES = ("plan", "plan tier", "a.b", "seats", "größe", "unindexed")
ENOUGH = 60
TEXTS = ("pro", "free", "", "5", "Pro", "été", "a b")
NUMBERS = (0, 1, 5, 5.0, 5.5, -3, 2**53, 1e300)
OPERATORS: tuple[Operator, ...] = ("=", "<", "<=", ">", ">=")

values = st.none() | st.booleans() | st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | st.just({"plan": "pro"})
attributes = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)
keys = st.sampled_from(NAMES).map(lambda name: ("attributes", name))
conditions = st.one_of(
    st.builds(Condition, keys, st.just("="), st.sampled_from(TEXTS)),
    st.builds(Condition, keys, st.sampled_from(OPERATORS), st.sampled_from(NUMBERS)),
    st.just(Condition(("attributes", "plan", "plan"), "=", "pro")),
)


@pytest.fixture(params=params())
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    with opened(request, tmp_path) as new:
        yield new


def given_points(payloads: list[Mapping[str, object]]) -> list[Point]:
    """Return a point for each payload, every second one near the query by its second vector only."""
    return [
        replace(
            worded(number, {5: 1.0}, attributes=dict(payload)),
            vectors={"text": unit(1, number / 100), "resolution": unit(1)},
        )
        for number, payload in enumerate(payloads)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(attributes, min_size=1, max_size=12), st.lists(conditions, min_size=1, max_size=3))
def test_filters_equal_a_plain_python_filter(
    collection: Collection, payloads: list[Mapping[str, object]], where: list[Condition]
) -> None:
    version = VERSIONS.next()
    points = [_with_version(each, version) for each in given_points(payloads)]
    empty = [_with_version(point(number), version) for number in range(len(points), 12)]
    collection.upsert([*points, *empty])
    query = Query(unit(1), "text", ENOUGH, payload=("number",), where=tuple(where))
    expected = sorted(
        number
        for number, each in enumerate([*points, *empty])
        if all(meets(each.payload, condition) for condition in where)
    )
    assert sorted(int(str(hit.payload["number"])) for hit in collection.search([query])[0]) == expected
    [found] = collection.candidates([HybridQuery(query, terms({5: 1.0}), "terms", "resolution")])
    assert sorted(int(str(each.payload["number"])) for each in found) == expected


def test_an_index_is_added_to_a_collection_that_exists(tmp_path: Path) -> None:
    names: tuple[tuple[str, ...], ...] = (("attributes", "plan"), ("attributes", "plan tier"), ("attributes", "seats"))
    kinds = dict(zip(map(field_path, names), ("keyword", "keyword", "float"), strict=True))
    points = given_points([{"plan": "pro", "plan tier": "gold", "seats": 5}, {"plan": "free", "seats": 50}, {}])
    for indexes in ({}, kinds, {**kinds, "attributes.seats": "keyword"}, kinds):
        store = EdgeStore(tmp_path / "store")
        opened_now = store.open(replace(SPEC, indexes={**SPEC.indexes, **indexes}))  # type: ignore[dict-item]  # literals
        opened_now.upsert(points)
        for condition, expected in (
            (Condition(names[0], "=", "pro"), [0]),
            (Condition(names[1], "=", "gold"), [0]),
            (Condition(names[2], ">", 5), [1]),
            (Condition(names[2], "=", 5), [0]),
        ):
            query = Query(unit(1), "text", ENOUGH, payload=("number",), where=(condition,))
            assert [hit.payload["number"] for hit in opened_now.search([query])[0]] == expected
        assert indexed(opened_now) >= set(indexes)
        store.close()


def indexed(collection: EdgeCollection) -> set[str]:
    """Return the names of the payload indexes."""
    return set(collection._shard.info().payload_schema)


class Versions:
    """Counts versions, so that each example overwrites the points of the one before."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the next version."""
        self._last += 1
        return self._last


VERSIONS = Versions()


def _with_version(given_point: Point, version: int) -> Point:
    return replace(given_point, version=version, payload={**given_point.payload, "event_version": version})
