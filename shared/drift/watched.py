"""What the drift application keeps of one subject: the open window, the last closed ones, and how far it has read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from schemas.drift import Answer, BatchSums
from shared.drift.frames import Place, framed, unframed
from shared.drift.reference import Subject
from shared.drift.window import Window

MOST_CLOSED = 48
"""Judged windows that are kept: two days of full hours."""

FORGOTTEN_AFTER = timedelta(days=14)
"""A subject without a batch for this long is no longer watched."""


UNJUDGED: tuple[Answer, ...] = ("too_few", "no_reference")
"""The answers of windows that were not compared with a reference."""


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
        closed: The last windows that were judged, the oldest first.
        alerted: Whether the present run of windows beyond the level has raised its alert.
        unjudged: The last closed window, if it was not judged and is newer than `closed`.
        others: Items of batches of another reference since the last batch of its own, in this life of the application.
    """

    subject: Subject
    place: Place
    offset: int = -1
    last_batch: datetime | None = None
    window: Window | None = None
    first_offset: int = -1
    closed: list[Closed] = field(default_factory=list)
    alerted: bool = False
    unjudged: Closed | None = None
    others: int = 0
    _written: tuple[list[Closed], str] | None = field(default=None, repr=False, compare=False)

    @property
    def last(self) -> Closed | None:
        """The last closed window."""
        return self.unjudged or (self.closed[-1] if self.closed else None)

    def is_forgotten(self, now: datetime) -> bool:
        """Return whether no batch has come for so long that it is no longer watched."""
        return self.last_batch is None or now - self.last_batch > FORGOTTEN_AFTER

    def add(self, sums: BatchSums, offset: int) -> None:
        """Add a batch to the open window, or open one with it."""
        if self.window is None:
            self.window, self.first_offset = Window.of(sums), offset
        else:
            self.window.add(sums)

    def keep(self, closed: Closed) -> None:
        """Close the open window, and keep what remains of it.

        A window that was not judged says nothing about a run of windows, and does not push out those that were.
        """
        self.window, self.first_offset = None, -1
        if closed.answer in UNJUDGED:
            self.unjudged = closed
            return
        self.unjudged = None
        self.closed = [*self.closed, closed][-MOST_CLOSED:]
        self.alerted = self.alerted and closed.beyond

    def to_bytes(self) -> bytes:
        """Return the value for the changelog. It is written up to four times a second, so its largest part is kept."""
        if self._written is None or self._written[0] is not self.closed:
            self._written = self.closed, json.dumps([each.to_json() for each in self.closed], separators=(",", ":"))
        state = {
            "subject": self.subject,
            "last_batch": self.last_batch and self.last_batch.isoformat(),
            "window": self.window and self.window.to_json(),
            "first_offset": self.first_offset,
            "closed": self._written[1],
            "alerted": self.alerted,
            "unjudged": self.unjudged and self.unjudged.to_json(),
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
                [Closed.from_json(each) for each in json.loads(state["closed"])],
                state["alerted"],
                state["unjudged"] and Closed.from_json(state["unjudged"]),
            )
        except (LookupError, TypeError) as error:
            raise ValueError(f"not the state of a subject: {type(error).__name__}") from error


def newest(found: Sequence[Watched], topic_id: str | None) -> Watched:
    """Return the state that has read furthest; one that was read from the topic as it is now wins over an older topic."""
    return max(found, key=lambda each: (each.place.topic_id == topic_id, each.offset))
