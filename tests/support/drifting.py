"""A made stream for the watch for drift: topics as bundles of vectors, and what a worker counts its items by."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from schemas.drift import Example
from shared.drift.building.build import Origin, build
from shared.drift.reference import Reference, Seen, Subject
from shared.drift.window import Window

SUBJECT = Subject("tickets", "text", "abcd0123", "all")
START = datetime(2026, 1, 5, tzinfo=UTC)
DIM = 24
TOPICS = 10
WORDS = ("parcel", "invoice", "password", "refund", "screen", "delivery", "coupon", "account", "battery", "shipping")


@dataclass
class Made:
    """Makes items: of topic n with label `label-n`, each with traits that no drift changes.

    Attributes:
        rng: Draws them.
        centres: Shape (topics, dim), unit length; one more topic than usual items have.
    """

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    centres: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Draw the topics."""
        drawn = self.rng.standard_normal((TOPICS + 1, DIM))
        drawn[TOPICS] = 2 * drawn[0] + drawn[TOPICS]  # what is new resembles something known
        self.centres = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    def rows(self, items: int, topic: int | None = None, every_s: int = 60) -> list[Seen]:
        """Return items, of one topic or of all usual ones."""
        topics = self.rng.integers(TOPICS, size=items) if topic is None else np.full(items, topic)
        vectors = self.centres[topics] + 0.12 * self.rng.standard_normal((items, DIM))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        lengths = self.rng.choice(["32-63", "64-127", "128-255"], size=items)
        languages = self.rng.choice(["en", "fr"], size=items, p=[0.97, 0.03])
        return [
            Seen(
                vectors[n].astype(np.float32),
                f"i{n}",
                "acme",
                START + timedelta(seconds=every_s * n),
                {
                    "labels": f"label-{topics[n]}",
                    "languages": str(languages[n]),
                    "lengths": str(lengths[n]),
                    "channels": "web",
                    "actions": "route",
                },
                f"about my {WORDS[topics[n] % TOPICS]} please",
            )
            for n in range(items)
        ]


def built(made: Made, items: int = 3_000, empty: int | None = None, failed: int | None = None) -> Reference:
    """Return a small reference of usual items."""
    return build(SUBJECT, made.rows(items), Origin(START, empty=empty, failed=failed), resamples=400)


def with_traits(rows: Sequence[Seen], **traits: str) -> list[Seen]:
    """Return items with other traits."""
    return [replace(row, traits={**row.traits, **traits}) for row in rows]


def window_of(reference: Reference, rows: Sequence[Seen], start: datetime = START) -> Window:
    """Return the window of items, as a worker's sums make it."""
    vectors = np.stack([row.vector for row in rows])
    near = reference.nearest(vectors)
    window = Window(
        reference.reference_id,
        start,
        start + timedelta(minutes=59),
        vectors.sum(axis=0, dtype=np.float64),
        items=len(rows),
        squared_norms=float((vectors**2).sum()),
        cosines=float(near.cosines.sum()),
        outliers=int(near.is_outlier.sum()),
    )
    for n, row in enumerate(rows):
        number = int(near.centroids[n])
        window.counts["centroids"][str(number)] += 1
        window.counts["far"][str(number)] += int(near.is_far[n])
        for name, value in row.traits.items():
            window.counts[name][value] += 1
        traits = {name[:-1]: value for name, value in row.traits.items() if name in ("labels", "languages", "channels")}
        example: dict[str, Any] = {
            "item_id": row.item_id, "tenant_id": "acme", "length": row.traits["lengths"], **traits,
        }  # fmt: skip
        if n % 2 == 0:
            window.examples.append(Example(**example, centroid=number, is_far=bool(near.is_far[n])))
    return window
