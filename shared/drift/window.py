"""A window: the sums of the batches of one subject since the last window was closed."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.drift import BatchSums, Example, unpacked

LEAST_ITEMS = 500
"""A window with fewer items is not judged: it stays open over the full hour."""

FAMILIES = ("centroids", "far", "labels", "actions", "languages", "channels", "lengths", "confidences")
"""The fields of `BatchSums` that count items by class."""

NUMBERS = ("items", "squared_norms", "cosines", "outliers", "empty", "failed", "agreed", "overridden")
"""The fields of `BatchSums` that are added up."""

MOST_EXAMPLES = 300

Sums = NDArray[np.float64]


@dataclass(slots=True)
class Window:
    """The sums of a window. It is built only from messages, in their order, so reading them again builds the same.

    Attributes:
        reference: Id of the reference that its centroids belong to; None without a reference.
        start: When its first batch was settled.
        end: When its last batch was settled.
        items: Number of its items.
        vector_sum: Shape (dim,), float64: the sum of their vectors.
        squared_norms: The sum of the squared lengths of these.
        cosines: The sum of their cosine similarities to their nearest centroids.
        outliers: Items beyond the reference's 99th percentile.
        empty: Items with nothing to embed.
        failed: Records that became dead letters.
        agreed: Decisions that a person confirmed.
        overridden: Decisions that a person replaced.
        counts: Items by class, for each of `FAMILIES`.
        heads: Fingerprints of the heads that decided.
        policies: The policies that decided, as SHA-256.
        examples: Some of its items, at most 300.
    """

    reference: str | None
    start: datetime
    end: datetime
    vector_sum: Sums
    items: int = 0
    squared_norms: float = 0.0
    cosines: float = 0.0
    outliers: int = 0
    empty: int = 0
    failed: int = 0
    agreed: int = 0
    overridden: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in FAMILIES})
    heads: set[str] = field(default_factory=set)
    policies: set[str] = field(default_factory=set)
    examples: list[Example] = field(default_factory=list)

    @classmethod
    def of(cls, first: BatchSums) -> "Window":
        """Open a window with its first batch."""
        window = cls(
            first.reference, first.settled_at, first.settled_at, np.zeros_like(unpacked(first.vector_sum), np.float64)
        )
        window.add(first)
        return window

    def add(self, sums: BatchSums) -> None:
        """Add a batch.

        Raises:
            ValueError: its vectors have another length, or it belongs to another reference.
        """
        vector_sum = unpacked(sums.vector_sum)
        if sums.reference != self.reference or vector_sum.shape != self.vector_sum.shape:
            raise ValueError("a batch of another reference, or with vectors of another length, is a window of its own")
        self.end = max(self.end, sums.settled_at)
        self.vector_sum += vector_sum
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(sums, name))
        for name in FAMILIES:
            self.counts[name].update(getattr(sums, name))
        self.heads |= {sums.head} - {None}  # type: ignore[arg-type]
        self.policies |= {sums.policy} - {None}  # type: ignore[arg-type]
        self.examples = _spread(self.examples, list(sums.examples))

    def closes_at(self, now: datetime) -> bool:
        """Return whether the window is closed by now: a full hour has passed since its last batch, with enough in it.

        Failed records count here: if nearly all fail, that is judged too.
        """
        return self.items + self.failed >= LEAST_ITEMS and hour_of(now) > hour_of(self.end)

    def ends_before(self, sums: BatchSums) -> bool:
        """Return whether the window ends before a batch: its hour has passed, or the batch cannot be added to it."""
        length = len(unpacked(sums.vector_sum))
        return self.closes_at(sums.settled_at) or sums.reference != self.reference or length != len(self.vector_sum)

    def to_json(self) -> dict[str, Any]:
        """Return the window as JSON values, exactly: the sums in base64, and what is zero or empty left out."""
        written: dict[str, Any] = {
            "reference": self.reference,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "vector_sum": b64encode(self.vector_sum.astype("<f8").tobytes()).decode("ascii"),
            "counts": {name: dict(sorted(counts.items())) for name, counts in self.counts.items() if counts},
            "heads": sorted(self.heads),
            "policies": sorted(self.policies),
            "examples": [each.model_dump(mode="json", exclude_defaults=True) for each in self.examples],
        }
        return written | {name: value for name in NUMBERS if (value := getattr(self, name))}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Window":
        """Return the window that `to_json` wrote.

        Raises:
            ValueError: it is not such a window.
        """
        try:
            return cls(
                value["reference"],
                datetime.fromisoformat(value["start"]),
                datetime.fromisoformat(value["end"]),
                np.frombuffer(b64decode(value["vector_sum"], validate=True), dtype="<f8").astype(np.float64),
                counts={name: Counter(value["counts"].get(name, {})) for name in FAMILIES},
                heads=set(value["heads"]),
                policies=set(value["policies"]),
                examples=[Example.model_validate(each) for each in value["examples"]],
                **{name: value[name] for name in NUMBERS if name in value},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a window: {error!r}") from error


def hour_of(moment: datetime) -> datetime:
    """Return the full hour before a moment, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _spread(kept: list[Example], new: list[Example]) -> list[Example]:
    """Return at most 300 of these examples, evenly spread over both."""
    every = [*kept, *new]
    if len(every) <= MOST_EXAMPLES:
        return every
    step = len(every) / MOST_EXAMPLES
    return [every[int(step * number)] for number in range(MOST_EXAMPLES)]
