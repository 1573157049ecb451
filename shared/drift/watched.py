"""What the drift application keeps of one subject: the open window, the last closed ones, and how far it has read."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from schemas.drift import Answer, BatchSums
from shared.drift.frames import Place, framed, unframed
from shared.drift.reference import Subject
from shared.drift.window import Window

MOST_CLOSED = 48
"""Closed windows that are kept: two days of full hours."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What remains of a closed window.

    Attributes:
        start: When its first batch was settled.
        end: When its last batch was settled.
        items: Number of its items.
        answer: What was found.
        p_value: The probability of such a window without drift; None if it was not judged.
        effect: Share of the items that would have to change to undo the difference.
        beyond: Whether it counts for an alert.
        agreed: Decisions that a person confirmed.
        overridden: Decisions that a person replaced.
        outliers: Items beyond the reference's 99th percentile.
        grown: The causes that were found: kind, name and share of the window, for `since`.
    """

    start: datetime
    end: datetime
    items: int
    answer: Answer
    p_value: float | None = None
    effect: float = 0.0
    beyond: bool = False
    agreed: int = 0
    overridden: int = 0
    outliers: int = 0
    grown: tuple[tuple[str, str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {"start": self.start.isoformat(), "end": self.end.isoformat()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Closed":
        """Return what `to_json` wrote."""
        start, end = (datetime.fromisoformat(value[name]) for name in ("start", "end"))
        grown = tuple((kind, name, share) for kind, name, share in value["grown"])
        return cls(**{**value, "start": start, "end": end, "grown": grown})


@dataclass(slots=True)
class Watched:
    """What is kept of one subject.

    Attributes:
        subject: The subject.
        place: Where its batches are read.
        offset: The offset of the last batch that is in the sums.
        last_batch: When the newest batch was settled.
        window: The open window.
        first_offset: The offset of the first batch of the open window.
        closed: The last closed windows, the oldest first.
        alerted: Whether the present run of windows beyond the level has raised its alert.
    """

    subject: Subject
    place: Place
    offset: int = -1
    last_batch: datetime | None = None
    window: Window | None = None
    first_offset: int = -1
    closed: list[Closed] = field(default_factory=list)
    alerted: bool = False

    def add(self, sums: BatchSums, offset: int) -> None:
        """Add a batch to the open window, or open one with it."""
        if self.window is None:
            self.window, self.first_offset = Window.of(sums), offset
        else:
            self.window.add(sums)

    def keep(self, closed: Closed) -> None:
        """Put what remains of the open window to the closed ones, and close it."""
        self.closed = [*self.closed, closed][-MOST_CLOSED:]
        self.window, self.first_offset = None, -1
        self.alerted = self.alerted and closed.beyond

    def to_bytes(self) -> bytes:
        """Return the value for the changelog."""
        state = {
            "subject": self.subject,
            "last_batch": self.last_batch and self.last_batch.isoformat(),
            "window": self.window and self.window.to_json(),
            "first_offset": self.first_offset,
            "closed": [each.to_json() for each in self.closed],
            "alerted": self.alerted,
        }
        return framed(self.place, self.offset, state)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Watched":
        """Return what `to_bytes` wrote.

        Raises:
            ValueError: it is not such a value, or one of another version.
        """
        place, offset, state = unframed(raw)
        try:
            return cls(
                Subject(*state["subject"]),
                place,
                offset,
                state["last_batch"] and datetime.fromisoformat(state["last_batch"]),
                state["window"] and Window.from_json(state["window"]),
                state["first_offset"],
                [Closed.from_json(each) for each in state["closed"]],
                state["alerted"],
            )
        except (LookupError, TypeError) as error:
            raise ValueError(f"not the state of a subject: {type(error).__name__}") from error


def newest(found: Sequence[Watched], topic_id: str | None) -> Watched:
    """Return the state that has read furthest; one that was read from the topic as it is now wins over an older topic."""
    return max(found, key=lambda each: (each.place.topic_id == topic_id, each.offset))
