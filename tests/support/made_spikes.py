"""Outliers and traffic that are made up, for the tests of spikes."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from schemas.drift import BatchSums, Outlier, packed, packed_half
from shared.drift.reference import Reference, Subject
from shared.drift.spikes import SpikeRules

SUBJECT = Subject("tickets", "text", "0a0b0c0d", "all")
START = datetime(2026, 5, 4, 9, 7, tzinfo=UTC)
DIM = 64
CENTROIDS = np.eye(DIM, dtype=np.float32)[:20]
REFERENCE = Reference(
    SUBJECT, "11112222", START, START, START, CENTROIDS, ("",) * 20, np.full(20, 0.6, np.float32), 0.5, None, None
)
RULES = SpikeRules(window_s=900, customers=3)
rng = np.random.default_rng(4)


def near(axis: int, noise: float = 0.5) -> NDArray[np.float32]:
    """Return a vector near an axis; those of two calls have a cosine similarity of about 0.8."""
    vector = np.eye(DIM)[axis] + noise * rng.standard_normal(DIM) / DIM**0.5
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def outlier(number: int, minute: float, customer: str | None, axis: int = 40, **changes: object) -> Outlier:
    """Return an outlier of the problem of an axis, `minute` minutes after the start."""
    at = START + timedelta(minutes=minute)
    made = Outlier(
        stream="tickets",
        input="text",
        model="0a0b0c0d",
        key="all",
        reference="11112222",
        tenant_id="acme",
        item_id=f"T:{number}",
        event_version=1,
        customer=customer,
        occurred_at=at,
        settled_at=at,
        vector=packed_half(near(axis)),
        centroid=3,
        cosine=0.2,
        terms=("white", "screen", f"word{number}"),
    )
    return made.model_copy(update=changes)


def sums(minute: float, items: int, centroid: int = 3, reference: str = "11112222") -> BatchSums:
    """Return the sums of a batch whose items all lie near one centroid."""
    return BatchSums(
        stream="tickets",
        input="text",
        model="0a0b0c0d",
        key="all",
        traffic="live",
        reference=reference,
        settled_at=START + timedelta(minutes=minute),
        items=items,
        vector_sum=packed(np.zeros(DIM, np.float32)),
        squared_norms=items,
        cosines=0.8 * items,
        centroids={str(centroid): items} if items else {},
    )


def every_centroid(minute: float) -> BatchSums:
    """Return the sums of a batch with ten items near each centroid."""
    return sums(minute, 200).model_copy(update={"centroids": {str(number): 10 for number in range(20)}})
