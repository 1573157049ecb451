"""Selects dead letters by reason, field, stage, tenant and the time at which they were written."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from shared.deadletters.envelope import DeadLetter, WithoutEnvelope
from shared.records import Record

RELATIVE = re.compile(r"([0-9]{1,6})([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Criteria:
    """The criteria of a selection, as the user gave them; an empty one, or None, selects all.

    Attributes:
        reasons: Any of these reasons.
        fields: Any of these fields, or a field below one: `attributes` includes `attributes.size`.
        stages: Any of these stages.
        tenants: Any of these tenants.
        since: Written at this time or later, in a form that `parse_time` accepts.
        until: Written before this time, in such a form.
    """

    reasons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def digest(self) -> str:
        """Return 8 hex digits that are the same for the same criteria, in whatever order they were given."""
        parts = {name: sorted(set(v)) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


class Selection:
    """Criteria at a moment: relative times are converted to absolute ones.

    Args:
        criteria: The criteria.
        now: The moment from which relative times count back.

    Raises:
        ValueError: a time in the criteria is not valid.
    """

    def __init__(self, criteria: Criteria, now: datetime) -> None:
        self.criteria = criteria
        self._since_ms = None if criteria.since is None else _ms(parse_time(criteria.since, now))
        self._until_ms = None if criteria.until is None else _ms(parse_time(criteria.until, now))

    def matches(self, letter: DeadLetter | WithoutEnvelope) -> bool:
        """Return whether a dead letter is selected; one without a valid envelope, only by time."""
        if (self._since_ms is not None and letter.record.timestamp_ms < self._since_ms) or self.is_later(letter.record):
            return False
        criteria = self.criteria
        if isinstance(letter, WithoutEnvelope):
            return not (criteria.reasons or criteria.fields or criteria.stages or criteria.tenants)
        return (
            (not criteria.reasons or letter.reason in criteria.reasons)
            and (not criteria.fields or any(_is_below(letter.field, field) for field in criteria.fields))
            and (not criteria.stages or letter.stage in criteria.stages)
            and (not criteria.tenants or letter.tenant in criteria.tenants)
        )

    def is_later(self, record: Record) -> bool:
        """Return whether a record was written at `until` or later, and so is too new for this selection."""
        return self._until_ms is not None and record.timestamp_ms >= self._until_ms


def parse_time(text: str, now: datetime) -> datetime:
    """Return the moment that a text gives: ISO 8601 (UTC if it has no zone), or an age: 30s, 5m, 2h, 3d, 1w.

    Raises:
        ValueError: the text is neither.
    """
    ago = RELATIVE.fullmatch(text)
    try:
        if ago:
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text}: expected a time such as 2026-05-01T10:00:00Z, or an age such as 30s, 5m, 2h, 3d"
        ) from None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _is_below(field: str, selected: str) -> bool:
    return field == selected or field.startswith(f"{selected}.")
