"""Which dead letters are meant: by reason, field, stage, tenant and the time they were written."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from shared.deadletters.envelope import DeadLetter, Unreadable
from shared.records import Record

RELATIVE = re.compile(r"([0-9]{1,6})([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class Criteria:
    """A choice as it was asked for; what is empty or None chooses all.

    Attributes:
        reasons: Any of these.
        fields: Any of these, or a field below one: `attributes` means `attributes.size` too.
        stages: Any of these.
        tenants: Any of these.
        since: Written at this time or later; a time as `parse_time` takes it.
        until: Written before this time.
    """

    reasons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def digest(self) -> str:
        """Return 8 hex digits that are the same for the same choice, however its parts were ordered."""
        parts = {name: sorted(set(v)) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


class Selection:
    """A choice at a moment: relative times have become times.

    Args:
        criteria: What was asked for.
        now: What relative times count back from.

    Raises:
        ValueError: a time is none.
    """

    def __init__(self, criteria: Criteria, now: datetime) -> None:
        self.criteria = criteria
        self._since_ms = None if criteria.since is None else _ms(parse_time(criteria.since, now))
        self._until_ms = None if criteria.until is None else _ms(parse_time(criteria.until, now))

    def matches(self, letter: DeadLetter | Unreadable) -> bool:
        """Whether it is meant; what has no envelope is meant only where nothing but the time is asked for."""
        if (self._since_ms is not None and letter.record.timestamp_ms < self._since_ms) or self.is_later(letter.record):
            return False
        asked = self.criteria
        if isinstance(letter, Unreadable):
            return not (asked.reasons or asked.fields or asked.stages or asked.tenants)
        return (
            (not asked.reasons or letter.reason in asked.reasons)
            and (not asked.fields or any(_is_below(letter.field, field) for field in asked.fields))
            and (not asked.stages or letter.stage in asked.stages)
            and (not asked.tenants or letter.tenant in asked.tenants)
        )

    def is_later(self, record: Record) -> bool:
        """Whether it was written at `until` or later, and so did not count at all yet."""
        return self._until_ms is not None and record.timestamp_ms >= self._until_ms


def parse_time(text: str, now: datetime) -> datetime:
    """Return the moment that a text names: ISO 8601 (UTC where no zone is given), or how long ago: 30s, 5m, 2h, 3d, 1w.

    Raises:
        ValueError: it is neither.
    """
    ago = RELATIVE.fullmatch(text)
    try:
        if ago:
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text}: expected a time as 2026-05-01T10:00:00Z, or how long ago as 30s, 5m, 2h, 3d"
        ) from None


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _is_below(field: str, wanted: str) -> bool:
    return field == wanted or field.startswith(f"{wanted}.")
