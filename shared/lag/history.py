"""How offsets move, as seen by our own looks: rates, and how long a position has not moved.

A quiet group commits nothing, so the time of its last commit does not show how long it has not moved while records
waited. Burrow evaluates its own looks for the same reason.
"""

from collections import deque
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

WINDOW_S = 60.0
"""The time over which rates are measured: long enough for commits that come in steps."""

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(slots=True)
class _Track:
    seen: deque[tuple[float, int]] = field(default_factory=deque)
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
        longest_gap_s: After a longer time without a look, nothing is known about the time between: it does not count.
        window_s: The time over which rates are measured, if looks are not rarer.
    """

    def __init__(self, longest_gap_s: float, window_s: float = WINDOW_S) -> None:
        self._longest_gap_s, self._window_s = longest_gap_s, window_s
        self._tracks: dict[KeyT, _Track] = {}

    def add(self, key: KeyT, offset: int, at_s: float, at_ms: int, waits: bool = False) -> Motion:
        """Add what a look saw, and return how the position moves; a position that went back starts again.

        Args:
            key: What the position belongs to.
            offset: The position.
            at_s: The time of the look on the monotonic clock.
            at_ms: The same time in ms since the epoch.
            waits: Whether records wait behind the position.
        """
        track = self._tracks.setdefault(key, _Track())
        last = track.seen[-1] if track.seen else None
        if last is not None and (offset < last[1] or at_s - last[0] > self._longest_gap_s):
            track.seen.clear()
            track.still_since_s = None
        has_moved = last is not None and offset != last[1]
        if has_moved or not waits:
            track.still_since_s = None
        if waits and track.still_since_s is None:
            track.still_since_s, track.still_since_ms = at_s, at_ms
        track.seen.append((at_s, offset))
        while len(track.seen) > 2 and track.seen[1][0] <= at_s - self._window_s:
            track.seen.popleft()
        still_s = 0.0 if track.still_since_s is None else at_s - track.still_since_s
        return Motion(_rate(track.seen), still_s, track.still_since_ms, has_moved)

    def keep(self, keys: Collection[KeyT]) -> None:
        """Forget all other keys."""
        for key in self._tracks.keys() - set(keys):
            del self._tracks[key]


def _rate(seen: deque[tuple[float, int]]) -> float | None:
    (first_s, first), (last_s, last) = seen[0], seen[-1]
    return (last - first) / (last_s - first_s) if last_s > first_s else None
