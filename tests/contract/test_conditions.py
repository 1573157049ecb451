"""Every vector store filters by conditions as plain Python does, with and without a payload index.

The drawn payloads hold texts, numbers, times, booleans, nulls, lists and nested objects under plain and quoted names,
also of the wrong type for their index. A green run does not prove anything about speed, nor about a server unless one is
named (`tests/support/stores.py`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Fatal
from shared.records import Point
from shared.settings import StoreSettings
from shared.vectorstore.conditions import EXACT_LIMIT, UNSUITED, Condition, Operator, field_path
from shared.vectorstore.edge.store import EdgeCollection, EdgeStore
from shared.vectorstore.moments import Moments, read_moments
from shared.vectorstore.port import Collection, HybridQuery, IndexKind, Query
from shared.vectorstore.qdrant.store import QdrantCollection, connect
from tests.support.matching import meets
from tests.support.qdrant.process import StandinProcess
from tests.support.stores import opened, params, unique_spec, with_indexes
from tests.support.times import NEARLY_TIMES
from tests.support.vectors import SPEC, point, terms, unit, worded

ENOUGH = 60
MOST = 12
TENANTS = ("acme", "ACME", "other")
KINDS: dict[str, IndexKind] = {
    "plan": "keyword",
    "plan tier": "keyword",
    "a.b": "keyword",
    "größe": "float",
    "seats": "float",
    "rating": "integer",
    "bought": "datetime",
    "bought at": "datetime",
}
NAMES = (*KINDS, "unindexed", "un.indexed [0]", "日本", "x'y/z", " ")
INDEXES: dict[str, IndexKind] = {field_path(("attributes", name)): kind for name, kind in KINDS.items()}
TEXTS = ("pro", "free", "", "5", "Pro", "été", "e\u0301te\u0301", "a b", "true", "null", "日本", "2026-05-01")
NUMBERS = (0, -0.0, 1, 5, 5.0, 5.5, -3, 0.1, 5e-324, 2**53 - 1, float(1 - 2**53))
HUGE = (2**53, 2**53 + 1, 2**63 - 1, -(2**63), 1e17, 1e300, -1e308, 1.7976931348623157e308)
OPERATORS: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")
ORDER: tuple[Operator, ...] = ("=", "<", "<=", ">", ">=")
DAY = datetime(2026, 5, 1, tzinfo=UTC)
ODD_TIMES = (
    "2026-05-01T23:59:60Z", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
    "+2026-05-01T12:00:00Z", "2026-05-01T00:00:00Z ", " 2026-05-01", "2026-05-01T12:00:00UTC", "2026-05-01T12:00:00 UTC",
    "2026-05-01T12:00:00\u221202:00", "\uff12\uff10\uff12\uff16-05-01T12:00:00Z", "2026-05-01T12:00:00+00:00:30",
    "2026-5-1", "2026-05-01T12:00Z", "2026-05-01T12:00:00,5Z", "2026-02-30", "2026-05-01T24:00:00Z", "20260501",
    "2026-05-01T12:00:00+24:00", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00", "1777636800", "2026-05",
    "2026-05-01T12:00:00+02:60", "2026-05-01T12:00:00.", "2026-05-01  12:00:00", "2026-05-01\t12:00:00Z",
    "9999-12-31T23:59:59.9999999Z", "0001-01-01",
)  # fmt: skip
"""Texts on which stores differ, or that are nearly times."""


def written(moment: datetime, zone_minutes: int, style: int, digits: str) -> str:
    """Return a text for a moment, in one of the forms that are times."""
    local = moment.astimezone(timezone(timedelta(minutes=zone_minutes)))
    sign, away = "+" if zone_minutes >= 0 else "-", abs(zone_minutes)
    offset = (f"{sign}{away // 60:02}:{away % 60:02}", f"{sign}{away // 60:02}{away % 60:02}", "Z", "z", "")[style % 5]
    separator = "Tt "[style % 3]
    short = (f"{local:%Y-%m-%d}", f"{local:%Y-%m-%d}{separator}{local:%H:%M}")
    return short[style % 2] if style > 30 else f"{local:%Y-%m-%d}{separator}{local:%H:%M:%S}{digits}{offset}"


moments = st.builds(
    lambda micros, hours: DAY + timedelta(hours=hours, microseconds=micros),
    st.sampled_from([0, 1, -1, 250_000, 999_999, 60_000_000]),
    st.sampled_from([-24, -2, 0, 0, 2, 12, 24]),
)
fractions = st.sampled_from(["", ".5", ".000000", ".000001", ".999999", ".9999999", ".1234567891234"])
times = st.builds(
    written, moments, st.sampled_from([0, 120, -120, 330, 840, -719, 1439]), st.integers(0, 40), fractions
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(TEXTS)
    | st.sampled_from(NUMBERS + HUGE)
    | times
    | NEARLY_TIMES
    | st.sampled_from(ODD_TIMES)
    | st.text(max_size=5).filter(lambda text: text.isprintable())
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just({"plan": "pro"}),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=3,
)
asked_numbers = st.sampled_from(NUMBERS) | st.floats(1 - EXACT_LIMIT, EXACT_LIMIT - 1)
asked_times = (times | NEARLY_TIMES | st.dates().map(str)).map(read_moments).filter(lambda found: found is not None)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Mapping[str, object]], list[Condition]]:
    """Draw payloads and conditions on a few names, so that many conditions are met by some of them."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
    drawn = st.dictionaries(st.sampled_from(names), values, max_size=3)
    payloads: list[Mapping[str, object]] = [*draw(st.lists(drawn, min_size=1, max_size=MOST))]
    stored = [value for payload in payloads for value in payload.values()]
    texts = st.sampled_from([*TEXTS, *(each for each in stored if isinstance(each, str))])
    keys = st.sampled_from(names).map(lambda name: ("attributes", name))
    same = [moment for each in stored if isinstance(each, str) and (moment := read_moments(each))]
    whole = st.sampled_from([0.0, 1.0, 5.0, -3.0])
    conditions = st.one_of(
        st.builds(Condition, keys, st.sampled_from(["=", "!="]), texts | st.text(max_size=3)),
        st.builds(Condition, keys, st.sampled_from(OPERATORS), asked_numbers),
        st.builds(
            Condition, keys | st.just(("attributes", "rating")), st.sampled_from(OPERATORS), whole, st.just(True)
        ),
        st.builds(Condition, keys, st.sampled_from(ORDER), st.sampled_from(same) if same else asked_times),
        st.builds(Condition, st.just(("at",)), st.sampled_from(ORDER), asked_times),
        st.just(Condition(("attributes", names[0], "plan"), "=", "pro")),
    )
    return payloads, draw(st.lists(conditions, min_size=1, max_size=3))


