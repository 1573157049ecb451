"""The words of outliers, and the pieces that spikes are found with. Names are shown to people; nobody has rated them."""

from datetime import UTC, datetime

import numpy as np
import pytest

from shared.drift.groups import UNNAMED, chance, largest_star, name_of
from shared.drift.recent import Recent, packed_small, unpacked_small
from shared.drift.terms import characteristic_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The app shows a white screen after the update 5.2", ("app", "shows", "white", "screen", "update", "5.2")),
        ("Hello, I'm [NAME], write to [EMAIL] or [PHONE NUMBER]: parcel lost", ("write", "parcel", "lost")),
        ("parcel parcel lost", ("parcel", "lost")),
        ("L'écran reste blanc après la mise à jour", ("l'écran", "reste", "blanc", "mise", "jour")),
        ("Der Bildschirm bleibt nach dem Update weiß", ("bildschirm", "bleibt", "update", "weiss")),
        ("La pantalla se queda en blanco", ("pantalla", "queda", "blanco")),
        ("order 123456789 of 12/05/2026 failed with 502", ("order", "failed", "502")),
        ("see https://shop.example/a?token=abc and mail me@shop.example", ("mail",)),
        ("画面が白い", ("画面", "面が", "が白", "白い")),
        ("error PAY-4031 in v5.2.1, then 502", ("error", "pay-4031", "v5.2.1", "502")),
        ("iban DE89370400440532013000 or DE89 3704 0044 0532 0130 00", ("iban",)),
        ("password hunter2, call 111 170 or 030/111-170", ("password", "call")),
        ("born 12.05.80, card 411 111 111", ("born", "card")),
        ("code 502, 503 and 504", ("code", "504")),
        ("a" * 31, ()),
        ("", ()),
        ("?!", ()),
    ],
)
def test_the_characteristic_words_of_a_text(text: str, terms: tuple[str, ...]) -> None:
    assert characteristic_terms(text, 8) == terms


def test_only_as_many_words_as_asked_for_and_of_the_beginning() -> None:
    assert characteristic_terms("parcel lost again today " * 3, 1) == ("parcel",)
    assert characteristic_terms("parcel " + "x! " * 5_000 + "lost", 5) == ("parcel",)


def test_a_hostile_text_takes_no_time() -> None:
    for text in ("[A" * 5_000, "a-" * 5_000, "1." * 5_000, "@" * 5_000, "www." * 2_000):
        characteristic_terms(text, 10)


def recent(customer: str, *terms: str) -> Recent:
    """Return an outlier with these words."""
    return Recent(f"t:{customer}:1", datetime(2026, 1, 1, tzinfo=UTC), customer, 0, terms, np.ones(2, np.float32))


def test_a_name_is_made_of_words_that_a_third_of_the_customers_share() -> None:
    members = [
        recent("a", "flood", "branch"),
        recent("b", "flood", "branch"),
        recent("b", "box"),
        recent("c", "flood", "box"),
    ]
    assert name_of(members, []) == "flood, branch, box"
    assert name_of(members, [recent(each, "flood") for each in "xyz"]) == "branch, box, flood"
    assert name_of([*members, *(recent(each, "flood") for each in "defghi")], []) == "flood"
    assert name_of([recent("a", "one"), recent("a", "one")], []) == UNNAMED


@pytest.mark.parametrize(
    ("count", "expected", "probability"),
    [(0, 1.0, 1.0), (1, 0.1, 0.0951626), (3, 0.2, 0.00114848), (5, 1.0, 0.0036598), (3, 0.0, 0.0), (3, 5.0, 1.0)],
)
def test_the_probability_of_at_least_this_number_of_usual_outliers(
    count: int, expected: float, probability: float
) -> None:
    """Reference values: the tail of the Poisson distribution; 1 where there are no more than usual."""
    assert chance(count, expected) == pytest.approx(probability, rel=1e-4)


def test_the_largest_star_may_be_around_a_neighbour() -> None:
    angles = np.radians([0, 20, 40, 60, 180])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert largest_star(3, vectors, np.cos(np.radians(25))) == [1, 2, 3]
    assert largest_star(0, vectors, np.cos(np.radians(25))) == [0, 1, 2]
    assert largest_star(4, vectors, np.cos(np.radians(25))) == [4]


def test_a_vector_of_one_byte_a_number_keeps_its_direction() -> None:
    vector = np.random.default_rng(1).standard_normal(384).astype(np.float32)
    again = unpacked_small(packed_small(vector))
    assert float(again @ vector) / float(np.linalg.norm(vector)) > 0.999
    assert float(np.linalg.norm(again)) == pytest.approx(1)
    assert not unpacked_small(packed_small(np.zeros(4, np.float32))).any()
