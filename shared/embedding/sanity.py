"""Whether the vectors of one call of a model can be right, whatever its inputs were."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.failures import FailureReason
from shared.embedding.port import Matrix

NORM_TOLERANCE = 1e-3
"""How far the length of a vector may be from 1."""

SAME_COSINE = 1 - 1e-5
"""Vectors that are this near count as one: rounding moves them by less, and different inputs are rarely this near."""

LEAST_INPUTS = 4
"""Fewer inputs of one call may share a vector, such as a word in two spellings for a model that knows one."""

WHAT: Mapping[FailureReason, str] = {
    FailureReason.VECTOR_WRONG_DIM: "the model returned a vector of another length than its card states",
    FailureReason.VECTOR_NOT_FINITE: "the model returned NaN or infinity",
    FailureReason.VECTOR_NOT_UNIT: "the model returned a vector that does not have unit length",
    FailureReason.VECTOR_CONSTANT: "the model returned a vector whose numbers are all equal",
}
"""What is wrong with a vector, in words; these are the reasons for which a vector is refused."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is wrong with the vectors of one call.

    Attributes:
        faults: The reason why a vector cannot be right, by its position.
        is_one_for_many: Whether most inputs of the call share one vector; each of these vectors may be right.
    """

    faults: Mapping[int, FailureReason]
    is_one_for_many: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the model has to be looked at."""
        return self.is_one_for_many or bool(self.faults)

    def counted(self) -> dict[FailureReason, int]:
        """Return the number of vectors with each fault."""
        reasons = list(self.faults.values())
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}


GOOD = Judgement({})


def judge(vectors: Matrix, dim: int, is_scaled: bool = True) -> Judgement:
    """Judge the vectors of one call, which had different inputs.

    Args:
        vectors: A vector for each input.
        dim: Length of a vector.
        is_scaled: Whether the vectors must have unit length; else only finite numbers that are not all 0.
    """
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        return Judgement(dict.fromkeys(range(len(vectors)), FailureReason.VECTOR_WRONG_DIM))
    if not len(vectors):
        return GOOD
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        # Each comparison is false for NaN, and the second one for infinity.
        is_unit = np.abs(norms - 1) <= NORM_TOLERANCE if is_scaled else (norms > 0) & (norms < np.inf)
    is_constant = _constant(vectors)
    is_good = is_unit & ~is_constant
    if is_good.all():
        return Judgement({}, _is_one_for_many(vectors, norms))
    faults = {int(at): _reason(vectors[at], bool(is_constant[at])) for at in np.flatnonzero(~is_good)}
    return Judgement(faults, _is_one_for_many(vectors[is_good], norms[is_good]))


def _constant(vectors: Matrix) -> NDArray[np.bool_]:
    """Return which rows have equal numbers; a vector of one number is no sign of anything."""
    found: NDArray[np.bool_] = vectors[:, 0] == vectors[:, -1]
    if vectors.shape[1] == 1:
        return np.zeros_like(found)
    for at in np.flatnonzero(found):  # hardly any, as few vectors end with the number that they start with
        found[at] = bool((vectors[at] == vectors[at, 0]).all())
    return found


def _reason(vector: Matrix, is_constant: bool) -> FailureReason:
    if not np.isfinite(vector).all():
        return FailureReason.VECTOR_NOT_FINITE
    return FailureReason.VECTOR_CONSTANT if is_constant else FailureReason.VECTOR_NOT_UNIT


def _is_one_for_many(vectors: Matrix, norms: Matrix) -> bool:
    """Return whether more than half of at least `LEAST_INPUTS` vectors are one.

    If they are, the vector whose first number is the median of all first numbers is one of them, so that one comparison
    with all vectors is enough.
    """
    count = len(vectors)
    if count < LEAST_INPUTS:
        return False
    middle = int(np.argpartition(vectors[:, 0], count // 2)[count // 2])
    near = vectors @ vectors[middle] > SAME_COSINE * norms[middle] * norms
    return 2 * int(np.count_nonzero(near)) > count
