"""What is wrong with the vectors of one call: length, NaN, norm, constant rows, one vector for many inputs.

A green run does not prove that a vector which passes means anything: the canaries show that.
"""

import numpy as np
import pytest

from schemas.failures import FailureReason
from shared.embedding.port import Matrix
from shared.embedding.sanity import LEAST_INPUTS, judge

DIM = 16


def good(count: int, dim: int = DIM) -> Matrix:
    """Return random vectors of unit length."""
    drawn = np.random.default_rng(count).normal(size=(count, dim))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def with_row(row: float | list[float]) -> Matrix:
    """Return vectors of which the third is this one."""
    vectors = good(5)
    vectors[2] = row
    return vectors


@pytest.mark.parametrize("count", [0, 1, LEAST_INPUTS, 300])
def test_good_vectors_are_not_doubted(count: int) -> None:
    assert not judge(good(count), DIM).is_doubtful


@pytest.mark.parametrize("length", [1 - 9e-4, 1 + 9e-4])
def test_lengths_within_the_tolerance_are_right(length: float) -> None:
    assert not judge(good(8) * np.float32(length), DIM).is_doubtful


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (np.nan, FailureReason.VECTOR_NOT_FINITE),
        ([np.inf] + [0.0] * (DIM - 1), FailureReason.VECTOR_NOT_FINITE),
        ([0.0] * (DIM - 1) + [np.nan], FailureReason.VECTOR_NOT_FINITE),
        (0.0, FailureReason.VECTOR_CONSTANT),
        (3e38, FailureReason.VECTOR_CONSTANT),
        ([1.002] + [0.0] * (DIM - 1), FailureReason.VECTOR_NOT_UNIT),
        ([0.998] + [0.0] * (DIM - 1), FailureReason.VECTOR_NOT_UNIT),
        (DIM**-0.5, FailureReason.VECTOR_CONSTANT),
    ],
)
def test_a_bad_vector_is_found_alone_with_its_reason(row: float | list[float], reason: FailureReason) -> None:
    assert judge(with_row(row), DIM).faults == {2: reason}


def test_vectors_of_another_length_are_all_wrong() -> None:
    judgement = judge(good(3, DIM + 1), DIM)
    assert judgement.counted() == {FailureReason.VECTOR_WRONG_DIM: 3}


def test_vectors_of_one_number_are_not_constant() -> None:
    assert not judge(np.array([[1.0], [-1.0]], np.float32), 1).faults


def test_a_vector_that_ends_as_it_starts_is_not_constant() -> None:
    assert not judge(np.array([[0.5, -0.5, 0.5, 0.5], [0.1**0.5, 0.8**0.5, 0, 0.1**0.5]], np.float32), 4).faults


@pytest.mark.parametrize("dim", [DIM, 512])
@pytest.mark.parametrize(("count", "same"), [(4, 4), (5, 3), (64, 33), (64, 64)])
def test_one_vector_for_most_inputs_is_doubted(count: int, same: int, dim: int) -> None:
    vectors = good(count, dim)
    at = np.random.default_rng(same).permutation(count)[:same]
    vectors[at] = vectors[at[0]]
    vectors[at] += (
        np.random.default_rng(1).normal(0, 1e-8, (same, dim)).astype(np.float32)
    )  # as from another batch size
    judgement = judge(vectors, dim)
    assert judgement.is_one_for_many
    assert not judgement.faults


@pytest.mark.parametrize(("count", "same"), [(2, 2), (3, 3), (4, 2), (64, 32)])
def test_a_vector_that_few_inputs_share_is_not_doubted(count: int, same: int) -> None:
    vectors = good(count)
    vectors[:same] = vectors[0]
    assert not judge(vectors, DIM).is_doubtful


def test_similar_vectors_are_not_one() -> None:
    vectors = good(64)
    near = vectors[0] + np.float32(0.02) * vectors
    assert not judge(np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32), DIM).is_doubtful


def test_one_vector_for_many_is_seen_beside_bad_vectors() -> None:
    vectors = with_row(np.nan)
    vectors[[0, 1, 3, 4]] = vectors[0]
    judgement = judge(vectors, DIM)
    assert judgement.is_one_for_many
    assert list(judgement.faults) == [2]
