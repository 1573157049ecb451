"""Dead letters as text and as JSON. Their content comes from outside, so a terminal receives it only escaped."""

import json
from datetime import UTC, datetime
from typing import Any

from schemas.failures import HEADER_PREFIX
from shared.deadletters.envelope import DeadLetter, WithoutEnvelope
from shared.deadletters.histogram import Histogram

SHORT_CHARS = 100
VALUE_CHARS = 65_536
"""Number of characters of a value that are shown; `--raw` writes all of it."""

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def escaped(text: str, keep: str = " ") -> str:
    """Return the text with all characters escaped that are not printable: control and direction marks, line breaks."""
    return "".join(
        char if char in keep or char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def line(letter: DeadLetter | WithoutEnvelope) -> str:
    """Return a dead letter as one line: time, origin, reason, field, tenant, detail."""
    if isinstance(letter, WithoutEnvelope):
        what = f"the header {letter.missing} is missing or invalid: Millrace did not write this dead letter"
        return f"{when(letter.record.timestamp_ms)}  {letter.position!s:<24}  unreadable  {what}"
    parts = (letter.reason, letter.field or "-", letter.tenant or "-")
    cells = "  ".join(_short(part) for part in parts)
    again = f"  (replayed {letter.replays} times)" if letter.replays else ""
    again += f"  (trace {letter.trace_id})" if letter.trace_id else ""
    return (
        f"{when(letter.record.timestamp_ms)}  {_short(str(letter.origin)):<24}  {cells}  {_short(letter.detail)}{again}"
    )


def dead_letter_json(letter: DeadLetter | WithoutEnvelope) -> str:
    """Return a dead letter as one JSON object, without its value."""
    record = letter.record
    fields: dict[str, Any] = {"position": str(letter.position), "written_at": when(record.timestamp_ms)}
    if isinstance(letter, WithoutEnvelope):
        fields |= {"unreadable": f"no {letter.missing}"}
    else:
        fields |= {
            "origin": str(letter.origin),
            "reason": letter.reason,
            "field": letter.field,
            "detail": letter.detail,
            "stage": letter.stage,
            "tenant": letter.tenant,
            "attempts": letter.attempts,
            "replays": letter.replays,
            "first_failed_at": _iso(letter.first_failed_at),
            "last_failed_at": _iso(letter.last_failed_at),
            "trace_id": letter.trace_id,
        }
    return json.dumps(fields | {"value_bytes": len(record.value or b"")})


def histogram_lines(histogram: Histogram, topic: str, now: datetime) -> list[str]:
    """Return the counts by reason and field, and the age of the oldest dead letter."""
    if histogram.oldest_ms is None:
        return [f"{topic}: no dead letters"]
    count, age = histogram.count, duration(age_s(histogram.oldest_ms, now))
    lines = [f"{topic}: {count} dead letter{'s' if count > 1 else ''}, the oldest {age} old"]
    for reason, name, kind in histogram.rows():
        lines.append(f"{kind.count:>8}  {_short(reason):<18}  {_short(name) or '-'}")
    return lines


def histogram_json(histogram: Histogram, topic: str, now: datetime) -> str:
    """Return the counts as one JSON object; the age is null if there is no dead letter."""
    oldest_ms = histogram.oldest_ms
    kinds = [
        {
            "reason": reason,
            "field": name,
            "count": kind.count,
            "oldest_at": when(kind.oldest_ms),
            "newest_at": when(kind.newest_ms),
        }
        for reason, name, kind in histogram.rows()
    ]
    age = None if oldest_ms is None else round(age_s(oldest_ms, now), 3)
    return json.dumps({"topic": topic, "count": histogram.count, "oldest_age_s": age, "kinds": kinds})


def describe(letter: DeadLetter | WithoutEnvelope) -> str:
    """Return everything in a dead letter: its position, key, headers (the source's own last), and the value as text."""
    record = letter.record
    key = "none" if record.key is None else _bytes(record.key, SHORT_CHARS)
    rows = [("dead letter", str(letter.position)), ("written at", when(record.timestamp_ms)), ("key", key)]
    if isinstance(letter, DeadLetter) and letter.trace_id:
        rows.append(("trace", letter.trace_id))
    ours = [(name, value) for name, value in record.headers if name.startswith(HEADER_PREFIX)]
    foreign = [(name, value) for name, value in record.headers if not name.startswith(HEADER_PREFIX)]
    rows += [(escaped(name), "null" if value is None else _bytes(value, VALUE_CHARS)) for name, value in ours + foreign]
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    if record.value is None:
        return "\n".join([*lines, "", "no value"])
    return "\n".join([*lines, "", f"value, {len(record.value)} bytes:", _bytes(record.value, VALUE_CHARS, " \n\t")])


def when(timestamp_ms: int) -> str:
    """Return a time in ISO 8601, in UTC, to the second; `-` if the broker has none, or one after the year 9999."""
    try:
        if timestamp_ms >= 0:
            return datetime.fromtimestamp(timestamp_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        pass
    return "-"


def age_s(timestamp_ms: int, now: datetime) -> float:
    """Return how long ago a time was, in seconds; 0 if it is in the future because clocks differ."""
    return max(0.0, now.timestamp() - timestamp_ms / 1000)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min {whole % MINUTE_S} s"
    if whole < DAY_S:
        return f"{whole // HOUR_S} h {whole % HOUR_S // MINUTE_S} min"
    return f"{whole // DAY_S} d {whole % DAY_S // HOUR_S} h"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _short(text: str) -> str:
    shown = escaped(text[:SHORT_CHARS])
    return shown if len(text) <= SHORT_CHARS else f"{shown}..."


def _bytes(value: bytes, most: int, keep: str = " ") -> str:
    """Return bytes as text; bytes that are not UTF-8, and characters that are not printable, are escaped."""
    shown = escaped(value[:most].decode("utf-8", "backslashreplace"), keep)
    return shown if len(value) <= most else f"{shown}... ({len(value) - most} bytes more; --raw writes all)"
