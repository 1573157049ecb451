"""Reading times as other systems write them, but only if their meaning is not in doubt."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from schemas.failures import FailureReason
from shared.decoding import printable
from shared.errors import Fatal, Rejected

ISO = re.compile(
    r"(\d{4})([-/])(\d{2})\2(\d{2})(?:[T ](\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?))?"
    r"\s?(?:(Z|UTC|GMT)|([+-]\d{2}(?::?\d{2})?)(?: UTC| GMT)?)?",
    re.IGNORECASE | re.ASCII,
)
"""Dates with the year first, so that day and month cannot be confused; the time and the offset may be missing."""

RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How times are read.

    Attributes:
        zone: Time zone of times without a UTC offset; with None they are refused.
        formats: Formats of Python's `strptime`, tried first, in order.
    """

    zone: tzinfo | None = None
    formats: tuple[str, ...] = ()

    def read(self, text: str) -> str:
        """Return a time in RFC 3339, "" for a blank cell.

        Raises:
            Rejected: the time cannot be read without guessing.
        """
        if RFC_3339.fullmatch(text) and not self.formats:
            return text  # as it is: whether the day exists is checked with the event
        text = text.strip()
        if not text:
            return ""
        moment = self._by_format(text) or _by_iso(text)
        if moment is None:
            advice = "give the file's format, such as --time-format '%d/%m/%Y %H:%M'"
            raise _refused(
                f"{printable(text, 40)!r} is not a date and time that can be read without a format; {advice}"
            )
        if moment.tzinfo is None and self.zone is None:
            raise _refused(f"{printable(text, 40)!r} has no UTC offset; give its time zone, such as --timezone UTC")
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)).isoformat()

    def _by_format(self, text: str) -> datetime | None:
        for each in self.formats:
            try:
                return datetime.strptime(text, each)  # noqa: DTZ007  (the zone is added, or the time refused)
            except ValueError:
                continue
        return None


SOME_DAY = datetime(2025, 3, 17, 14, 5, 6, tzinfo=UTC)
STRICT = TimeReading()
"""Accepts only times with a UTC offset."""


def check_format(text: str) -> str:
    """Return a format of `strptime`.

    Raises:
        Fatal: the format is not valid, or it leaves out a part of the date.
    """
    try:
        read = datetime.strptime(SOME_DAY.strftime(text), text)  # noqa: DTZ007  (its date is compared)
    except (ValueError, re.error) as error:
        raise Fatal(f"--time-format {text}: {error}") from error
    if read.date() != SOME_DAY.date():
        raise Fatal(f"--time-format {text}: expected a format with day, month and year, such as '%d/%m/%Y %H:%M'")
    return text


def zone_of(name: str) -> tzinfo:
    """Return a time zone: `UTC`, a name such as `Europe/Berlin`, or an offset such as `+02:00`.

    Raises:
        Fatal: the zone does not exist.
    """
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        if re.fullmatch(r"[+-]\d{2}:\d{2}", name):
            offset = datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
            assert offset is not None  # noqa: S101  (the text has one)
            return offset
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise Fatal(f"--timezone {name}: expected UTC, a name such as Europe/Berlin, or +02:00") from error


def _by_iso(text: str) -> datetime | None:
    found = ISO.fullmatch(text)
    if found is None:
        return None
    time = (found[5] or "00:00").replace(",", ".")
    time = f"0{time}" if time[1] == ":" else time
    offset = "+00:00" if found[6] else found[7] or ""
    try:
        return datetime.fromisoformat(f"{found[1]}-{found[3]}-{found[4]}T{time}{offset}")
    except ValueError:
        return None


def _refused(detail: str) -> Rejected:
    return Rejected(FailureReason.INVALID_VALUE, "occurred_at", detail)
