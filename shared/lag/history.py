"""How offsets move, as seen by our own looks: rates, and how long a position has not moved.

A quiet group commits nothing, so the time of its last commit does not show how long it has not moved while records
waited. Burrow evaluates its own looks for the same reason.
"""

from collections import deque
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MISSED_LOOKS = 3
"""After more than this number of looks that did not see a position, its history starts again."""

WINDOW_S = 60.0
"""The time over which rates are measured: long enough for commits that come in steps."""

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(slots=True)
class _Track:
    seen: deque[tuple[float, int | None]] = field(default_factory=deque)
    look: int = 0
    still_since_s: float | None = None
    still_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Motion:
    """How a position moves.

    Attributes:
        per_s: Offsets per second over the window; None before the second look.
        still_s: How long looks have seen it at the same offset while records wait; 0 if it moved or none waits.
        still_since_ms: When that began, in ms since the epoch.
        has_moved: Whether it moved since the last look.
    """

    per_s: float | None
    still_s: float
    still_since_ms: int
    has_moved: bool


class History(Generic[KeyT]):
    """Remembers positions over a window.

    Args:
        longest_pause_s: After a longer time between two looks, nothing is known about it: all positions start again.
        window_s: The time over which rates are measured, if looks are not rarer.

    Attributes:
        at_ms: The time of the last look, in ms since the epoch.
    """

    def __init__(self, longest_pause_s: float, window_s: float = WINDOW_S) -> None:
        self._longest_pause_s, self._window_s = longest_pause_s, window_s
        self._tracks: dict[KeyT, _Track] = {}
        self._look, self._first_look, self._at_s, self.at_ms = 0, 0, 0.0, 0

    def begin(self, at_s: float, at_ms: int, paused_s: float) -> None:
        """Begin a look.

        Args:
            at_s: The time of the look on the monotonic clock.
            at_ms: The same time in ms since the epoch.
            paused_s: The time between the end of the last look and the start of this one. How long the looks themselves
                take is no pause: slow brokers must not keep a group from being found stuck.
        """
        self._look, self._at_s, self.at_ms = self._look + 1, at_s, at_ms
        if paused_s > self._longest_pause_s:
            self._first_look = self._look

    def add(self, key: KeyT, offset: int | None, waits: bool = False) -> Motion:
        """Add what this look saw, and return how the position moves.

        A position starts again if it went back, if it had no offset before, or if looks in between did not see it.

        Args:
            key: What the position belongs to.
            offset: The position; None if there is no offset yet.
            waits: Whether records wait behind the position.
        """
        track = self._tracks.setdefault(key, _Track())
        last = track.seen[-1] if track.seen else None
        oldest_look = max(self._first_look, self._look - MISSED_LOOKS)
        if last is not None and (track.look < oldest_look or not _follows(last[1], offset)):
            track.seen.clear()
            track.still_since_s = None
        has_moved = last is not None and offset != last[1]
        if has_moved or not waits:
            track.still_since_s = None
        if waits and track.still_since_s is None:
            track.still_since_s, track.still_since_ms = self._at_s, self.at_ms
        track.seen.append((self._at_s, offset))
        track.look = self._look
        while len(track.seen) > 2 and track.seen[1][0] <= self._at_s - self._window_s:
            track.seen.popleft()
        still_s = 0.0 if track.still_since_s is None else self._at_s - track.still_since_s
        return Motion(_rate(track.seen), still_s, track.still_since_ms, has_moved)

    def keep(self, keys: Collection[KeyT]) -> None:
        """Forget all other keys."""
        for key in self._tracks.keys() - set(keys):
            del self._tracks[key]


def _follows(last: int | None, offset: int | None) -> bool:
    """Return whether a rate may be measured from one offset to the other."""
    return last == offset or (last is not None and offset is not None and last <= offset)


def _rate(seen: deque[tuple[float, int | None]]) -> float | None:
    (first_s, first), (last_s, last) = seen[0], seen[-1]
    return ((last or 0) - (first or 0)) / (last_s - first_s) if last_s > first_s else None
