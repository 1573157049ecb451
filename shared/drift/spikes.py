"""Finds spikes: several customers with the same new problem within minutes. docs/spikes.md explains what raises one.

All times are those of the messages, so reading the same messages again gives the same spikes with the same ids.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from schemas.drift import BatchSums, Outlier, Spike
from shared.drift.groups import chance, largest_star
from shared.drift.open_spike import OpenSpike
from shared.drift.recent import Recent
from shared.drift.reference import Reference, Subject
from shared.drift.traffic import Traffic

NAMESPACE = UUID("6f0c8f4e-52b1-5c0b-9d7f-0d1f1b4f6a20")
LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
MOST_OUTLIERS, MOST_NUMBERS = 500, 250_000
"""Outliers that are kept, and numbers of their vectors: the state is one message of a changelog."""

MOST_OPEN = 20
"""No further spike opens while this number is open."""

LEVEL = 1e-3
"""A group opens a spike if its number of customers is less likely than this among the usual outliers of the traffic."""

CENTROIDS_AROUND = 8
LEAST_OF_GROWTH = 0.25
"""A group opens a spike only if it makes up this share of the growth of the traffic near the centroids around it."""

EDGE_SHARE, EDGE_LEVEL = 0.1, 0.03
"""Up to this share of a loose topic are outliers; a group opens no spike if that explains it at this level."""


@dataclass(frozen=True, slots=True)
class SpikeRules:
    """When a spike opens and closes.

    Attributes:
        window_s: How close in time its items are; it closes when none has come for as long.
        customers: The least number of customers.
        level: How unlikely its size must be among usual outliers.
    """

    window_s: float
    customers: int
    level: float = LEVEL


class SpikeWatch:
    """Watches the outliers of one subject. Used by one thread.

    Args:
        subject: What it watches.
        rules: When a spike opens and closes.
        reference: What its outliers lie outside of; see `use`.
    """

    def __init__(self, subject: Subject, rules: SpikeRules, reference: Reference) -> None:
        self._subject, self._rules, self._reference = subject, rules, reference
        self._recent: list[Recent] = []
        self._traffic = Traffic(rules.window_s)
        self._open: dict[str, OpenSpike] = {}
        self._spike_of: dict[str, str] = {}
        self._latest = self._horizon = LONG_AGO

    @property
    def open_count(self) -> int:
        """The number of open spikes."""
        return len(self._open)

    def use(self, reference: Reference) -> None:
        """Judge by this reference from now on; if it is another one, what was learned by the earlier one is forgotten.

        Its centroids and its outliers are others. Open spikes stay open.
        """
        if reference.reference_id != self._reference.reference_id:
            self._recent.clear()
            self._spike_of.clear()
            self._traffic.clear()
        self._reference = reference

    def add(self, outlier: Outlier) -> list[Spike]:
        """Take an outlier; return what is to be published.

        Nothing is changed by an item that arrives again, that arrives later than the window is long, or that was
        compared with another reference, which workers use for a minute before or after this watch.

        Raises:
            ValueError: its vector cannot be read or has another length than those of the reference.
        """
        new = Recent.of(outlier)
        if outlier.reference != self._reference.reference_id:
            return self.tick(new.at)
        if len(new.vector) != self._reference.centroids.shape[1]:
            raise ValueError("the vector of an outlier has another length than those of the reference")
        said = self.tick(new.at)
        if new.at < self._horizon or self._has(new):
            return said
        self._recent.append(new)
        self._forget()
        if not self._join(new):
            self._open_with(new)
        return said

    def add_traffic(self, sums: BatchSums) -> None:
        """Count the items of a batch that were compared with this reference."""
        if sums.reference == self._reference.reference_id:
            self._traffic.add(sums)
            self._latest = max(self._latest, sums.settled_at)
            self._forget()

    def news(self, now: datetime) -> list[Spike]:
        """Return what is to be published of open spikes whose last batch was settled before this moment."""
        return [spike.news(*self._split(spike)) for spike in self._open.values() if spike.is_due(now)]

    def tick(self, now: datetime) -> list[Spike]:
        """Close what got no item for the length of the window; return what is to be published.

        Args:
            now: The current time; while older messages are still being read, the time of the newest one that was read.
        """
        self._latest = max(self._latest, now)
        start = self._latest - timedelta(seconds=self._rules.window_s)
        over = [spike for spike in self._open.values() if spike.last_at <= start]
        said = [spike.news(*self._split(spike)) for spike in over if not spike.is_published]
        for spike in over:
            del self._open[spike.spike_id]
        said += [*(spike.closed(self._latest) for spike in over), *self.news(now)]
        self._forget()
        return said

    def _has(self, new: Recent) -> bool:
        """Return whether an item counts already. A newer version replaces one that belongs to no spike."""
        known = next((each for each in self._recent if each.item == new.item), None)
        if known is None:
            return False
        if known.version >= new.version or known.identity in self._spike_of:
            return True
        self._recent = [each for each in self._recent if each is not known]
        return False

    def _forget(self) -> None:
        """Keep the window, and of its outliers the newest 500; what leaves it is usual from now on."""
        start = self._latest - timedelta(seconds=self._rules.window_s)
        self._traffic.leave_before(start)
        self._recent.sort(key=lambda each: each.at)
        most = min(MOST_OUTLIERS, MOST_NUMBERS // len(self._recent[0].vector)) if self._recent else 0
        first = max(bisect_left(self._recent, start, key=lambda each: each.at), len(self._recent) - most)
        for left in self._recent[:first]:
            self._traffic.learn_outlier(left.centroid)
            self._spike_of.pop(left.identity, None)
            start = max(start, left.at)
        self._recent, self._horizon = self._recent[first:], max(self._horizon, start)

    def _join(self, new: Recent) -> bool:
        """Add an outlier to the open spike whose centre is nearest, and return whether it is near enough."""
        nearest = max(self._open.values(), key=lambda spike: spike.likeness(new), default=None)
        if nearest is None or nearest.likeness(new) < self._reference.outlier_below:
            return False
        nearest.add(new)
        self._spike_of[new.identity] = nearest.spike_id
        return True

    def _open_with(self, new: Recent) -> None:
        """Open a spike if the outlier completes a group that usual traffic does not explain."""
        free = [each for each in self._recent if each is not new and each.identity not in self._spike_of] + [new]
        vectors = np.stack([each.vector for each in free])
        group = [free[number] for number in largest_star(len(free) - 1, vectors, self._reference.outlier_below)]
        if len(self._open) >= MOST_OPEN or not self._is_spike(group, len(free) - len(group)):
            return
        group.sort(key=lambda each: each.at)
        spike = OpenSpike(self._subject, str(uuid5(NAMESPACE, f"{self._subject}|{group[0].identity}")), group)
        self._open[spike.spike_id] = spike
        self._spike_of.update((each.identity, spike.spike_id) for each in group)

    def _is_spike(self, group: Sequence[Recent], others: int) -> bool:
        """Return whether enough customers are in a group, and more than usual among the traffic near its centroids.

        The other outliers count too, as if spread evenly: they may be read before the traffic that they belong to.
        """
        customers, near = len({each.customer for each in group}), {each.centroid for each in group}
        spread = others * len(near) / len(self._reference.centroids)
        usual = max(spread, self._traffic.usual_outliers(near))
        if customers < self._rules.customers or chance(customers, usual) > self._rules.level:
            return False
        return not self._is_known(group)

    def _is_known(self, group: Sequence[Recent]) -> bool:
        """Return whether a group is the usual edge of a known topic that grows: most of the growth is no outlier."""
        likeness = self._reference.centroids @ np.sum([each.vector for each in group], axis=0)
        around = [int(each) for each in np.argsort(likeness)[-CENTROIDS_AROUND:]]
        growth = self._traffic.excess(around, len(likeness))
        return len(group) < LEAST_OF_GROWTH * growth or chance(len(group), EDGE_SHARE * growth) > EDGE_LEVEL

    def _split(self, spike: OpenSpike) -> tuple[list[Recent], list[Recent]]:
        """Return the recent outliers that belong to a spike, and the others."""
        inside, outside = list[Recent](), list[Recent]()
        for each in self._recent:
            (inside if self._spike_of.get(each.identity) == spike.spike_id else outside).append(each)
        return inside, outside

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values, at most about half a megabyte with vectors of 384 numbers."""
        return {
            "reference": self._reference.reference_id,
            "latest": self._latest.isoformat(),
            "horizon": self._horizon.isoformat(),
            "recent": [each.to_json() for each in self._recent],
            "traffic": self._traffic.to_json(),
            "open": [each.to_json() for each in self._open.values()],
            "spike_of": self._spike_of,
        }

    @classmethod
    def from_json(
        cls, subject: Subject, rules: SpikeRules, reference: Reference, value: Mapping[str, Any]
    ) -> "SpikeWatch":
        """Return the watch that `to_json` wrote."""
        watch = cls(subject, rules, reference)
        watch._latest, watch._horizon = (datetime.fromisoformat(value[name]) for name in ("latest", "horizon"))
        watch._open = {each["id"]: OpenSpike.from_json(subject, each) for each in value["open"]}
        if value["reference"] == reference.reference_id:
            watch._recent = [Recent.from_json(each) for each in value["recent"]]
            watch._traffic.load(value["traffic"])
            watch._spike_of = dict(value["spike_of"])
        return watch
