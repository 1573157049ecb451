"""What spikes are found in: the outliers of the last minutes."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.drift import Outlier, unpacked_half
from shared.records import Vector

LEVELS = 127
NOBODY = ""
"""Stands for the customer of all items without one: they count as one customer together."""


@dataclass(frozen=True, slots=True)
class Recent:
    """An outlier that arrived lately.

    Attributes:
        identity: Tenant, item and version: an item that arrives again has the same.
        at: When its batch was settled.
        customer: Digest of its customer; `NOBODY` without one.
        centroid: Number of the nearest centroid.
        terms: Its characteristic words.
        vector: Shape (dim,), float32, unit length.
    """

    identity: str
    at: datetime
    customer: str
    centroid: int
    terms: tuple[str, ...]
    vector: Vector

    @classmethod
    def of(cls, outlier: Outlier) -> "Recent":
        """Return what is kept of a message.

        Raises:
            ValueError: its vector cannot be read, or has no length.
        """
        vector = unpacked_half(outlier.vector)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ValueError("the vector of an outlier has no length")
        customer = NOBODY if outlier.customer is None else f"{outlier.tenant_id}:{outlier.customer}"
        identity = f"{outlier.tenant_id}:{outlier.item_id}:{outlier.event_version}"
        return cls(identity, outlier.settled_at, customer, outlier.centroid, outlier.terms, vector / length)

    @property
    def item(self) -> str:
        """Its tenant and its id in the source system: `tenant:id`."""
        return self.identity.rpartition(":")[0]

    @property
    def version(self) -> int:
        """Its version."""
        return int(self.identity.rpartition(":")[2])

    def to_json(self) -> list[Any]:
        """Return it as JSON values; the vector takes one byte a number."""
        return [
            self.identity,
            self.at.isoformat(),
            self.customer,
            self.centroid,
            list(self.terms),
            packed_small(self.vector),
        ]

    @classmethod
    def from_json(cls, value: list[Any]) -> "Recent":
        """Return what `to_json` wrote, with a vector that is rounded."""
        identity, at, customer, centroid, terms, vector = value
        return cls(identity, datetime.fromisoformat(at), customer, centroid, tuple(terms), unpacked_small(vector))


def packed_small(vector: NDArray[np.floating]) -> str:
    """Return the direction of a vector, one byte a number, in base64."""
    largest = float(np.abs(vector).max()) or 1.0
    return b64encode(np.round(vector * (LEVELS / largest)).astype(np.int8).tobytes()).decode("ascii")


def unpacked_small(text: str) -> Vector:
    """Return the unit vector, shape (dim,), float32, whose direction `packed_small` wrote."""
    vector = np.frombuffer(b64decode(text, validate=True), np.int8).astype(np.float32)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
