"""Texts cut into windows of tokens, and the vectors of windows pooled.

A green run does not prove that a model's own special tokens are the given ones: `tests/contract` compares models with
independent computations.
"""

import numpy as np
import pytest

from shared.embedding.passes import Computed
from shared.embedding.windows import Special, Windows

SPECIAL = Special([1], [2])


def windows_of(*lengths: int) -> Windows:
    return Windows.of([list(range(100, 100 + length)) for length in lengths], 6, SPECIAL)


def test_every_window_has_the_special_tokens_and_at_most_its_length() -> None:
    found = windows_of(3, 0, 9)
    assert found.pieces == [
        [1, 100, 101, 102, 2],
        [1, 2],
        [1, 100, 101, 102, 2],
        [1, 103, 104, 105, 2],
        [1, 106, 107, 108, 2],
    ]
    assert found.owners.tolist() == [0, 1, 2, 2, 2]
    assert found.lengths == [5, 2, 5, 5, 5]


def test_windows_are_weighted_by_their_tokens_and_not_by_the_length_of_their_vectors() -> None:
    """A model without a last normalisation gives vectors of any length."""
    found = windows_of(5).pooled(Computed(np.array([[0, 10], [0.1, 0]], np.float32), (), 0.5))
    # Five tokens are cut into two and three, each with two special ones: the first window weighs 4, the second 5.
    expected = np.array([[5, 4]], np.float32) / np.sqrt(41, dtype=np.float32)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert (found.windows, found.cost) == ((2,), 9)


def test_a_window_that_is_not_finite_spoils_the_vector_of_its_own_text_only() -> None:
    found = windows_of(1, 9, 1).pooled(
        Computed(np.array([[3, 4], [1, 0], [np.nan, 1], [1, 0], [0, 2]], np.float32), (), 0.5)
    )
    np.testing.assert_allclose(found.vectors[[0, 2]], np.array([[0.6, 0.8], [0, 1]], np.float32), atol=1e-6)
    assert np.isnan(found.vectors[1]).all()


def test_no_texts_give_no_vectors() -> None:
    found = windows_of().pooled(Computed(np.zeros((0, 3), np.float32), (), 0.5))
    assert (found.vectors.shape, found.windows, found.cost) == ((0, 3), (), 0)


@pytest.mark.parametrize("length", [1, 4, 5, 8, 9, 100])
def test_no_token_is_lost_or_repeated(length: int) -> None:
    pieces = windows_of(length).pieces
    assert [token for piece in pieces for token in piece[1:-1]] == list(range(100, 100 + length))
    assert max(len(piece) for piece in pieces) <= 6
