"""One search over several collections in memory: what is found, in which order, and when nothing matches.

A green run does not prove that the hits are good, nor that a stated false rate is kept on real texts
(`millrace search evaluate` measures both), nor that a real store answers alike (`tests/contract`).
"""

import math
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from shared.search.federated.federation import CHANCE_HOLDS_S, CHANCES_KEPT, Federation, Question
from shared.vectorstore.conditions import Condition
from tests.support.fakes import ManualClock
from tests.support.federated import federation, ids, named, picture, tickets, words
from tests.support.findable import (
    ASKED,
    OTHERS,
    WIDE,
    ask_few_questions,
    asked_by,
    between,
    call,
    drawn,
    memory,
    product,
    source,
    ticket,
    with_vectors,
)
from tests.support.stores import write_foreign
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the packaged questions by fewer ones: the store in memory is slow."""
    ask_few_questions(monkeypatch)


# --- order ---


def test_a_sentence_finds_a_ticket_a_call_and_a_product_in_one_list() -> None:
    sources = (
        source(TICKETS, tickets(ticket("T-1", ASKED))),
        source(CALLS, memory(*(call(f"D-{at}", text) for at, text in enumerate(OTHERS)), call("C-1", ASKED))),
        source(PRODUCTS, memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS)), product("P-1", ASKED))),
    )
    answer = federation(*sources).find(words())
    assert set(ids(answer.matching)) == {"T-1", "C-1", "P-1"}
    assert answer.asked == ("tickets", "calls", "products")
    assert len(answer.hits) == 10, "those that do not match follow"
    assert [hit.matches for hit in answer.hits] == [True] * 3 + [False] * 7
    chances = [hit.chance for hit in answer.hits]
    assert chances == sorted(chances, key=lambda each: math.inf if each is None else each)


def test_hits_are_ordered_by_chance_and_not_by_score() -> None:
    """All tickets are near each question, by a model whose vectors all point the same way."""
    common = drawn("the direction that all share")
    alike = {text: between(common, drawn(text), 0.75) for text in OTHERS}
    near = memory(*(with_vectors(ticket(f"T-{at}", text), text=alike[text]) for at, text in enumerate(OTHERS)))
    far = memory(
        *(call(f"C-{at}", text) for at, text in enumerate(OTHERS)),
        with_vectors(call("C-right", "other words"), text=between(drawn(ASKED), drawn("noise"), 0.6)),
    )
    sources = source(TICKETS, near), source(CALLS, far)
    encoders = {
        "tickets": partial(asked_by, lambda text: between(common, drawn(text), 0.75)),
        "calls": partial(asked_by, drawn),
    }
    question = Question(
        "acme", {name: {"text": encode([ASKED])["text"][0]} for name, encode in encoders.items()}, ASKED
    )
    answer = Federation(sources, encoders, ManualClock()).find(question)
    first, *others = answer.hits
    assert first.source_id == "C-right"
    assert min(hit.score for hit in others if hit.stream == "tickets") > first.score, "scores would have placed it last"
    assert ids(answer.matching) == ["C-right"]


def test_nothing_matches_is_an_answer_and_the_nearest_items_are_shown() -> None:
    answer = federation(source(TICKETS, tickets())).find(words())
    assert answer.matching == ()
    assert len(answer.hits) == 10
    assert all(hit.chance is not None and hit.chance > 0.05 for hit in answer.hits)
    assert answer.hits[0].reasons[-1].startswith("Of 1,000 questions that fit nothing, ")


def test_about_the_stated_share_of_questions_that_fit_nothing_gets_a_match() -> None:
    """These questions are not those that chance was measured by; the model draws vectors, so that all fit nothing."""
    search = federation(source(TICKETS, tickets()), source(CALLS, memory(*(call(f"C-{t}", t) for t in OTHERS))))
    matched = [bool(search.find(words(f"question {n}", false_rate=0.2)).matching) for n in range(200)]
    assert 0.1 < float(np.mean(matched)) < 0.3


def test_without_items_there_are_no_hits() -> None:
    answer = federation(source(TICKETS, memory()), source(CALLS, memory())).find(words())
    assert (answer.hits, answer.matching, answer.asked) == ((), (), ("tickets", "calls"))


def test_a_stream_without_vectors_of_the_question_is_not_asked() -> None:
    store = memory(call("C-1", ASKED))
    answer = federation(source(TICKETS, tickets()), source(CALLS, store)).find(words(streams=("tickets",)))
    assert answer.asked == ("tickets",)
    assert store.effects == []


@pytest.mark.parametrize("limit", [1, 5, 20])
def test_there_are_at_most_as_many_hits_as_wanted_and_ranking_returns_them_all(limit: int) -> None:
    search = federation(source(TICKETS, tickets()), source(CALLS, memory(*(call(f"C-{t}", t) for t in OTHERS))))
    ranked = search.rank(words(limit=limit))
    assert search.find(words(limit=limit)).hits == ranked.hits[:limit]
    for stream in ("tickets", "calls"):
        assert sum(hit.stream == stream for hit in ranked.hits) >= limit


# --- tenants and other programs ---


def test_only_the_items_of_the_tenant_are_found_and_compared() -> None:
    foreign = [ticket(f"Z-{at}", text, tenant_id="zeta") for at, text in enumerate((ASKED, *OTHERS))]
    alone = federation(source(TICKETS, tickets())).find(words())
    beside = federation(source(TICKETS, tickets(*foreign))).find(words())
    assert ids(beside.hits) == ids(alone.hits)
    chances = [[hit.chance for hit in answer.hits] for answer in (alone, beside)]
    assert chances[1] == pytest.approx(chances[0], abs=0.02), "they change only how frequent words are"


def test_points_of_other_programs_are_never_returned_and_displace_nothing() -> None:
    store = tickets(ticket("T-1", ASKED))
    fields = dict(ticket("T-9", ASKED).payload)
    for number in range(60):
        write_foreign(store, number if number % 2 else uuid4(), fields, {"text": drawn(ASKED)})
    found = federation(source(TICKETS, store)).find(words())
    assert found.hits[0].source_id == "T-1"
    assert set(ids(found.hits)) <= {"T-1", *(f"O-{at}" for at in range(20))}
    assert len(found.hits) == 10
    assert found.hits[0].matches, "nor do they change what chance gives"


@pytest.mark.parametrize(
    "damage",
    [{"body": None}, {"occurred_at": "yesterday"}, {"label": ["a"]}, {"subject": 7}, {"resolution": 1.5}],
)
def test_an_item_whose_payload_is_damaged_is_left_out(damage: dict[str, Any]) -> None:
    store = tickets(ticket("T-1", ASKED), *(ticket(f"B-{n}", ASKED, **damage) for n in range(30)))
    found = federation(source(TICKETS, store)).find(words())
    assert found.hits[0].source_id == "T-1"
    assert not any(name.startswith("B-") for name in ids(found.hits))
    assert len(found.hits) == 10


def test_a_vector_that_is_not_finite_neither_is_a_hit_nor_spoils_what_chance_gives() -> None:
    store = tickets(ticket("T-1", ASKED))
    for number in range(4):
        text = f"a question that fits nothing, {number}"  # it is found by its words for each question of the background
        spoilt = with_vectors(ticket(f"N-{number}", text), text=np.full(WIDE, np.nan, np.float32))
        store.points[spoilt.id] = spoilt
    found = federation(source(TICKETS, store)).find(words())
    assert ids(found.matching) == ["T-1"]
    assert not any(name.startswith("N-") for name in ids(found.hits))


def test_a_picture_whose_vector_is_damaged_does_not_spoil_what_chance_gives() -> None:
    store = memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS)))
    spoilt = with_vectors(product("N-1", "spoilt"), image=np.full(WIDE, np.nan, np.float32))
    store.points[spoilt.id] = spoilt
    found = federation(source(PRODUCTS, store)).find(picture(drawn(f"pixels of {OTHERS[3]}"), "products"))
    assert found.hits[0].source_id == "I-3"
    assert found.hits[0].matches
    assert "N-1" not in ids(found.hits)


def test_a_deleted_item_is_not_found() -> None:
    gone = replace(ticket("T-1", ASKED, deleted=True), vectors={}, sparse={})
    assert "T-1" not in ids(federation(source(TICKETS, tickets(gone))).find(words()).hits)


# --- what is kept ---


def test_what_chance_gives_is_measured_again_after_its_time() -> None:
    near = with_vectors(ticket("T-near", "a text"), text=between(drawn(ASKED), drawn("a"), 0.3))
    store, clock = tickets(near), ManualClock()
    search = federation(source(TICKETS, store), clock=clock)
    search.find(words())
    measured = len(store.effects)
    assert measured > 1
    clock.seconds += CHANCE_HOLDS_S - 1
    search.find(words())
    assert len(store.effects) == measured + 1
    before = named(search.find(words(limit=250)))["T-near"].chance
    store.upsert([ticket(f"N-{at}", f"new {at}") for at in range(200)])
    clock.seconds += 2
    store.effects.clear()
    after = named(search.find(words(limit=250)))["T-near"].chance
    assert sum(effect.startswith("candidates") for effect in store.effects) == measured
    assert before is not None
    assert after is not None
    assert after > before, "among more items, chance finds better ones"


def test_the_measures_that_are_kept_are_limited() -> None:
    store = tickets()
    search = federation(source(TICKETS, store))
    for number in range(CHANCES_KEPT + 1):
        search.find(words(where={"tickets": (Condition(("event_version",), "<=", float(number + 1)),)}))
    store.effects.clear()
    search.find(words(where={"tickets": (Condition(("event_version",), "<=", float(CHANCES_KEPT + 1)),)}))
    assert len(store.effects) == 1, "the last one is kept"
    search.find(words(where={"tickets": (Condition(("event_version",), "<=", 1.0),)}))
    assert len(store.effects) > 3, "the first one is not"


def test_pictures_of_points_without_a_valid_version_are_passed_over() -> None:
    store = memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS)))
    broken = product("I-0", OTHERS[0])
    store.points[broken.id] = replace(broken, payload={**broken.payload, "event_version": None})
    write_foreign(store, UUID(int=5), {"tenant_id": "acme", "image_id": "I-99"}, {"image": drawn("x")})
    found = federation(source(PRODUCTS, store)).find(picture(drawn(f"pixels of {OTHERS[7]}"), "products"))
    assert found.hits[0].source_id == "I-7"
    assert found.hits[0].matches
