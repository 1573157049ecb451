"""What has grown between a reference and a window, with intervals."""

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from millrace.drift.report.history import PastWindow
from shared.drift.baseline import Baseline
from shared.drift.reference import Reference

Z = 1.96
"""Intervals of 95 %."""


class Share(NamedTuple):
    """A share of items, with Wilson's interval (1927).

    Attributes:
        value: The share, 0 to 1.
        low: The lower end of the interval.
        high: The upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, count: float, total: float) -> "Share":
        """Return the share of a count; without items, everything from 0 to 1 is possible."""
        if total <= 0:
            return cls(0.0, 0.0, 1.0)
        share = count / total
        middle = share + Z * Z / (2 * total)
        width = Z * sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
        scale = 1 + Z * Z / total
        return cls(share, max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale))


@dataclass(frozen=True, slots=True)
class Grown:
    """The share of one class before and now.

    Attributes:
        name: The class.
        before: Its share of the reference's items.
        now: Its share of the window's items.
        is_rare: Whether the reference counts it together with other rare classes: its own share is not known, and the
            interval ends where that of all of them together does.
    """

    name: str
    before: Share
    now: Share
    is_rare: bool = False

    @property
    def by(self) -> float:
        """By how much the share has grown; negative if it has shrunk."""
        return self.now.value - self.before.value

    @property
    def is_clear(self) -> bool:
        """Whether the intervals do not overlap."""
        return self.now.low > self.before.high or self.now.high < self.before.low


def grown_classes(window: PastWindow, reference: Reference, family: str) -> list[Grown]:
    """Return the classes of a family, the most grown one first.

    A class that is too rare in the reference to be counted on its own has at most the share of all rare ones there.
    """
    baseline = reference.baseline_for(window.start, window.end)
    before = _counts(baseline, family)
    now = window.counts[family]
    names = {*before, *now}
    counts, total = baseline.totals.counts[family], now.total()
    known, others = float(counts.sum()), float(counts[len(baseline.classes[family]) :].sum())
    rare = Share(0.0, 0.0, Share.of(others, known).high)
    found = [
        Grown(
            name,
            Share.of(before[name], known) if name in before else rare,
            Share.of(now[name], total),
            is_rare=name not in before,
        )
        for name in names
    ]
    return sorted(found, key=lambda each: (-each.by, each.name))


def grown_centroids(window: PastWindow, reference: Reference) -> list[Grown]:
    """Return the centroids with their names, the most grown one first."""
    baseline = reference.baseline_for(window.start, window.end)
    before, now = baseline.totals.counts["centroids"], window.counts["centroids"]
    found = [
        Grown(name, Share.of(float(before[number]), before.sum()), Share.of(now[str(number)], now.total()))
        for number, name in enumerate(reference.names)
    ]
    return sorted(found, key=lambda each: (-each.by, each.name))


def _counts(baseline: Baseline, family: str) -> dict[str, float]:
    return dict(zip(baseline.classes[family], baseline.totals.counts[family].tolist(), strict=False))
