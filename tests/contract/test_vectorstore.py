"""Every vector store keeps the port's promises: the fake, Edge, and the server's adapter (servers: `stores.py`).

What it shows: written points are found, the guard by version, refusals that write nothing, filters and searches. A
green run does not prove anything about durability (`test_edge.py`), speed, recall at sizes for which an index is built
(all searches here are exact), two threads at once, or, without `MILLRACE_TEST_QDRANT_URL`, a real server.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from shared.records import Point
from shared.vectorstore.port import VERSION_FIELD, Collection, Query
from tests.support.fakes import DIM
from tests.support.stores import all_but, opened, params
from tests.support.vectors import drawn, ids, point, point_id, tombstone, unit

TOP = 2**53 - 1
"""The highest version that an event may have."""


@pytest.fixture(params=params())
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    with opened(request, tmp_path) as new:
        yield new


def nearest(limit: int = 10, **equals: str) -> Query:
    """Return a query for points near the first axis."""
    return Query(unit(1), "text", limit, equals=equals, payload=("number",))


# --- writing and reading back ---


def test_written_points_are_found(collection: Collection) -> None:
    points = [point(number, number + 1, satisfaction=5) for number in range(20)]
    collection.upsert(points)
    stored = collection.lookup(ids(points))
    assert set(stored) == set(ids(points))
    for each in points:
        found = stored[each.id]
        assert (found.version, dict(found.payload)) == (each.version, dict(each.payload))
        assert list(found.vectors) == ["text"]
        assert found.vectors["text"].dtype == np.float32
        np.testing.assert_allclose(found.vectors["text"], each.vectors["text"], atol=1e-6)
    assert collection.versions(ids(points)) == {each.id: each.version for each in points}


def test_unknown_ids_are_left_out(collection: Collection) -> None:
    collection.upsert([point(1)])
    assert set(collection.lookup([point_id(1), point_id(2)])) == {point_id(1)}
    assert collection.versions([point_id(2), point_id(1)]) == {point_id(1): 1}


def test_two_named_vectors_are_kept_separate(collection: Collection) -> None:
    both = Point(point_id(1), 1, {"text": unit(1), "resolution": unit(0, 1)}, {"tenant_id": "acme", VERSION_FIELD: 1})
    collection.upsert([both, point(2, vector=unit(1))])
    found = collection.lookup([both.id])[both.id].vectors
    assert {name: int(vector.argmax()) for name, vector in found.items()} == {"text": 0, "resolution": 1}
    by_resolution = Query(unit(0, 1), "resolution", 10)
    assert [[hit.id for hit in hits] for hits in collection.search([by_resolution])] == [[both.id]]


def test_a_newer_version_replaces_vectors_and_payload_whole(collection: Collection) -> None:
    first = Point(point_id(1), 1, {"text": unit(1), "resolution": unit(0, 1)}, {VERSION_FIELD: 1, "old": True})
    collection.upsert([first])
    collection.upsert([Point(point_id(1), 2, {"text": unit(0, 0, 1)}, {VERSION_FIELD: 2, "new": True})])
    found = collection.lookup([point_id(1)])[point_id(1)]
    assert dict(found.payload) == {VERSION_FIELD: 2, "new": True}
    assert {name: int(vector.argmax()) for name, vector in found.vectors.items()} == {"text": 2}
    assert collection.search([Query(unit(0, 1), "resolution", 10)]) == [[]]


@all_but(fake="keeps the caller's own objects")
def test_later_changes_to_the_caller_s_objects_have_no_effect(collection: Collection) -> None:
    vector, payload = unit(1), {VERSION_FIELD: 1, "label": "billing"}
    collection.upsert([Point(point_id(1), 1, {"text": vector}, payload)])
    vector[:] = unit(0, 1)
    payload["label"] = "other"
    found = collection.lookup([point_id(1)])[point_id(1)]
    assert found.payload["label"] == "billing"
    assert int(found.vectors["text"].argmax()) == 0


def test_scroll_returns_every_point_once_with_the_requested_fields(collection: Collection) -> None:
    collection.upsert([point(number) for number in range(1_000)])
    collection.upsert([point(number) for number in range(1_000, 2_300)])
    found = list(collection.scroll(("number",)))
    assert len(found) == 2_300
    assert {which: dict(payload) for which, payload in found} == {point_id(n): {"number": n} for n in range(2_300)}


def test_scroll_leaves_out_fields_that_a_point_lacks(collection: Collection) -> None:
    collection.upsert([point(1, label="billing"), tombstone(2, 1)])
    found = {which: dict(payload) for which, payload in collection.scroll(("label", VERSION_FIELD))}
    assert found == {point_id(1): {"label": "billing", VERSION_FIELD: 1}, point_id(2): {VERSION_FIELD: 1}}


def test_empty_calls_return_nothing(collection: Collection) -> None:
    collection.upsert([])
    assert collection.lookup([]) == {}
    assert collection.versions([]) == {}
    assert collection.search([]) == []
    assert list(collection.scroll(("number",))) == []
    assert collection.search([nearest()]) == [[]]


# --- the guard ---


@pytest.mark.parametrize(
    ("stored", "written"),
    [(5, 4), (5, 5), (5, 6), (1, TOP), (TOP - 1, TOP), (TOP, TOP - 1), (TOP, TOP), (2**52, 2**52 + 1)],
)
def test_only_a_newer_version_overwrites(collection: Collection, stored: int, written: int) -> None:
    collection.upsert([point(1, stored, unit(1), says="first")])
    collection.upsert([point(1, written, unit(0, 1), says="second")])
    found = collection.lookup([point_id(1)])[point_id(1)]
    newer = written > stored
    assert (found.version, found.payload["says"]) == ((written, "second") if newer else (stored, "first"))
    assert int(found.vectors["text"].argmax()) == int(newer)
    assert collection.versions([point_id(1)]) == {point_id(1): max(stored, written)}


def test_new_older_equal_and_newer_ones_in_one_call(collection: Collection) -> None:
    collection.upsert([point(number, 10, says="first") for number in range(0, 750)])
    written = {number: 9 + number % 3 for number in range(1_000)}
    collection.upsert([point(number, version, says="second") for number, version in written.items()])
    stored = collection.lookup([point_id(number) for number in range(1_000)])
    for number, version in written.items():
        found = stored[point_id(number)]
        wins = number >= 750 or version > 10
        assert (found.version, found.payload["says"]) == ((version, "second") if wins else (10, "first")), number


def test_writing_the_same_again_changes_nothing(collection: Collection) -> None:
    points = [point(number, 3) for number in range(300)]
    collection.upsert(points)
    collection.upsert(points)
    assert collection.versions(ids(points)) == dict.fromkeys(ids(points), 3)


def test_a_tombstone_is_stored_but_never_found_by_search(collection: Collection) -> None:
    collection.upsert([point(1, 1, unit(1)), point(2, 1, unit(1, 1))])
    collection.upsert([tombstone(1, 2), tombstone(3, 1)])
    assert collection.versions([point_id(1), point_id(3)]) == {point_id(1): 2, point_id(3): 1}
    found = collection.lookup([point_id(1)])[point_id(1)]
    assert dict(found.payload) == {"tenant_id": "acme", VERSION_FIELD: 2, "deleted": True}
    assert dict(found.vectors) == {}
    queries = [nearest(), nearest(tenant_id="acme"), Query(unit(1), "resolution", 10)]
    assert [[hit.id for hit in hits] for hits in collection.search(queries)] == [[point_id(2)], [point_id(2)], []]
    assert len(list(collection.scroll((VERSION_FIELD,)))) == 3


def test_no_older_event_undoes_a_tombstone_and_a_newer_one_does(collection: Collection) -> None:
    collection.upsert([tombstone(1, 5)])
    collection.upsert([point(1, 4, unit(1))])
    assert collection.search([nearest()]) == [[]]
    collection.upsert([point(1, 6, unit(1))])
    assert [hit.id for hit in collection.search([nearest()])[0]] == [point_id(1)]


# --- what is refused ---

BAD = {
    "wrong dimension": [point(2, vector=np.ones(1, np.float32))],
    "a matrix": [point(2, vector=unit(1).reshape(1, DIM))],
    "unknown name": [Point(point_id(2), 1, {"sound": unit(1)}, {VERSION_FIELD: 1})],
    "NaN": [point(2, vector=np.array([np.nan, *unit(1)[1:]], np.float32))],
    "infinity": [point(2, vector=np.array([np.inf, *unit(1)[1:]], np.float32))],
    "zero": [point(2, vector=np.zeros(DIM, np.float32))],
    "too long": [point(2, vector=unit(1) * np.float32(1.5))],
    "far too long": [point(2, vector=unit(1) * np.float32(1e30))],
    "duplicate id": [point(2, 1), point(2, 2)],
    "no version": [Point(point_id(2), 1, {"text": unit(1)}, {"tenant_id": "acme"})],
    "another version": [Point(point_id(2), 1, {"text": unit(1)}, {VERSION_FIELD: 2})],
    "no number as version": [Point(point_id(2), 1, {"text": unit(1)}, {VERSION_FIELD: "1"})],
    "a float as version": [Point(point_id(2), 1, {"text": unit(1)}, {VERSION_FIELD: 1.0})],
    "a truth as version": [Point(point_id(2), 1, {"text": unit(1)}, {VERSION_FIELD: True})],
    "None as version": [Point(point_id(2), 1, {"text": unit(1)}, {VERSION_FIELD: None})],
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_point_refuses_the_whole_call_and_nothing_is_written(collection: Collection, bad: list[Point]) -> None:
    collection.upsert([point(1, 1, unit(1))])
    good = [point(number) for number in range(3, 600)]
    with pytest.raises(ValueError, match=r"point|id"):
        collection.upsert([point(1, 2, unit(0, 1)), *good, *bad])
    assert [which for which, _ in collection.scroll((VERSION_FIELD,))] == [point_id(1)]
    assert collection.versions([point_id(1)]) == {point_id(1): 1}
    assert [hit.id for hit in collection.search([nearest()])[0]] == [point_id(1)]


# --- searching ---


def test_hits_come_best_first_with_their_cosine(collection: Collection) -> None:
    vectors = [unit(-1), unit(1, 1), unit(1), unit(0, 1), unit(3, 1)]
    collection.upsert([point(number, 1, vector) for number, vector in enumerate(vectors)])
    hits = collection.search([nearest()])[0]
    assert [hit.payload["number"] for hit in hits] == [2, 4, 1, 3, 0]
    np.testing.assert_allclose([hit.score for hit in hits], [1, 3 / 10**0.5, 0.5**0.5, 0, -1], atol=1e-5)


def test_the_limit_is_respected(collection: Collection) -> None:
    collection.upsert([point(number) for number in range(300)])
    found = collection.search([nearest(limit) for limit in (1, 7, 299, 300, 1_000)])
    assert [len(hits) for hits in found] == [1, 7, 299, 300, 300]


def test_several_queries_are_answered_in_order(collection: Collection) -> None:
    collection.upsert([point(number, tenant_id=f"t{number % 3}") for number in range(200)])
    asked = [*range(0, 200, 3), 5, 5, 1]
    queries = [
        Query(drawn(n), "text", 1 + n % 4, equals={"tenant_id": f"t{n % 3}"}, payload=("number",)) for n in asked
    ]
    answers = collection.search(queries)
    assert [hits[0].payload["number"] for hits in answers] == asked
    assert [len(hits) for hits in answers] == [query.limit for query in queries]


def test_an_answer_is_the_same_alone_and_among_others(collection: Collection) -> None:
    collection.upsert([point(number) for number in range(100)])
    queries = [Query(drawn(number + 1_000), "text", 5, payload=("number",)) for number in range(10)]
    alone = [collection.search([query])[0] for query in queries]
    assert [[hit.id for hit in hits] for hits in collection.search(queries)] == [
        [hit.id for hit in hits] for hits in alone
    ]


def test_a_tenant_sees_only_its_own(collection: Collection) -> None:
    collection.upsert(
        [point(number, 1, unit(1), tenant_id=("acme", "ACME", "acme:2", "")[number % 4]) for number in range(40)]
    )
    for tenant, remainder in (("acme", 0), ("ACME", 1), ("acme:2", 2), ("", 3)):
        hits = collection.search([nearest(100, tenant_id=tenant)])[0]
        assert {hit.payload["number"] for hit in hits} == set(range(remainder, 40, 4)), tenant
    assert collection.search([nearest(100, tenant_id="nobody")]) == [[]]


def test_a_list_matches_if_it_contains_the_word(collection: Collection) -> None:
    kept: list[object] = [["solved"], ["labelled", "solved"], [], ["solvedish"], None]
    collection.upsert([point(number, 1, unit(1), flags=flags) for number, flags in enumerate(kept)])
    assert {hit.payload["number"] for hit in collection.search([nearest(flags="solved")])[0]} == {0, 1}
    assert {hit.payload["number"] for hit in collection.search([nearest(flags="labelled")])[0]} == {1}


def test_at_least_compares_integers_and_skips_points_without_one(collection: Collection) -> None:
    ratings: list[object] = [1, 3, 4, 5, None, -4]
    collection.upsert([point(number, 1, unit(1), satisfaction=rating) for number, rating in enumerate(ratings)])
    collection.upsert([point(9, 1, unit(1))])
    query = Query(unit(1), "text", 10, at_least={"satisfaction": 4}, payload=("number",))
    assert {hit.payload["number"] for hit in collection.search([query])[0]} == {2, 3}


def test_all_conditions_must_hold(collection: Collection) -> None:
    for number, (tenant, flags, rating) in enumerate(
        [("acme", ["solved"], 5), ("acme", ["solved"], 3), ("acme", [], 5), ("other", ["solved"], 5)]
    ):
        collection.upsert([point(number, 1, unit(1), tenant_id=tenant, flags=flags, satisfaction=rating)])
    wanted = {"tenant_id": "acme", "flags": "solved"}
    query = Query(unit(1), "text", 10, equals=wanted, at_least={"satisfaction": 4}, payload=("number",))
    assert [hit.payload["number"] for hit in collection.search([query])[0]] == [0]


def test_a_whole_number_can_be_requested(collection: Collection) -> None:
    collection.upsert([point(number, 1, unit(1), satisfaction=number) for number in range(5)])
    hits = collection.search([Query(unit(1), "text", 10, equals={"satisfaction": 3}, payload=("number",))])[0]
    assert [hit.payload["number"] for hit in hits] == [3]


@all_but(fake="gives the whole payload with every hit")
def test_a_hit_carries_only_the_requested_fields(collection: Collection) -> None:
    collection.upsert([point(1, 1, unit(1), label="billing")])
    for wanted in ((), ("label",), ("label", "number"), ("absent",)):
        hit = collection.search([Query(unit(1), "text", 1, payload=wanted)])[0][0]
        assert set(hit.payload) == set(wanted) - {"absent"}


# --- payloads ---

ODD: dict[str, object] = {
    "umlaut": "Größe",
    "emoji": "📦 👩‍👩‍👧 🇫🇷",
    "arabic": "أين طلبي؟",
    "combining": "e\u0301",
    "controls": "\x00\x01\x1b\u2028\ufeff",
    "empty": "",
    "long": "x" * 200_000,
    "none": None,
    "nested": {"a": {"b": [None, {"c": []}, [[]]], "": {}}, "ключ": "значение"},
    "floats": [0.1, -1e-300, 1.7976931348623157e308, 3.0],
    "integers": [0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)],
    "booleans": [True, False],
    "dotted.name": 1,
    "brackets[0]": 2,
}


@pytest.mark.parametrize("name", list(ODD))
def test_an_unusual_payload_is_stored_unchanged(collection: Collection, name: str) -> None:
    collection.upsert([point(1, 1, unit(1), **{name: ODD[name]})])
    found = collection.lookup([point_id(1)])[point_id(1)].payload[name]
    assert found == ODD[name]
    # Also distinguishes 3.0 from 3 and True from 1; over gRPC a map is returned in no particular order.
    assert json.dumps(found, sort_keys=True) == json.dumps(ODD[name], sort_keys=True)


def test_unusual_ids_are_ids_like_others(collection: Collection) -> None:
    odd = [UUID(int=0), UUID(int=2**128 - 1), UUID(int=1)]
    collection.upsert([Point(each, 1, {"text": unit(1)}, {VERSION_FIELD: 1}) for each in odd])
    assert collection.versions(odd) == dict.fromkeys(odd, 1)
    assert {hit.id for hit in collection.search([nearest()])[0]} == set(odd)


def test_points_are_counted_by_their_values(collection: Collection) -> None:
    assert collection.count({"flags": "solved"}, {}) == 0
    rated = [point(number, flags=["solved", "labelled"], satisfaction=number) for number in range(1, 6)]
    unrated = [point(number, flags=["solved"], satisfaction=None) for number in range(6, 10)]
    collection.upsert([*rated, *unrated, point(10, flags=["labelled"], satisfaction=5), tombstone(11, 1)])
    collection.upsert([point(12, flags=["solved"], satisfaction=5, tenant_id="other")])
    acme: dict[str, str | int] = {"tenant_id": "acme", "flags": "solved"}
    assert collection.count(acme, {}) == 9
    assert collection.count(acme, {"satisfaction": 1}) == 5
    assert collection.count(acme, {"satisfaction": 4}) == 2
    assert collection.count({"flags": "solved"}, {"satisfaction": 5}) == 2
