"""Every vector store answers hybrid queries alike: the union of the best by cosine and by BM25, each with both scores.

What it shows: Qdrant's inverse document frequency, exact scores for points found by one of the two alone, filters,
and that a point's terms are removed when it is rewritten or deleted. A green run does not prove that the terms are good
(`test_terms.py`, `millrace similar evaluate`), nor anything about speed, a server, or two threads at once.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.records import Point, SparseVector, Vector
from shared.vectorstore.port import VERSION_FIELD, Candidate, Collection, HybridQuery, Query
from tests.support.stores import opened, params
from tests.support.vectors import drawn, point, point_id, terms, tombstone, unit, worded


@pytest.fixture(params=params())
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Collection]:
    with opened(request, tmp_path) as new:
        yield new


def asked(*wanted: int, limit: int = 10, **equals: str) -> HybridQuery:
    """Return a query for the first axis and these terms."""
    return HybridQuery(
        Query(unit(1), "text", limit, equals=equals, payload=("number",)), terms(dict.fromkeys(wanted, 1.0)), "terms"
    )


def numbers(found: list[Candidate]) -> list[object]:
    return sorted(candidate.payload["number"] for candidate in found)  # type: ignore[type-var]  # the tests' numbers


def idf(points: int, having: int) -> float:
    return math.log((points - having + 0.5) / (having + 0.5) + 1)


def bm25(collection: Collection, *wanted: int) -> dict[object, float]:
    return {each.payload["number"]: each.bm25 for each in collection.candidates([asked(*wanted)])[0]}


def test_bm25_is_the_stored_weight_times_the_inverse_document_frequency(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0, 7: 2.0}), worded(2, {5: 0.5}), worded(3, {9: 1.5})])
    assert bm25(collection, 5) == pytest.approx({1: idf(3, 2), 2: 0.5 * idf(3, 2), 3: 0.0}, abs=1e-5)
    assert bm25(collection, 5, 7) == pytest.approx({1: idf(3, 2) + 2 * idf(3, 1), 2: 0.5 * idf(3, 2), 3: 0.0}, abs=1e-5)


def test_points_without_terms_do_not_count_for_the_frequency(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}), worded(2, {6: 1.0}), worded(3, {}), point(4), tombstone(5, 1)])
    assert bm25(collection, 5)[1] == pytest.approx(idf(2, 1), abs=1e-5)


def test_an_unknown_term_finds_nothing_and_causes_no_error(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0})])
    assert bm25(collection, 77) == {1: 0.0}
    assert bm25(collection, 77, 5)[1] == pytest.approx(idf(1, 1), abs=1e-5)


def test_points_found_by_one_of_the_two_alone_have_both_scores(collection: Collection) -> None:
    near = [replace(worded(n, {5: 1.0}), vectors={"text": unit(1, n / 100)}) for n in range(3)]
    far = [replace(worded(n, {8: 1.0}), vectors={"text": unit(0.1, n)}) for n in range(10, 13)]
    collection.upsert([*near, *far])
    [found] = collection.candidates([asked(8, limit=2)])
    by_number = {each.payload["number"]: each for each in found}
    assert numbers(found)[:2] == [0, 1]
    assert len(found) == 4
    for number, each in by_number.items():
        vector = next(each for each in (*near, *far) if each.payload["number"] == number).vectors["text"]
        assert each.dense == pytest.approx(float(vector @ unit(1)), abs=1e-5)
        assert each.bm25 == pytest.approx(idf(6, 3) if number in (10, 11, 12) else 0.0, abs=1e-5)


def test_a_term_shared_beyond_the_best_by_terms_still_counts(collection: Collection) -> None:
    """The nearest point is not among the best by terms, but shares one: that score must not be lost."""
    collection.upsert(
        [
            replace(worded(1, {5: 0.1}), vectors={"text": unit(1)}),
            *(replace(worded(n, {5: 1.0}), vectors={"text": unit(0, 1)}) for n in range(2, 6)),
        ]
    )
    [found] = collection.candidates([asked(5, limit=1)])
    assert {each.payload["number"]: each.bm25 for each in found}[1] == pytest.approx(0.1 * idf(5, 5), abs=1e-5)


def test_candidates_agree_with_a_search_and_are_ordered_by_id(collection: Collection) -> None:
    collection.upsert([worded(n, {n % 7: 1.0}) for n in range(200)])
    queries = [HybridQuery(Query(drawn(n + 900), "text", 5), terms({n % 7: 1.0}), "terms") for n in range(20)]
    hits = collection.search([query.nearest for query in queries])
    for found, near in zip(collection.candidates(queries), hits, strict=True):
        dense = {each.id: each.dense for each in found}
        assert {hit.id for hit in near} <= set(dense)
        assert [dense[hit.id] for hit in near] == pytest.approx([hit.score for hit in near], abs=1e-6)
        assert len(found) <= 10
        assert [each.id for each in found] == sorted(each.id for each in found)


def test_an_answer_is_the_same_alone_and_among_others(collection: Collection) -> None:
    collection.upsert([worded(n, {n % 7: 1.0, 50 + n % 3: 0.5}) for n in range(100)])
    queries = [
        asked(1, 51),
        asked(),
        asked(2, limit=3),
        asked(999),
        HybridQuery(Query(drawn(5), "text", 4), terms({6: 1.0}), "terms"),
    ]
    together = collection.candidates(queries)
    alone = [collection.candidates([query])[0] for query in queries]
    assert [[each.id for each in found] for found in together] == [[each.id for each in found] for found in alone]
    assert [[round(each.bm25, 4) for each in found] for found in together] == [
        [round(each.bm25, 4) for each in found] for found in alone
    ]


def test_filters_apply_to_vector_and_terms(collection: Collection) -> None:
    collection.upsert([worded(n, {5: 1.0}, tenant_id=("acme", "other")[n % 2]) for n in range(20)])
    [found] = collection.candidates([asked(5, limit=30, tenant_id="other")])
    assert numbers(found) == list(range(1, 20, 2))


def test_without_terms_only_the_vector_finds(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}), point(2)])
    [found] = collection.candidates([asked()])
    assert numbers(found) == [1, 2]
    assert {each.bm25 for each in found} == {0.0}


def test_a_point_without_the_vector_is_left_out(collection: Collection) -> None:
    bare = Point(point_id(1), 1, {}, {"number": 1, VERSION_FIELD: 1}, {"terms": terms({5: 1.0})})
    collection.upsert([bare, worded(2, {5: 1.0})])
    assert numbers(collection.candidates([asked(5)])[0]) == [2]


def test_a_newer_version_replaces_the_terms(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}), worded(2, {6: 1.0})])
    collection.upsert([worded(1, {7: 1.0}, version=2)])
    assert bm25(collection, 5) == {1: 0.0, 2: 0.0}
    assert bm25(collection, 7)[1] == pytest.approx(idf(2, 1), abs=1e-5)


def test_an_older_version_does_not_change_the_terms(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}, version=3)])
    collection.upsert([worded(1, {7: 1.0}, version=2)])
    assert bm25(collection, 5)[1] == pytest.approx(idf(1, 1), abs=1e-5)


def test_a_tombstone_loses_its_terms(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}), worded(2, {5: 1.0}), worded(3, {6: 1.0})])
    collection.upsert([tombstone(1, 2)])
    assert bm25(collection, 5) == pytest.approx({2: idf(2, 1), 3: 0.0}, abs=1e-5)


def test_many_rewrites_do_not_change_the_frequencies(collection: Collection) -> None:
    for version in range(1, 12):
        collection.upsert([worded(1, {5: 1.0}, version), worded(2, {5: 1.0, 6: 1.0}, version)])
    assert bm25(collection, 6)[2] == pytest.approx(idf(2, 1), abs=1e-5)


def test_a_field_may_be_missing_only_if_the_query_allows_it(collection: Collection) -> None:
    ratings: list[object] = [1, 3, 4, 5, None]
    collection.upsert([worded(number, {5: 1.0}, satisfaction=rating) for number, rating in enumerate(ratings)])
    collection.upsert([worded(9, {5: 1.0})])
    query = Query(unit(1), "text", 10, at_least={"satisfaction": 4}, payload=("number",))
    lax = replace(query, may_lack=("satisfaction",))
    for nearest, expected in ((query, [2, 3]), (lax, [2, 3, 4, 9])):
        assert numbers(collection.candidates([HybridQuery(nearest, terms({5: 1.0}), "terms")])[0]) == expected
        assert sorted(str(hit.payload["number"]) for hit in collection.search([nearest])[0]) == [
            str(n) for n in expected
        ]


def test_empty_calls_return_nothing(collection: Collection) -> None:
    assert collection.candidates([]) == []
    assert collection.candidates([asked(5)]) == [[]]
    assert collection.payloads([], ("number",)) == {}


def test_payloads_are_read_by_id_with_the_requested_fields(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0}, label="billing"), point(2)])
    found = collection.payloads([point_id(1), point_id(2), point_id(3)], ("label", "number"))
    assert {which: dict(fields) for which, fields in found.items()} == {
        point_id(1): {"label": "billing", "number": 1},
        point_id(2): {"number": 2},
    }


def test_lookup_returns_the_vectors_without_the_terms(collection: Collection) -> None:
    collection.upsert([worded(1, {5: 1.0})])
    assert list(collection.lookup([point_id(1)])[point_id(1)].vectors) == ["text"]


ONE = np.array([1], np.uint32)
BAD = {
    "unknown name": {"words": terms({1: 1.0})},
    "twice": {"terms": SparseVector(np.array([5, 5], np.uint32), np.ones(2, np.float32))},
    "not ascending": {"terms": SparseVector(np.array([7, 5], np.uint32), np.ones(2, np.float32))},
    "lengths differ": {"terms": SparseVector(ONE, np.ones(2, np.float32))},
    "a matrix": {"terms": SparseVector(ONE.reshape(1, 1), np.ones((1, 1), np.float32))},
    "NaN": {"terms": SparseVector(ONE, np.array([np.nan], np.float32))},
    "infinity": {"terms": SparseVector(ONE, np.array([np.inf], np.float32))},
    "signed indices": {"terms": SparseVector(np.array([1], np.int64), np.ones(1, np.float32))},
    "double values": {"terms": SparseVector(ONE, np.ones(1, np.float64))},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_terms_refuse_the_whole_call_and_nothing_is_written(
    collection: Collection, bad: dict[str, SparseVector]
) -> None:
    with pytest.raises(ValueError, match="sparse vector"):
        collection.upsert([worded(1, {5: 1.0}), replace(point(2), sparse=bad)])
    assert list(collection.scroll(("number",))) == []


def beside(number: int, text: float, resolution: float | None, weights: dict[int, float] | None = None) -> Point:
    """Return a point whose two vectors have these cosines to the first axis; None leaves the second vector out."""
    vectors = {"text": tilted(text)} | ({} if resolution is None else {"resolution": tilted(resolution)})
    return replace(worded(number, weights or {9: 1.0}), vectors=vectors)


def tilted(cosine: float) -> Vector:
    return unit(cosine, math.sqrt(1 - cosine**2))


def test_points_near_by_the_second_vector_are_found_with_all_scores(collection: Collection) -> None:
    near = [beside(n, 0.9 - n / 100, 0.1) for n in range(3)]
    solving = [beside(n, 0.1, 0.9 - n / 100) for n in range(10, 13)]
    worded_alone = [beside(n, 0.2, 0.2, {8: 1.0}) for n in range(20, 23)]
    collection.upsert([*near, *solving, *worded_alone])
    query = replace(asked(8, limit=2), second_using="resolution")
    [found] = collection.candidates([query])
    by_number = {int(str(each.payload["number"])): each for each in found}
    assert {0, 1, 10, 11} < set(by_number)
    assert len(by_number) == 6, "two of each kind"
    for number, each in by_number.items():
        stored = next(p for p in (*near, *solving, *worded_alone) if p.payload["number"] == number)
        assert each.dense == pytest.approx(float(stored.vectors["text"] @ unit(1)), abs=1e-5)
        assert each.second == pytest.approx(float(stored.vectors["resolution"] @ unit(1)), abs=1e-5)
        assert (each.bm25 > 0) == (number >= 20)
    assert [each.id for each in found] == sorted(each.id for each in found)


def test_the_second_vector_can_be_compared_with_another_vector(collection: Collection) -> None:
    near, solving = beside(1, 0.9, 0.8), beside(2, 0.1, 0.3)
    collection.upsert([near, solving])
    query = replace(asked(9, limit=1), second_using="resolution", second=unit(0, 1))
    [found] = collection.candidates([query])
    scores = {each.payload["number"]: (each.dense, each.second) for each in found}
    for number, stored in ((1, near), (2, solving)):
        expected = (float(stored.vectors["text"] @ unit(1)), float(stored.vectors["resolution"] @ unit(0, 1)))
        assert scores[number] == pytest.approx(expected, abs=1e-5)


def test_the_second_score_is_missing_if_it_is_not_asked_or_the_point_lacks_the_vector(collection: Collection) -> None:
    collection.upsert([beside(1, 0.9, 0.5), beside(2, 0.8, None)])
    both = collection.candidates([replace(asked(9), second_using="resolution"), asked(9)])
    scores = [{each.payload["number"]: each.second for each in found} for found in both]
    assert scores == [{1: pytest.approx(0.5, abs=1e-5), 2: None}, {1: None, 2: None}]


def test_filters_apply_to_the_second_vector_and_a_point_without_the_first_is_left_out(collection: Collection) -> None:
    points = [beside(n, 0.1, 0.9) for n in range(6)]
    tenants = [replace(p, payload={**p.payload, "tenant_id": f"t{n % 2}"}) for n, p in enumerate(points)]
    bare = Point(point_id(9), 1, {"resolution": tilted(1.0)}, {"number": 9, VERSION_FIELD: 1, "tenant_id": "t1"})
    collection.upsert([*tenants, bare])
    [found] = collection.candidates([replace(asked(limit=30, tenant_id="t1"), second_using="resolution")])
    assert numbers(found) == [1, 3, 5]
