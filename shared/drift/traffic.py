"""How many outliers are usual near a centroid, given how many items came near it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.drift import BatchSums

SLICES = 15
"""Parts of the window in which traffic is counted; the oldest part leaves the window as a whole."""

USUAL_SHARE = 0.01
"""The share of usual items that are outliers, before anything was learned: those beyond the 99th percentile."""

SHARE_WEIGHT, PLACE_WEIGHT = 100, 5
"""The weights, in items near each centroid, of what is assumed before anything was learned: this share, and that as many
items lie near each centroid as near any other."""

MOST_ITEMS = 200_000
"""Beyond this number of items, all that was learned is halved: old items count less."""


class Traffic:
    """Counts the items of the window by their nearest centroid, and learns from those before which share is outliers.

    Args:
        window_s: The length of the window.
    """

    def __init__(self, window_s: float) -> None:
        self._slice_s, self._slices = window_s / SLICES, dict[int, Counter[int]]()
        self._items, self._outliers = Counter[int](), Counter[int]()

    def add(self, sums: BatchSums) -> None:
        """Count the items of a batch."""
        counts = self._slices.setdefault(self._number(sums.settled_at), Counter())
        counts.update({int(centroid): items for centroid, items in sums.centroids.items()})

    def leave_before(self, moment: datetime) -> None:
        """Learn from the parts of the window that end before a moment, and count them no longer."""
        oldest = self._number(moment)
        for number in [each for each in self._slices if each < oldest]:
            self._items.update(self._slices.pop(number))
        if self._items.total() > MOST_ITEMS:
            self._items = Counter({each: items // 2 for each, items in self._items.items()})
            self._outliers = Counter({each: items // 2 for each, items in self._outliers.items()})

    def learn_outlier(self, centroid: int) -> None:
        """Learn from an outlier that has left the window."""
        self._outliers[centroid] += 1

    def usual_outliers(self, centroids: Iterable[int]) -> float:
        """Return the number of outliers that are usual for the items of the window near these centroids."""
        return sum(counts[each] * self._share(each) for each in set(centroids) for counts in self._slices.values())

    def excess(self, centroids: Iterable[int], of: int) -> float:
        """Return how many more items of the window lie near these centroids than usual.

        Args:
            centroids: The centroids.
            of: The number of all centroids.
        """
        wanted = set(centroids)
        known = sum(self._items[each] for each in wanted) + PLACE_WEIGHT * len(wanted)
        proportion = known / (self._items.total() + PLACE_WEIGHT * of)
        counted = sum(counts[each] for each in wanted for counts in self._slices.values())
        return max(0.0, counted - proportion * sum(counts.total() for counts in self._slices.values()))

    def clear(self) -> None:
        """Forget everything: the centroids are others now."""
        self._slices.clear()
        self._items.clear()
        self._outliers.clear()

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        slices = {str(number): _named(counts) for number, counts in self._slices.items()}
        return {"slices": slices, "items": _named(self._items), "outliers": _named(self._outliers)}

    def load(self, value: Mapping[str, Any]) -> None:
        """Take over what `to_json` wrote."""
        self._slices = {int(number): _numbered(counts) for number, counts in value["slices"].items()}
        self._items, self._outliers = _numbered(value["items"]), _numbered(value["outliers"])

    def _share(self, centroid: int) -> float:
        seen = self._items[centroid] + SHARE_WEIGHT
        return min(1.0, (self._outliers[centroid] + USUAL_SHARE * SHARE_WEIGHT) / seen)

    def _number(self, moment: datetime) -> int:
        return int(moment.timestamp() // self._slice_s)


def _named(counts: Counter[int]) -> dict[str, int]:
    return {str(each): number for each, number in counts.items()}


def _numbered(counts: Mapping[str, int]) -> Counter[int]:
    return Counter({int(each): number for each, number in counts.items()})
