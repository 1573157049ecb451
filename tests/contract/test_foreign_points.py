"""Points that another program wrote, on every vector store: they stop nothing and displace no point.

A green run does not prove how a stream handles invalid payloads (`test_foreign_tickets.py`), nor, without
`MILLRACE_TEST_QDRANT_URL`, that a real server returns integer ids in this form.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from shared.errors import Fatal
from shared.vectorstore.port import VERSION_FIELD, Collection, HybridQuery, Query
from tests.support.stores import all_but, opened, params, write_foreign
from tests.support.vectors import point, point_id, terms, unit, worded

ODD_IDS = (0, 7, 2**64 - 1)


@pytest.fixture(params=params())
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    with opened(request, tmp_path) as new:
        yield new


def nearest(limit: int = 10) -> Query:
    return Query(unit(1), "text", limit, equals={"tenant_id": "acme"}, payload=("number",))


def hybrid(limit: int = 10) -> HybridQuery:
    return HybridQuery(nearest(limit), terms({5: 1.0}), "terms")


def test_integer_ids_are_left_out_of_every_answer(collection: Collection) -> None:
    for odd in ODD_IDS:
        write_foreign(collection, odd, {"tenant_id": "acme"}, {"text": unit(1)})
    collection.upsert([worded(1, {5: 1.0}), point(2)])
    ours = {point_id(1), point_id(2)}
    assert {hit.id for hit in collection.search([nearest()])[0]} == ours
    assert {hit.id for hit in collection.candidates([hybrid()])[0]} == ours
    assert {which for which, _ in collection.scroll(("number",))} == ours
    assert set(collection.lookup(ours)) == set(collection.versions(ours)) == set(collection.payloads(ours, ())) == ours
    assert collection.count({"tenant_id": "acme"}, {}) == 5


def test_a_caller_that_asks_for_all_points_sees_integer_ids_too(collection: Collection) -> None:
    for odd in ODD_IDS:
        write_foreign(collection, odd, {"number": odd % 5, "more": 1}, {"text": unit(1)})
    collection.upsert([point(1)])
    found = dict(collection.scroll_all(("number",)))
    assert found == {0: {"number": 0}, 7: {"number": 2}, 2**64 - 1: {"number": 0}, point_id(1): {"number": 1}}


def test_an_integer_id_differs_from_the_uuid_of_its_value(collection: Collection) -> None:
    write_foreign(collection, 1, {"tenant_id": "acme"}, {"text": unit(1)})
    write_foreign(collection, UUID(int=1), {"tenant_id": "acme", VERSION_FIELD: 3}, {"text": unit(1)})
    assert [hit.id for hit in collection.search([nearest()])[0]] == [UUID(int=1)]
    assert [hit.id for hit in collection.candidates([hybrid()])[0]] == [UUID(int=1)]


def test_nearer_integer_ids_do_not_take_the_places_of_valid_points(collection: Collection) -> None:
    for odd in range(60):
        write_foreign(collection, odd, {"tenant_id": "acme"}, {"text": unit(1)})
    collection.upsert([point(number, vector=unit(1, number)) for number in range(1, 9)])
    narrow, wide, none = nearest(3), nearest(6), Query(unit(1), "text", 3, equals={"tenant_id": "nobody"})
    answers = collection.search([narrow, wide, none])
    assert [[hit.id for hit in hits] for hits in answers] == [
        [point_id(number) for number in range(1, 4)],
        [point_id(number) for number in range(1, 7)],
        [],
    ]
    assert {hit.id for hit in collection.candidates([hybrid(3)])[0]} >= {point_id(1), point_id(2), point_id(3)}


def test_invalid_payloads_stop_no_search_scroll_or_count(collection: Collection) -> None:
    invalid: list[object] = [7, 1.5, True, None, "x", [], {}, [[1]], {"a": {"b": [None]}}]
    for number, each in enumerate(invalid):
        fields = dict.fromkeys(("number", "satisfaction", "flags", "occurred_at", VERSION_FIELD), each)
        write_foreign(collection, UUID(int=number), fields | {"tenant_id": ["acme", each]}, {"text": unit(1)})
    write_foreign(collection, UUID(int=99), {}, {})
    collection.upsert([point(1)])
    assert len(collection.search([nearest(20)])[0]) == len(invalid) + 1
    assert len(collection.candidates([hybrid(20)])[0]) == len(invalid) + 1
    assert len(dict(collection.scroll(("number",)))) == len(invalid) + 2
    assert collection.count({"tenant_id": "acme"}, {"satisfaction": 1}) >= 0


@pytest.mark.parametrize("version", [..., None, 1.5, 1.0, True, False, "1", -1, 0, 2**53, [1], {"a": 1}])
@all_but(fake="keeps the version beside the payload")
def test_a_point_of_millrace_without_a_version_is_an_error_that_names_it(
    collection: Collection, version: object
) -> None:
    fields: dict[str, object] = {} if version is ... else {VERSION_FIELD: version}
    write_foreign(collection, point_id(1), fields, {"text": unit(1)})
    collection.upsert([point(2)])
    for ask in (collection.versions, collection.lookup):
        with pytest.raises(
            Fatal, match=f"point {point_id(1)} was written by another program: .*{VERSION_FIELD}.*delete"
        ):
            ask([point_id(1), point_id(2)])
    with pytest.raises(Fatal, match=str(point_id(1))):
        collection.upsert([point(1)])
