"""A reference of drawn items, and the sums and outliers of such items as a worker publishes them."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from numpy.typing import NDArray

from schemas.drift import BatchSums, Example, Outlier, packed, packed_half
from shared.drift.building.build import Origin, build
from shared.drift.reference import Reference, Seen, Subject

SUBJECT = Subject("tickets", "text", "0badcafe", "all")
BUILT = datetime(2026, 2, 1, tzinfo=UTC)
DIM, TOPICS = 32, 12
RESAMPLES = 300
Vectors = NDArray[np.float32]


def _centres() -> Vectors:
    drawn = np.random.default_rng(3).normal(size=(TOPICS + 1, DIM))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def items(count: int, random: np.random.Generator, new_share: float = 0.0) -> tuple[Vectors, list[str]]:
    """Return vectors, shape (count, dim), and their labels; a share of them is about a topic that no reference knows."""
    topics = np.where(random.random(count) < new_share, TOPICS, random.integers(0, TOPICS, count))
    noise = 0.12 * random.normal(size=(count, DIM))
    vectors = _centres()[topics] + noise
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, [f"label {topic % 4}" for topic in topics]


@cache
def reference() -> Reference:
    """Return the reference of 4,000 usual items of four weeks."""
    vectors, labels = items(4_000, np.random.default_rng(1))
    rows = [
        Seen(vector, f"T-{number}", "acme", BUILT + timedelta(minutes=10 * number), {"label": label})
        for number, (vector, label) in enumerate(zip(vectors, labels, strict=True))
    ]
    return build(SUBJECT, rows, Origin(BUILT), resamples=RESAMPLES)


def sums_of(vectors: Vectors, labels: Sequence[str], at: datetime, first: int = 0) -> BatchSums:
    """Return the sums of a batch."""
    of = reference()
    near = of.nearest(vectors)
    far = near.centroids[near.is_far]
    examples = tuple(
        Example(item_id=f"N-{first + at}", tenant_id="acme", centroid=int(near.centroids[at]), length="0")
        for at in range(min(8, len(vectors)))
    )
    return BatchSums(
        stream=SUBJECT.stream,
        input=SUBJECT.input,
        model=SUBJECT.model,
        key=SUBJECT.key,
        traffic="live",
        reference=of.reference_id,
        settled_at=at,
        items=len(vectors),
        vector_sum=packed(vectors.sum(axis=0)),
        squared_norms=float((vectors**2).sum()),
        cosines=float(near.cosines.sum()),
        centroids={str(each): count for each, count in Counter(near.centroids.tolist()).items()},
        far={str(each): count for each, count in Counter(far.tolist()).items()},
        outliers=int(near.is_outlier.sum()),
        labels=dict(Counter(labels)),
        examples=examples,
    )


def outlier(number: int, customer: str, began: datetime = BUILT) -> bytes:
    """Return the message of an item about one problem that no reference knows, some seconds after it began."""
    direction = np.zeros(DIM)
    direction[0] = 1
    direction[1 + number % 3] = 0.05
    at = began + timedelta(seconds=number)
    found = Outlier(
        stream=SUBJECT.stream,
        input=SUBJECT.input,
        model=SUBJECT.model,
        key=SUBJECT.key,
        reference=reference().reference_id,
        tenant_id="acme",
        item_id=f"T-{number}",
        event_version=1,
        customer=customer,
        occurred_at=at,
        settled_at=at,
        vector=packed_half(direction / np.linalg.norm(direction)),
        centroid=0,
        cosine=0.1,
        terms=("white", "screen"),
    )
    return found.model_dump_json().encode()
