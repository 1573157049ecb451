"""One search over several collections in memory: which vectors are compared with words and pictures, and by what method.

A green run does not prove that the hits are good, nor that a stated false rate is kept on real texts
(`millrace search evaluate` measures both), nor that a real store answers alike (`tests/contract`).
"""

from functools import partial

import pytest

from shared.search.federated.federation import Federation
from shared.vectorstore.conditions import Condition
from tests.support.fakes import ManualClock
from tests.support.federated import federation, ids, named, picture, tickets, words
from tests.support.findable import (
    ASKED,
    OTHERS,
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
from workers.calls.stages import CALLS
from workers.products.stages import PRODUCTS
from workers.tickets.stages import TICKETS


@pytest.fixture(autouse=True)
def background(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the packaged questions by fewer ones: the store in memory is slow."""
    ask_few_questions(monkeypatch)


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
    """Every question finds the same score among these tickets, so that no distribution can be fitted to it."""
    alike = memory(ticket("T-1", "one"))
    encoders = {
        "tickets": partial(asked_by, lambda _: drawn("one")),
        "calls": partial(asked_by, drawn),
    }
    search = Federation([source(TICKETS, alike), source(CALLS, memory(call("C-1", ASKED)))], encoders, ManualClock())
    hits = search.find(words("one")).hits
    assert [(hit.source_id, hit.chance is None) for hit in hits] == [("C-1", False), ("T-1", True)]
    assert hits[1].score > hits[0].score
    assert not hits[1].matches
