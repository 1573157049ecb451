"""Counts dead letters by reason and field. Memory grows with the number of kinds, not with that of the dead letters."""

from dataclasses import dataclass, field

from schemas.failures import FailureReason
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope

UNREADABLE = "unreadable"
"""The reason under which messages without a valid envelope are counted."""

KINDS_MAX = 1_000
OTHERS = "(others)"
"""Field names may come from the records: beyond `KINDS_MAX` kinds, further fields of a reason are counted together."""


@dataclass(slots=True)
class Kind:
    """The number of dead letters of one kind, and when the oldest and the newest were written (ms since the epoch)."""

    count: int
    oldest_ms: int
    newest_ms: int


@dataclass(slots=True)
class Histogram:
    """Counts by (reason, field)."""

    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def add(self, letter: DeadLetter | WithoutEnvelope) -> None:
        """Count a dead letter."""
        key = (letter.reason, letter.field) if isinstance(letter, DeadLetter) else (UNREADABLE, letter.missing)
        if key not in self.kinds and len(self.kinds) >= KINDS_MAX:
            key = (key[0] if key[0] in set(FailureReason) else OTHERS, OTHERS)
        written_ms = letter.record.timestamp_ms
        kind = self.kinds.setdefault(key, Kind(0, written_ms, written_ms))
        kind.count += 1
        kind.oldest_ms, kind.newest_ms = min(kind.oldest_ms, written_ms), max(kind.newest_ms, written_ms)

    @property
    def count(self) -> int:
        """Number of dead letters that were counted."""
        return sum(kind.count for kind in self.kinds.values())

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest dead letter was written, in ms since the epoch; None if no dead letter was counted."""
        return min((kind.oldest_ms for kind in self.kinds.values()), default=None)

    def rows(self) -> list[tuple[str, str, Kind]]:
        """Return reason, field and counts of each kind, the most frequent first."""
        ranked = sorted(self.kinds.items(), key=lambda each: (-each[1].count, each[0]))
        return [(reason, name, kind) for (reason, name), kind in ranked]
