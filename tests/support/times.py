"""How a text is read as a time, place by place and without patterns: what `read_moment` is compared with."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

from hypothesis import strategies as st

DAY_CHARS, MINUTE_CHARS = 10, 16
HOURS, MINUTES = 24, 60
WIDTHS = [4, 2, 2, 2, 2, 2, 2]
"""The number of digits of year, month, day, hour, minute and second, and of the hours of an offset."""

NEARLY_TIMES = st.from_regex(
    r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]"
    r"([Tt ][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\.[0-9]{0,9})?([Zz]|[+-][0-2][0-9]:?([0-6][0-9])?)?)?)?\Z"
)
"""Texts of which many are times, and the others nearly."""


def moment_of(text: str) -> datetime | None:
    """Return the moment in UTC, or None if the text is not a time."""
    day, clock, rest = text[:DAY_CHARS], text[DAY_CHARS + 1 : MINUTE_CHARS] or "00:00", text[MINUTE_CHARS:]
    marks = (day[4:5], day[7:8], clock[2:3])
    if not text.isascii() or marks != ("-", "-", ":") or text[DAY_CHARS : DAY_CHARS + 1] not in "Tt ":
        return None
    if len(text) not in (DAY_CHARS, MINUTE_CHARS) and not rest.startswith(":"):
        return None
    second, fraction, rest = _second(rest) if rest else ("00", "", "")
    if fraction == ".":
        return None
    offset = "+00:00" if rest in ("", "Z", "z") else rest
    hours, minutes = offset[1:3], offset[3:].replace(":", "", 1)
    parts = [day[:4], day[5:7], day[8:], clock[:2], clock[3:], second, hours]
    if [len(each) for each in parts] != WIDTHS or not "".join(parts).isdigit() or offset[0] not in "+-":
        return None
    if (minutes and not (minutes.isdigit() and len(minutes) == len("00"))) or (
        not minutes and len(offset) != len("+00")
    ):
        return None
    return _utc([int(each) for each in parts], fraction, offset[0], int(minutes or "0"))


def _second(rest: str) -> tuple[str, str, str]:
    """Return the digits of the second, its fraction with the point, and what follows."""
    second, after = rest[1:3], rest[3:]
    fraction = "." + "".join(takewhile(str.isdigit, after[1:])) if after.startswith(".") else ""
    return second, fraction, after[len(fraction) :]


def _utc(numbers: list[int], fraction: str, sign: str, minutes: int) -> datetime | None:
    year, month, day, hour, minute, second, hours = numbers
    if hours >= HOURS or minutes >= MINUTES:
        return None
    away = timedelta(hours=hours, minutes=minutes)
    try:
        local = datetime(year, month, day, hour, minute, second, int(f"{fraction[1:]:0<6}"[:6]), UTC)
        return local + away if sign == "-" else local - away
    except (ValueError, OverflowError):
        return None
