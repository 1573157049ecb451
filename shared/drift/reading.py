"""Reading messages about drift: everything that could do harm later is refused here, before any state has changed."""

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
from pydantic import ValidationError

from schemas.drift import BatchSums, Outlier, unpacked, unpacked_half
from shared.drift.reference import Reference, Subject

MOST_AHEAD = timedelta(minutes=10)
"""How far the clock of a worker may run ahead of the brokers'."""


class Unreadable(ValueError):
    """A message that is skipped. The text contains nothing of it."""


def read_sums(value: bytes, arrived: datetime | None = None) -> tuple[BatchSums, Subject, int]:
    """Return a batch, its subject and the length of its vectors.

    Args:
        value: The message.
        arrived: When it arrived at the brokers; None if its times do not matter.

    Raises:
        Unreadable: it is not the sums of a batch, its numbers cannot be right, or its time is ahead.
    """
    try:
        sums = BatchSums.model_validate_json(value)
        vector_sum = unpacked(sums.vector_sum)
    except (ValidationError, ValueError, OverflowError) as error:
        raise Unreadable(f"not the sums of a batch: {type(error).__name__}") from None
    if not np.isfinite(vector_sum).all():
        raise Unreadable("the sum of the vectors is not finite")
    if any(far > sums.centroids.get(number, 0) for number, far in sums.far.items()):
        raise Unreadable("a centroid has more far items than items")
    _check_time(sums.settled_at, arrived)
    return sums, Subject.of(sums), len(vector_sum)


def read_outlier(value: bytes, arrived: datetime | None = None) -> tuple[Outlier, Subject, int]:
    """Return an outlier, its subject and the length of its vector.

    Args:
        value: The message.
        arrived: When it arrived at the brokers; None if its times do not matter.

    Raises:
        Unreadable: it is not an outlier, its vector has no direction, or its time is ahead.
    """
    try:
        outlier = Outlier.model_validate_json(value)
        vector = unpacked_half(outlier.vector)
    except (ValidationError, ValueError, OverflowError) as error:
        raise Unreadable(f"not an outlier: {type(error).__name__}") from None
    if not np.isfinite(vector).all() or not vector.any():
        raise Unreadable("the vector of an outlier has no direction")
    _check_time(outlier.settled_at, arrived)
    return outlier, Subject.of(outlier), len(vector)


def check_fits(reference: Reference, length: int, centroids: Callable[[], int]) -> None:
    """Check that a message of this reference can have been made with it.

    Args:
        reference: The reference.
        length: The length of the vectors of the message.
        centroids: Returns the largest number of a centroid in it.

    Raises:
        Unreadable: the vectors have another length, or there is no such centroid.
    """
    count, dim = reference.centroids.shape
    if length != dim:
        raise Unreadable(f"vectors of {length} numbers, but those of the reference have {dim}")
    if centroids() >= count:
        raise Unreadable("a centroid that the reference does not have")


def _check_time(settled_at: datetime, arrived: datetime | None) -> None:
    if arrived is not None and settled_at - arrived > MOST_AHEAD:
        raise Unreadable("it was settled later than it arrived: the clock of the worker runs ahead")