@pytest.fixture(params=params())
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    with opened(request, tmp_path, {**INDEXES, "at": "datetime"}) as new:
        yield new


def given_points(payloads: list[Mapping[str, object]]) -> list[Point]:
    """Return a point for each payload, each near the query by all of its vectors and terms."""
    return [
        replace(
            worded(number, {5: 1.0}, attributes=dict(payload)),
            vectors={"text": unit(1, number / 100), "resolution": unit(1)},
        )
        for number, payload in enumerate(payloads)
    ]


DAY_ASKED, ALL_DAYS = Moments(DAY, DAY + timedelta(days=1, microseconds=-1)), read_moments("9999-12-31") or ""
CORNERS: dict[str, tuple[str, Sequence[object], Condition]] = {
    "odd times and a day": ("bought", ODD_TIMES, Condition(("attributes", "bought"), "=", DAY_ASKED)),
    "odd times and all days": ("bought", ODD_TIMES, Condition(("attributes", "bought"), "<=", ALL_DAYS)),
    "fractions and a whole number": (
        "rating",
        (4, 4.0, 3.7, 4.5, 1e308, 2**63 - 1, True, "4", [3, 9.5], [4.5], None, 3),
        Condition(("attributes", "rating"), ">=", 4.0, whole=True),
    ),
    "huge numbers": ("seats", HUGE, Condition(("attributes", "seats"), ">", 2.0**53 - 1)),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_filters_equal_a_plain_python_filter_in_corners(collection: Collection, corner: str) -> None:
    name, given_values, condition = CORNERS[corner]
    for start in range(0, len(given_values), MOST):
        payloads: list[Mapping[str, object]] = [{name: value} for value in given_values[start : start + MOST]]
        compare(collection, payloads, ["acme"] * MOST, [condition])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases(), st.lists(st.sampled_from(TENANTS), min_size=MOST, max_size=MOST))
def test_filters_equal_a_plain_python_filter(
    collection: Collection, case: tuple[list[Mapping[str, object]], list[Condition]], tenants: list[str]
) -> None:
    compare(collection, case[0], tenants, case[1])


