"""A spike from its opening to its end: what it counts, and when there is something new to publish."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np

from schemas.drift import Spike
from shared.drift.groups import UNNAMED, name_of
from shared.drift.recent import Recent, packed_small, unpacked_small
from shared.drift.reference import Subject

MOST_EXAMPLES = 20
MOST_CUSTOMERS = 200
"""Customers that are counted; a spike with more of them is published with this number."""

NOTABLE_GROWTH = 1.5
LEAST_PAUSE_S = 15.0
"""Two messages about growth are at least this long apart."""

LEAST_RATE_S = 60.0
"""A rate is never computed from a shorter time."""


class OpenSpike:
    """Counts the items of a spike.

    Args:
        subject: What it was found in.
        spike_id: Its id.
        members: The items that open it, at least one.
    """

    def __init__(self, subject: Subject, spike_id: str, members: Sequence[Recent]) -> None:
        self._subject, self.spike_id = subject, spike_id
        self._sum = np.zeros(len(members[0].vector), np.float32)
        self._items, self._customers, self._examples = 0, set[str](), list[str]()
        self.first_at = self.last_at = members[0].at
        self._said_items, self._said_examples, self._said_at, self._name = 0, 0, self.first_at, UNNAMED
        for member in members:
            self.add(member)

    def add(self, item: Recent) -> None:
        """Count an item."""
        self._sum += item.vector
        self._items += 1
        if len(self._customers) < MOST_CUSTOMERS:
            self._customers.add(item.customer)
        if len(self._examples) < MOST_EXAMPLES and item.item not in self._examples:
            self._examples.append(item.item)
        self.first_at, self.last_at = min(self.first_at, item.at), max(self.last_at, item.at)

    def likeness(self, item: Recent) -> float:
        """Return the cosine similarity of an item to the centre of the spike."""
        length = float(np.linalg.norm(self._sum))
        return float(self._sum @ item.vector) / length if length and len(self._sum) == len(item.vector) else -1.0

    @property
    def is_published(self) -> bool:
        """Whether a message about it was published."""
        return self._said_items > 0

    def is_due(self, now: datetime) -> bool:
        """Return whether there is something to publish: the spike is new, has grown by half, or has further examples.

        Its last batch may be incomplete until a later moment than that of its last item.
        """
        if self.last_at >= now:
            return False
        if not self.is_published:
            return True
        grown = self._items >= NOTABLE_GROWTH * self._said_items or len(self._examples) > self._said_examples
        return grown and (now - self._said_at).total_seconds() >= LEAST_PAUSE_S

    def news(self, members: Sequence[Recent], others: Sequence[Recent]) -> Spike:
        """Return the message about its opening or its growth.

        Args:
            members: Its items among the recent outliers.
            others: The other recent outliers.
        """
        name = name_of(members, others)
        self._name = name if name != UNNAMED else self._name
        return self._message("open", self.last_at)

    def closed(self, now: datetime) -> Spike:
        """Return the message that ends it."""
        return self._message("closed", now)

    def _message(self, state: Literal["open", "closed"], now: datetime) -> Spike:
        since = self._said_at if self._said_items else self.first_at
        hours = max((now - since).total_seconds(), LEAST_RATE_S) / 3600
        per_hour = (self._items - self._said_items) / hours
        self._said_items, self._said_examples, self._said_at = self._items, len(self._examples), now
        return Spike(
            spike_id=self.spike_id,
            state=state,
            stream=self._subject.stream,
            key=self._subject.key,
            name=self._name,
            items=self._items,
            customers=len(self._customers),
            first_at=self.first_at,
            last_at=self.last_at,
            per_hour=round(per_hour, 3),
            examples=tuple(self._examples),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the spike as JSON values."""
        return {
            "id": self.spike_id,
            "centre": packed_small(self._sum),
            "length": float(np.linalg.norm(self._sum)),
            "items": self._items,
            "customers": sorted(self._customers),
            "examples": self._examples,
            "first_at": self.first_at.isoformat(),
            "last_at": self.last_at.isoformat(),
            "said_items": self._said_items,
            "said_examples": self._said_examples,
            "said_at": self._said_at.isoformat(),
            "name": self._name,
        }

    @classmethod
    def from_json(cls, subject: Subject, value: Mapping[str, Any]) -> "OpenSpike":
        """Return the spike that `to_json` wrote."""
        spike = cls.__new__(cls)
        spike._subject, spike.spike_id = subject, value["id"]
        spike._sum = unpacked_small(value["centre"]) * np.float32(value["length"])
        spike._items, spike._customers, spike._examples = (
            value["items"],
            set(value["customers"]),
            list(value["examples"]),
        )
        spike.first_at, spike.last_at = (datetime.fromisoformat(value[name]) for name in ("first_at", "last_at"))
        spike._said_items, spike._said_at = value["said_items"], datetime.fromisoformat(value["said_at"])
        spike._said_examples, spike._name = value["said_examples"], value["name"]
        return spike
