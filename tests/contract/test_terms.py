"""The terms of a text: Qdrant's tokenizer, stop words, stemmer and hashing, as far as stored vectors depend on them.

A green run does not prove that another release of the library gives the same terms for texts that are not here; if
it does not, raise `VERSION` in `shared/vectorstore/terms.py`.
"""

import subprocess
import sys

import numpy as np
import pytest

from shared.vectorstore.terms import CALL_TERMS, TICKET_TERMS, B, K, Terms, terms_digest
from tests.support.sources import ROOT

TERMS = Terms()
TEXT = "My parcels were delivered to the wrong address, parcels twice! Où est ma commande 00123842?"


def indices(text: str) -> list[int]:
    return [int(index) for index in TERMS.of_query(text).indices]


def test_another_process_gives_the_same_terms() -> None:
    script = f"from shared.vectorstore.terms import Terms; print(Terms().of_document({TEXT!r}).indices.tolist())"
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(TERMS.of_document(TEXT).indices.tolist())


def test_known_words_have_known_indices() -> None:
    """They are part of stored vectors: if one changes, every collection has to be built again under a new version."""
    assert indices("card") == [245350191]
    assert indices("password") == [indices("passwords")[0]]
    assert terms_digest() == "a9fa"
    assert terms_digest(CALL_TERMS) not in ("a9fa", "")


def test_the_weight_in_a_document_is_the_saturated_frequency() -> None:
    for times in (1, 2, 5):
        vector = TERMS.of_document(" ".join(["card"] * times + ["zebra"] * 2))
        length = K * (1 - B + B * (times + 2) / TICKET_TERMS)
        weights = dict(zip(vector.indices.tolist(), vector.values.tolist(), strict=True))
        assert weights[245350191] == pytest.approx(times * (K + 1) / (times + length), rel=1e-5)


def test_the_weights_in_a_query_are_one() -> None:
    assert set(TERMS.of_query("card card card arrived").values.tolist()) == {1.0}


@pytest.mark.parametrize(
    ("one", "other"), [("delivery", "deliveries"), ("CARD", "card"), ("commandé", "commande"), ("Große", "grosse")]
)
def test_inflections_of_a_word_are_one_term(one: str, other: str) -> None:
    assert indices(one) == indices(other) != []


@pytest.mark.parametrize("words", ["the and where is my", "où est la ma des", "", "   ", "!? …"])
def test_stop_words_and_an_empty_text_have_no_terms(words: str) -> None:
    assert indices(words) == []
    assert TERMS.of_document(words).values.shape == (0,)


HOSTILE = {
    "one word": "a" * 100_000,
    "many words": " ".join(f"w{n}" for n in range(16_000)),
    "marks": "\u0301" * 100_000,
    "emoji": "😀" * 50_000,
    "no blanks": "日本語" * 33_000,
    "quotes": "a'" * 50_000,
    "endings": "ing" * 33_000,
    "nulls": "\x00" * 100_000,
    "mixed": ("Ünïcödé—" * 5 + "\u202e\ufeff") * 2_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_terms_are_ascending_and_finite_for_any_text(text: str) -> None:
    for vector in (TERMS.of_document(text), TERMS.of_query(text)):
        assert vector.indices.dtype == np.uint32
        assert vector.values.dtype == np.float32
        assert bool(np.all(vector.indices[1:] > vector.indices[:-1]))
        assert bool(np.isfinite(vector.values).all())
    TERMS.shared(text, [text, "card"])


def test_shared_words_are_listed_once_in_the_spelling_and_order_of_the_query() -> None:
    shared = TERMS.shared("Cards: my CARD was blocked, INV-2024/33!", ["block the card", "inv 2023", "", "invoice 33"])
    assert shared == [("cards", "blocked"), ("inv",), (), ("33",)]


def test_shared_words_are_those_that_count_for_bm25() -> None:
    asked, other = "Where is the refund of my order 00123842", "refunds for ORDER 00123842 were where"
    named = TERMS.shared(asked, [other])[0]
    common = set(indices(asked)) & set(indices(other))
    assert {indices(word)[0] for word in named} == common
    assert len(named) == len(common) == 3


def test_a_term_weighs_in_a_usual_call_what_it_weighs_in_a_usual_ticket() -> None:
    """Otherwise a call of some minutes would never be found by its words."""
    words = [f"zeppelin{number}" for number in range(round(CALL_TERMS))]
    ticket, call = " ".join(words[: round(TICKET_TERMS)]), " ".join(words)
    of_ticket, of_call = Terms().of_document(ticket).values, Terms(CALL_TERMS).of_document(call).values
    assert of_call.mean() == pytest.approx(of_ticket.mean(), rel=0.01)
    assert Terms().of_document(call).values.mean() < 0.3 * of_call.mean()