def compare(
    collection: Collection, payloads: list[Mapping[str, object]], tenants: list[str], where: list[Condition]
) -> None:
    """Store attributes for tenants; for each tenant, exactly what plain Python keeps must be found in both ways.

    A store with an index that would answer a condition wrongly must refuse it.
    """
    version = VERSIONS.next()
    filled = [*given_points(payloads), *(point(number) for number in range(len(payloads), MOST))]
    points = [_with(each, version, tenant) for each, tenant in zip(filled, tenants, strict=True)]
    collection.upsert(points)
    for tenant in TENANTS:
        query = Query(unit(1), "text", ENOUGH, {"tenant_id": tenant}, payload=("number",), where=tuple(where))
        hybrid = HybridQuery(query, terms({5: 1.0}), "terms", "resolution")
        if any(INDEXES.get(each.path) in UNSUITED.get(each.kind, ()) for each in where) and indexed(collection):
            for ask in (lambda: collection.search([query]), lambda: collection.candidates([hybrid])):  # noqa: B023
                with pytest.raises(Fatal, match="has an index of the kind"):
                    ask()
            return
        for condition in where:
            for each in points:
                assert condition.is_met_by(each.payload) == meets(each.payload, condition)
        expected = [
            number
            for number, each in enumerate(points)
            if each.payload["tenant_id"] == tenant and all(meets(each.payload, condition) for condition in where)
        ]
        [hits], [found] = collection.search([query]), collection.candidates([hybrid])
        assert numbers_of(hits) == numbers_of(found) == expected


def numbers_of(hits: list[Any]) -> list[int]:
    """Return the numbers of the points that were found, in order."""
    return sorted(int(str(hit.payload["number"])) for hit in hits)


def test_hits_that_only_a_store_takes_for_times_displace_no_others(collection: Collection) -> None:
    odd = [{"bought": "2026-05-01T12:00:00Z "}] * 9
    collection.upsert(given_points([*odd, {"bought": "2026-05-01"}]))
    day = read_moments("2026-05-01")
    assert day is not None
    query = Query(unit(1), "text", 1, payload=("number",), where=(Condition(("attributes", "bought"), "=", day),))
    [hits] = collection.search([query])
    assert numbers_of(hits) == [9]
    assert numbers_of(collection.candidates([HybridQuery(query, terms({5: 1.0}), "terms")])[0]) == [9]


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


def test_an_index_is_added_to_a_collection_that_a_reader_has_opened(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path / "store")
    store.open(SPEC)
    store.close()
    store = EdgeStore(tmp_path / "store")
    assert store.open_alias(SPEC.alias) is not None
    assert indexed(store.open(replace(SPEC, indexes=INDEXES))) >= set(INDEXES)
    store.close()


def test_an_index_is_added_to_a_collection_on_a_server(qdrant_standin: StandinProcess) -> None:
    spec = unique_spec()
    store = connect(StoreSettings(url=qdrant_standin.url))
    store.open(spec)
    store.open(with_indexes(spec, INDEXES))
    schema = store.link.client.get_collection(spec.name).payload_schema
    assert {name: schema[name].data_type.value for name in INDEXES} == INDEXES
    store.close()


def test_a_search_with_more_conditions_than_a_server_s_strict_mode_allows_is_refused(
    qdrant_standin: StandinProcess,
) -> None:
    qdrant_standin.set_faults(strict={"filter_max_conditions": 4})
    store = connect(StoreSettings(url=qdrant_standin.url))
    server = store.open(unique_spec())
    numbers = (Condition(("number",), ">=", 1), Condition(("number",), "!=", 2))
    query = Query(unit(1), "text", ENOUGH, {"tenant_id": "acme"}, where=numbers)
    assert server.search([query]) == [[]]
    qdrant_standin.report()
    with pytest.raises(Fatal, match=r"has 5 conditions, and the strict mode of the collection allows 4: .*--where"):
        server.search([replace(query, where=(*numbers, numbers[0]))])
    assert not any("query" in route for route in qdrant_standin.report()["calls"])
    store.close()


def test_values_on_which_stores_differ_are_refused() -> None:
    for value in (2.0**53, -(2.0**53), 1e300, math.inf, math.nan):
        with pytest.raises(ValueError, match=r"2\^53|not a finite number"):
            Condition(("price",), "<", value)
    with pytest.raises(ValueError, match="not valid Unicode"):
        Condition(("plan",), "=", "\ud800")


def indexed(collection: Collection) -> set[str]:
    """Return the names of the payload indexes; the client's memory mode and the fake have none."""
    if isinstance(collection, QdrantCollection):
        return set(collection._link.client.get_collection(collection._name).payload_schema)
    return set(collection.indexes()) if isinstance(collection, EdgeCollection) else set()


class Versions:
    """Counts versions, so that each example overwrites the points of the one before."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return the next version."""
        self._last += 1
        return self._last


VERSIONS = Versions()


def _with(given_point: Point, version: int, tenant: str) -> Point:
    bought = given_point.payload.get("attributes") or {}
    at = bought.get("bought") if isinstance(bought, dict) else None
    payload = {**given_point.payload, "event_version": version, "tenant_id": tenant, "at": at}
    return replace(given_point, version=version, payload=payload)
