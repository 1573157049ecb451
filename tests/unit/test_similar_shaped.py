"""What shapes a search besides its text: resolutions, conditions on attributes, the customer, and a limit per question.

A green run does not prove that resolutions find better answers: `tests/golden/test_only_resolutions.py` measures that.
"""

from datetime import UTC, datetime

import pytest

from shared.search.conditions import Fields, read_condition
from shared.search.filterable import attribute_fields
from shared.search.shown import SOLVED_TICKETS
from shared.search.similar import Found, Question, SimilarSearch
from shared.stream_settings import SearchSettings
from tests.support.solved import ASKED, SETTINGS, collection, found, names, resolved, solved, unit
from workers.tickets.stages import TICKETS

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_resolution_decides_between_texts_that_are_alike() -> None:
    cookies, lock = resolved("cookies", 0.60, 0.8), resolved("lock", 0.62, 0.2)
    assert names(found(cookies, lock)) == ["cookies", "lock"]
    assert names(found(cookies, lock, resolution_weight=0)) == ["lock", "cookies"]


def test_a_ticket_found_by_its_resolution_alone_is_offered() -> None:
    points = [resolved(f"s{n}", 0.5, 0.1) for n in range(30)]
    answer = found(*points, resolved("answered", 0.1, 1.0), candidates=5, resolution_weight=5)
    assert names(answer)[0] == "answered"
    assert "answered" not in names(found(*points, resolved("answered", 0.1, 1.0), candidates=5, resolution_weight=0))


def test_a_resolution_that_says_nothing_and_a_missing_one_do_not_lower_a_score() -> None:
    points = resolved("nothing", 0.61, 0.1), solved("none", 0.60), resolved("other", 0.59, 0.3)
    assert names(found(*points)) == ["nothing", "none", "other"]


def test_conditions_on_attributes_hold_however_a_ticket_was_found() -> None:
    points = [
        resolved("a", 0.9, 0.9, body=ASKED, attributes={"plan": "free", "seats": 3}),
        resolved("b", 0.5, 0.5, attributes={"plan": "pro", "seats": 3}),
        resolved("c", 0.4, 0.5, attributes={"plan": "pro"}),
    ]
    fields = Fields(attribute_fields(SearchSettings(indexed_attributes=("plan", "seats:number"))), str)
    pro, seats = read_condition("plan=pro", fields), read_condition("seats<=3", fields)
    for where, expected in (((pro,), ["b", "c"]), ((pro, seats), ["b"]), ((), ["a", "b", "c"])):
        search = SimilarSearch(collection(*points), SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours)
        question = Question("acme", ASKED, unit(1.0), AT, where=where)
        assert names(search.find([question])[0]) == expected


def test_a_question_may_have_a_limit_of_its_own_even_if_the_search_is_off() -> None:
    points = collection(*[solved(f"s{n}", 0.9 - n / 20) for n in range(12)])
    search = SimilarSearch(points, SOLVED_TICKETS, SearchSettings(limit=0, candidates=5), TICKETS.points.is_ours)
    asked = [Question("acme", ASKED, unit(1.0), AT, limit=limit) for limit in (None, 10, 2)]
    assert [len(names(answer)) for answer in search.find(asked)] == [0, 10, 2]
    points.effects.clear()
    assert search.find(asked[:1]) == [Found()]
    assert points.effects == []


@pytest.mark.parametrize(
    ("asking", "hit", "same"), [("C-1", "C-1", True), ("C-1", "C-2", False), (None, None, False), ("C-1", None, False)]
)
def test_hits_of_the_customer_who_asks_are_marked(asking: str | None, hit: str | None, same: bool) -> None:
    search = SimilarSearch(
        collection(solved("a", 0.9, customer_id=hit)), SOLVED_TICKETS, SETTINGS, TICKETS.points.is_ours
    )
    question = Question("acme", ASKED, unit(1.0), AT, customer_id=asking)
    assert [ticket.same_customer for ticket in search.find([question])[0].similar] == [same]


def test_the_part_of_the_resolution_is_shown() -> None:
    with_one, without = found(resolved("a", 0.75, 0.8), solved("b", 0.5)).similar
    assert with_one.parts.resolution_cosine == pytest.approx(0.8)
    assert with_one.parts.resolution == pytest.approx(SETTINGS.resolution_weight * (0.8 - 0.6 * 0.75))
    assert with_one.score == pytest.approx((0.75 + with_one.parts.resolution) * with_one.parts.decay)
    assert (without.parts.resolution_cosine, without.parts.resolution) == (None, 0.0)
