"""Times in payloads and in conditions: which texts are times, and how a store compares them.

A time is a date alone, or a date and a time of day, with or without an offset: the RFC 3339 texts that events have, and
the usual shorter forms. A time without an offset is in UTC, and a stored date alone is the midnight at which it begins
in UTC. Times are compared to the microsecond; further digits are cut off.

Qdrant's engine, its index of times and the client's memory mode agree on all these texts. They differ on others, such as
leap seconds, years beyond 1 to 9999 and signs of other scripts, so those are not times here, and hits that only a store
takes for times are dropped (`shared/vectorstore/checking.py`; measured in `docs/decisions/0028-filters.md`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

TIME = re.compile(
    r"""(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})
    (?:[Tt\ ](?P<clock>[0-9]{2}:[0-9]{2})
        (?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]+))?(?P<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?
    )?""",
    re.VERBOSE,
)
MICROSECOND_DIGITS = 6
MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments that a time in a condition names: a single one, or all those of a day in UTC.

    Attributes:
        first: The first of them.
        last: The last of them, to the microsecond.
    """

    first: datetime
    last: datetime


def read_moment(text: str) -> datetime | None:
    """Return the moment that a stored text states, in UTC; None if the text is not a time, see the module's docstring."""
    found = TIME.fullmatch(text)
    if found is None:
        return None
    try:
        local = datetime.fromisoformat(f"{found['date']}T{found['clock'] or '00:00'}:{found['second'] or '00'}")
        micros = int((found["fraction"] or "0")[:MICROSECOND_DIGITS].ljust(MICROSECOND_DIGITS, "0"))
        return local.replace(microsecond=micros, tzinfo=_zone(found["offset"])).astimezone(UTC)
    except (ValueError, OverflowError):  # such a day does not exist, or in UTC it is outside the years 1 to 9999
        return None


def read_moments(text: str) -> Moments | None:
    """Return the moments that a text of a condition names: a date alone names its whole day. None if it is not a time."""
    first = read_moment(text)
    if first is None:
        return None
    is_day = TIME.fullmatch(text)["clock"] is None  # type: ignore[index]  # `read_moment` has matched it
    return Moments(first, first + (DAY - MICROSECOND) if is_day else first)


def _zone(offset: str | None) -> timezone:
    """Return the time zone of an offset such as `+02:00`, `-0330`, `+02` or `Z`; UTC without one.

    Raises:
        ValueError: the offset has 24 hours or more, or 60 minutes or more.
    """
    if offset is None or offset in "Zz":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[3:].removeprefix(":") or "0")
    if minutes >= 60:
        raise ValueError(f"{offset} is not an offset")
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(-size if offset[0] == "-" else size)
