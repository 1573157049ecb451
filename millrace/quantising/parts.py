"""What goes into the building of a quantised model, and what comes out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.embedding.parity import Parity
from shared.embedding.registry import TextCard

if TYPE_CHECKING:  # the libraries of a head take seconds to import
    from shared.routing.head import Head

MOST_LOST_POINTS = 0.2
"""Of the accuracy of a head, in percentage points."""

LEAST_LABELLED = 500
"""With fewer held-out texts a single one is more than `MOST_LOST_POINTS`."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What a quantised model must reach on held-out texts.

    Attributes:
        mean_cosine: The mean cosine with the vectors of the original.
        overlap: The share of the ten nearest texts that are the same.
    """

    mean_cosine: float
    overlap: float


@dataclass(frozen=True, slots=True)
class Judged:
    """A head, and the labelled texts that it decides with the vectors of both models.

    Attributes:
        head: A head that was trained on vectors of the original.
        texts: The held-out texts, prepared.
        labels: Their labels.
    """

    head: "Head"
    texts: Sequence[str]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The shares of held-out texts that a head decides rightly, with the vectors of each model."""

    texts: int
    original: float
    quantised: float

    @property
    def lost_points(self) -> float:
        """By how many percentage points the quantised model is worse."""
        return round(100 * (self.original - self.quantised), 6)  # shares have no exact floats


@dataclass(frozen=True, slots=True)
class Built:
    """A quantised model and how good it is.

    Attributes:
        card: Its card.
        folder: Where it is.
        size_bytes: The size of its files.
        parity: On texts that it was not calibrated with.
        accuracy: Of the head, if there is one.
    """

    card: TextCard
    folder: Path
    size_bytes: int
    parity: Parity
    accuracy: Accuracy | None

    def as_dict(self) -> dict[str, Any]:
        """Return the findings for JSON."""
        return {"parity": asdict(self.parity), "accuracy": None if self.accuracy is None else asdict(self.accuracy)}


def shortfalls(parity: Parity, accuracy: Accuracy | None, floors: Floors) -> list[str]:
    """Return what is below its floor, with both figures."""
    found = [
        f"{name} {value:.5f} is below {floor:g}"
        for name, value, floor in (
            ("mean cosine", parity.mean_cosine, floors.mean_cosine),
            ("overlap of the ten nearest texts", parity.overlap, floors.overlap),
        )
        if not value >= floor  # NaN is no pass
    ]
    if accuracy is not None and accuracy.lost_points > MOST_LOST_POINTS:
        found.append(
            f"the head decides {accuracy.quantised:.2%} of {accuracy.texts} texts rightly instead of "
            f"{accuracy.original:.2%}, and at most {MOST_LOST_POINTS} points may be lost"
        )
    return found
