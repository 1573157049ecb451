"""The newest outliers and alerts, as they were published."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from pydantic import ValidationError

from schemas.drift import DriftAlert, Outlier
from shared.drift.reference import Subject
from shared.records import Record

MOST_OUTLIERS = 12
"""Outliers of each subject that are shown."""

MOST_ALERTS = 100


@dataclass(slots=True)
class Evidence:
    """What is shown beside the windows.

    Attributes:
        since: When the first of it may have been published; None for any time.
        outliers: Number of outliers by subject.
        alerts: The alerts by id, the last message of each.
        unreadable: Number of messages that are neither.
    """

    since: datetime | None
    outliers: dict[Subject, int] = field(default_factory=dict)
    alerts: dict[str, DriftAlert] = field(default_factory=dict)
    unreadable: int = 0
    _newest: dict[Subject, list[tuple[datetime, int, Outlier]]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=count)

    def read_outliers(self, records: Iterable[Record], advance: Callable[[int], None]) -> None:
        """Keep the newest outliers of each subject.

        Raises:
            Unavailable: the brokers do not answer.
        """
        for record in records:
            advance(1)
            try:
                found = Outlier.model_validate_json(record.value or b"")
            except ValidationError:
                self.unreadable += 1
                continue
            if self.since is not None and found.settled_at < self.since:
                continue
            subject = Subject(found.stream, found.input, found.model, found.key)
            self.outliers[subject] = self.outliers.get(subject, 0) + 1
            held = self._newest.setdefault(subject, [])
            entry = (found.settled_at, next(self._numbers), found)
            if len(held) < MOST_OUTLIERS:
                heapq.heappush(held, entry)
            else:
                heapq.heappushpop(held, entry)

    def read_alerts(self, records: Iterable[Record], streams: frozenset[str]) -> None:
        """Keep the newest alerts of some streams.

        Raises:
            Unavailable: the brokers do not answer.
        """
        for record in records:
            try:
                found = DriftAlert.model_validate_json(record.value or b"")
            except ValidationError:
                self.unreadable += 1
                continue
            if found.stream in streams and (self.since is None or found.window_end >= self.since):
                self.alerts.pop(found.alert_id, None)
                self.alerts[found.alert_id] = found
            if len(self.alerts) > MOST_ALERTS:
                del self.alerts[min(self.alerts, key=lambda name: self.alerts[name].window_end)]

    def newest_outliers(self, subject: Subject) -> list[Outlier]:
        """Return the newest outliers of a subject, the newest first."""
        return [found for _, _, found in sorted(self._newest.get(subject, []), reverse=True)]

    def alerts_of(self, subject: Subject) -> list[DriftAlert]:
        """Return the alerts of a subject, the newest first."""
        own = [each for each in self.alerts.values() if (each.stream, each.input, each.model, each.key) == subject]
        return sorted(own, key=lambda each: each.window_end, reverse=True)
