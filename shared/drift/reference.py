"""The reference that windows are compared with, and its file. Workers use its centroids, the drift application the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.drift import BatchSums, Outlier
from shared.drift.baseline import Baseline
from shared.drift.slots import common_slots
from shared.records import Vector


class Subject(NamedTuple):
    """What one window and one reference are about.

    Attributes:
        stream: The stream.
        input: The name of the vector.
        model: Fingerprint of the model that made the vectors.
        key: `all`, `tenant:NAME`, `queue:NAME` or `other`.
    """

    stream: str
    input: str
    model: str
    key: str

    @classmethod
    def of(cls, message: BatchSums | Outlier) -> "Subject":
        """Return what a message is about."""
        return cls(message.stream, message.input, message.model, message.key)

    def __str__(self) -> str:
        """Return the key of its records: the four parts, joined by `|`."""
        return "|".join(self)


class Nearest(NamedTuple):
    """Where some vectors lie among the centroids of a reference.

    Attributes:
        centroids: Shape (n,), int64: the number of the nearest centroid of each.
        cosines: Shape (n,), float32: the cosine similarities to them.
        is_far: Shape (n,), bool: whether the vector lies further from it than nine tenths of the reference's.
        is_outlier: Shape (n,), bool: whether it lies beyond the reference's 99th percentile.
    """

    centroids: NDArray[np.int64]
    cosines: NDArray[np.float32]
    is_far: NDArray[np.bool_]
    is_outlier: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reference:
    """What the items of a subject are like when all is well.

    Attributes:
        subject: What it is about.
        reference_id: Eight hex digits that change with its content.
        made_at: When it was built.
        first_at: When its first item happened.
        last_at: When its last item happened.
        centroids: Shape (k, dim), float32, unit length.
        names: The words that characterise the items of each centroid.
        far_below: Shape (k,), float32: an item whose cosine similarity to its nearest centroid is lower is far.
        outlier_below: The same for outliers, over all centroids.
        head: Fingerprint of the head that decided its items; None without one.
        policy: SHA-256 of the policy that decided them.
        baselines: What windows are compared with: the first one is of the whole, others of one slot of the week each.
    """

    subject: Subject
    reference_id: str
    made_at: datetime
    first_at: datetime
    last_at: datetime
    centroids: NDArray[np.float32]
    names: tuple[str, ...]
    far_below: NDArray[np.float32]
    outlier_below: float
    head: str | None
    policy: str | None
    baselines: tuple[Baseline, ...] = ()

    def nearest(self, vectors: NDArray[np.float32]) -> Nearest:
        """Return where vectors lie, shape (n, dim), float32, unit length."""
        similarities = vectors @ self.centroids.T
        centroids = similarities.argmax(axis=1)
        cosines = similarities[np.arange(len(vectors)), centroids]
        return Nearest(centroids, cosines, cosines < self.far_below[centroids], cosines < self.outlier_below)

    def baseline_for(self, start: datetime, end: datetime) -> Baseline:
        """Return what a window of these times is compared with: that of the shortest slot of the week that contains it."""
        by_slot = {each.slot: each for each in self.baselines}
        return next((by_slot[slot] for slot in common_slots(start, end) if slot in by_slot), self.baselines[0])


@dataclass(frozen=True, slots=True)
class Seen:
    """What drift looks at of one item: a row of the data that a reference is built from.

    Attributes:
        vector: Shape (dim,), float32, unit length.
        item_id: Its id in the source system.
        tenant_id: Its tenant.
        occurred_at: When it happened.
        traits: What else it is counted by: label, action, language, channel, length and confidence, each as a class; the
            names are those of the fields of `schemas.drift.BatchSums`. A trait that the item does not have is absent.
        text: Its masked text, from which names are made; empty without text.
    """

    vector: Vector
    item_id: str
    tenant_id: str
    occurred_at: datetime
    traits: Mapping[str, str]
    text: str = ""
