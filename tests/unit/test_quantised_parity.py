"""How near two models are, and what is below a floor. A green run does not prove that the floors are the right ones."""

import numpy as np
import pytest

from millrace.quantising.parts import Accuracy, Floors, shortfalls
from shared.embedding.parity import Parity, compare

FLOORS = Floors(0.997, 0.9)
GOOD = Parity(300, 0.998, 0.99, 0.95)


def unit(rows: int, seed: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    drawn = np.random.default_rng(seed).normal(size=(rows, 16))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def test_the_same_vectors_are_the_same() -> None:
    found = compare(unit(50, 1), unit(50, 1))
    assert (found.texts, found.overlap) == (50, 1)
    assert [found.mean_cosine, found.least_cosine] == pytest.approx([1, 1])


def test_a_single_other_vector_lowers_each_figure() -> None:
    exact, found = unit(50, 1), unit(50, 1)
    found[7] = -found[7]
    compared = compare(exact, found)
    assert compared.least_cosine == pytest.approx(-1)
    assert compared.mean_cosine == pytest.approx(48 / 50)
    assert 0.7 < compared.overlap < 1


def test_neighbours_of_unlike_models_overlap_by_chance() -> None:
    assert compare(unit(200, 1), unit(200, 2)).overlap == pytest.approx(10 / 199, abs=0.03)


@pytest.mark.parametrize(
    ("parity", "accuracy", "said"),
    [
        (GOOD, None, []),
        (GOOD, Accuracy(1000, 0.940, 0.938), []),
        (GOOD, Accuracy(1000, 0.940, 0.950), []),
        (GOOD, Accuracy(1000, 0.940, 0.937), ["93.70% of 1000 texts rightly instead of 94.00%"]),
        (Parity(300, 0.9969, 0.9, 0.95), None, ["mean cosine 0.99690 is below 0.997"]),
        (Parity(300, 0.9969, 0.9, 0.8), None, ["mean cosine 0.99690", "overlap of the ten nearest texts 0.80000"]),
        (Parity(300, float("nan"), 0.9, 0.95), None, ["mean cosine nan is below"]),
    ],
)
def test_what_is_below_a_floor_is_named(parity: Parity, accuracy: Accuracy | None, said: list[str]) -> None:
    found = shortfalls(parity, accuracy, FLOORS)
    assert len(found) == len(said)
    for one, part in zip(found, said, strict=True):
        assert part in one
