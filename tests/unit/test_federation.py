"""One search over several collections in memory: what is found, in which order, and when nothing matches.

A green run does not prove that the hits are good, nor that a stated false rate is kept on real texts
(`millrace search evaluate` measures both), nor that a real store answers alike (`tests/contract`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from schemas.found import FoundItem
from shared.records import Point, Vector
from shared.search.federated.federation import CHANCE_HOLDS_S, CHANCES_KEPT, Answer, Federation, Question
from shared.search.federated.source import Source
from shared.vectorstore.conditions import Condition
from tests.support.fakes import FakeCollection, ManualClock
from tests.support.findable import (
    WIDE,
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

ASKED = "where is my parcel"
OTHERS = tuple(f"something else, number {number}" for number in range(20))


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the packaged questions by fewer ones: the store in memory is slow."""
    texts = tuple(f"a question that fits nothing, number {number}" for number in range(80))
    monkeypatch.setattr("shared.search.federated.background.background_texts", lambda: texts)


def federation(*sources: Source, clock: ManualClock | None = None) -> Federation:
    return Federation(sources, {each.stream: partial(asked_by, drawn) for each in sources}, clock or ManualClock())


def words(text: str = ASKED, streams: Sequence[str] = ("tickets", "calls", "products"), **changes: Any) -> Question:
    """Return a question by words; `changes` are further fields."""
    vectors = {name: {asked: rows[0] for asked, rows in asked_by(drawn, [text]).items()} for name in streams}
    return Question("acme", vectors, text, **changes)


def picture(vector: Vector, *streams: str, **changes: Any) -> Question:
    return Question("acme", {name: {"picture": vector} for name in streams}, **changes)


def ids(hits: Sequence[FoundItem]) -> list[str]:
    return [hit.source_id for hit in hits]


def tickets(*points: Point) -> FakeCollection:
    """Return a collection of tickets that fit nothing, and these points."""
    return memory(*(ticket(f"O-{at}", text) for at, text in enumerate(OTHERS)), *points)


def named(answer: Answer) -> Mapping[str, FoundItem]:
    return {hit.source_id: hit for hit in answer.hits}


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


# --- what is compared ---


def test_a_call_without_speech_is_left_out_for_words() -> None:
    store = memory(*(call(f"C-{at}", text) for at, text in enumerate(OTHERS)))
    silent = with_vectors(call("C-silent", "  "), text=drawn(ASKED))
    store.upsert([silent])
    assert "C-silent" not in ids(federation(source(CALLS, store)).find(words()).hits)


def test_a_product_with_and_one_without_a_text_have_methods_of_their_own() -> None:
    others = [product(f"I-{at}", text, f"title {text}" if at % 2 else "") for at, text in enumerate(OTHERS)]
    store = memory(*others, product("P-plain", ASKED), product("P-titled", ASKED, ASKED))
    found = named(federation(source(PRODUCTS, store, candidates=40)).find(words(limit=30)))
    plain, titled = found["P-plain"], found["P-titled"]
    assert (plain.method, titled.method) == ("conse", "conse+text")
    assert [(part.method, part.weight) for part in plain.parts] == [("conse", 1.0)]
    assert [(part.method, part.weight) for part in titled.parts] == [("conse", 0.6), ("text", pytest.approx(0.4))]
    assert [plain.score, titled.score] == pytest.approx([1.0, 1.0])
    assert plain.matches
    assert titled.matches


def test_the_text_alone_is_shown_if_the_picture_only_lowers_the_score() -> None:
    others = [product(f"I-{at}", text, f"title {text}") for at, text in enumerate(OTHERS)]
    store = memory(*others, product("P-1", "the picture shows another thing", ASKED))
    first = federation(source(PRODUCTS, store, candidates=40)).find(words()).hits[0]
    assert (first.source_id, first.method) == ("P-1", "text")
    assert first.score == pytest.approx(1.0)
    assert first.reasons[0] == "Its text is like the question (cosine 1.00, text model)."
    assert first.matches


def test_shared_words_add_to_the_score_and_are_shown() -> None:
    body = f"{ASKED} since Monday"
    store = tickets(with_vectors(ticket("T-1", body), text=drawn("far away")))
    found = named(federation(source(TICKETS, store)).find(words()))["T-1"]
    assert found.shared_terms == ("parcel",)
    assert found.method == "text+terms"
    assert found.lexical > 0
    assert found.score == pytest.approx(found.parts[0].cosine + found.lexical)


def test_a_condition_reaches_the_store_and_has_a_chance_of_its_own() -> None:
    labelled = [ticket(f"L-{at}", f"labelled {text}", label="delivery") for at, text in enumerate(OTHERS[:5])]
    near = with_vectors(ticket("L-near", "labelled", label="delivery"), text=between(drawn(ASKED), drawn("a"), 0.3))
    store = tickets(*labelled, near, ticket("T-1", ASKED))
    search = federation(source(TICKETS, store))
    every = named(search.find(words(limit=30)))
    before = len(store.effects)
    where = {"tickets": (Condition(("label",), "=", "delivery"),)}
    found = search.find(words(where=where, limit=30))
    assert set(ids(found.hits)) == {"L-near", *(f"L-{n}" for n in range(5))}
    assert len(store.effects) - before > 2, "chance was measured again"
    beside, among_all = named(found)["L-near"].chance, every["L-near"].chance
    assert beside is not None
    assert among_all is not None
    assert beside < among_all, "among fewer items, chance gives lower scores"
    before = len(store.effects)
    search.find(words(where=where))
    assert len(store.effects) - before == 1, "it is kept"


# --- pictures ---


def test_a_picture_finds_the_same_picture_among_others() -> None:
    store = memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS)))
    found = federation(source(PRODUCTS, store)).find(picture(drawn(f"pixels of {OTHERS[7]}"), "products"))
    first = found.hits[0]
    assert (first.source_id, first.method, first.matches) == ("I-7", "image", True)
    assert first.reasons[-1] == "Of 1,000 pairs of random stored pictures, fewer than 1 are as alike."
    assert first.chance is not None
    assert first.chance < 1e-6
    assert all(hit.chance is not None and hit.chance > 0.001 for hit in found.hits[1:])


def test_with_too_few_pictures_chance_is_unknown_and_nothing_matches() -> None:
    store = memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS[:5])))
    found = federation(source(PRODUCTS, store)).find(picture(drawn(f"pixels of {OTHERS[1]}"), "products"))
    assert ids(found.hits)[0] == "I-1", "the nearest is first all the same"
    assert all(hit.chance is None and not hit.matches for hit in found.hits)
    assert found.hits[0].reasons[-1] == "There are too few items to judge whether it matches."


def test_hits_without_a_chance_come_last() -> None:
    """Both have a method of which the background has too few scores only for products with a text."""
    products = memory(*(product(f"I-{at}", text) for at, text in enumerate(OTHERS)))
    few = federation(source(PRODUCTS, products, candidates=40), source(TICKETS, tickets()))
    search = few.find(words(limit=60))
    unknown = [hit.chance is None for hit in search.hits]
    assert unknown == sorted(unknown)
    alike = Federation([source(TICKETS, memory(ticket("T-1", "one"))), source(CALLS, memory(call("C-1", ASKED)))], {
        "tickets": lambda texts: {"text": np.array([drawn("one")] * len(texts), np.float32)},
        "calls": partial(asked_by, drawn),
    }, ManualClock())  # fmt: skip
    hits = alike.find(words(text="one")).hits
    assert [(hit.source_id, hit.chance is None) for hit in hits] == [("C-1", False), ("T-1", True)]


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
