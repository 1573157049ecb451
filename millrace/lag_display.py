"""Shows a report about lag: as a table for people, as JSON for programs."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from shared.lag.states import LagReport, PartitionLag, State, TopicLag

PIPED_COLUMNS = 200
COLOURS = {
    State.CAUGHT_UP: "green",
    State.BEHIND: "yellow",
    State.UNKNOWN: "magenta",
    State.LEFT: "dim",
    State.STUCK: "red",
    State.STALLED: "red",
    State.EXPIRED: "bold red",
}
UNITS = ((86_400, "d", "h", 24), (3_600, "h", "min", 60), (60, "min", "s", 60))
COLUMNS = ("lag", "age", "in/s", "out/s", "drains in", "expires in")


def console() -> Console:
    """Return the console for tables; without a terminal, it is wide and has no colours."""
    found = Console(highlight=False, emoji=False)
    return found if found.is_terminal else Console(highlight=False, emoji=False, width=PIPED_COLUMNS)


def shown(report: LagReport, now_ms: float, by_partition: bool, outage: str = "") -> Group:
    """Return a table with a line for each group and topic, or for each partition, and below it what else is to be said.

    Args:
        report: The report.
        now_ms: Ages are those of this time, in ms since the epoch.
        by_partition: Whether each partition has a line.
        outage: Why no look since then has had an answer; empty if the report is that of the last look.
    """
    table = Table(box=None, pad_edge=False)
    for name in ("group", "topic", *(["partition"] if by_partition else []), "state", "members"):
        table.add_column(name, justify="right" if name in ("partition", "members") else "left")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    notes = []
    for topic in (*report.topics, *report.left):
        if by_partition and topic.partitions:
            for each in topic.partitions:
                number = str(each.partition) if each.partition >= 0 else ""  # without one, no topic is known either
                table.add_row(*_start(topic, each, number or "-"), *_numbers(each, now_ms))
                place = f"/{number}" if number else ""
                notes += [f"{_name(topic)}{place}: {note}" for note in _notes(each)]
        else:
            table.add_row(*_start(topic, topic, *([""] if by_partition else [])), *_numbers(topic, now_ms))
            notes += [f"{_name(topic)}: {note}" for note in _topic_notes(topic)]
    warnings = [Text(f"no answer since {time_of(report)}: {outage}", style="red")] if outage else []
    return Group(table, *(Text(note, style="dim") for note in notes), *warnings)


def time_of(report: LagReport) -> str:
    """Return when a look was, in UTC."""
    return f"{datetime.fromtimestamp(report.at_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _name(topic: TopicLag) -> str:
    return f"{topic.group} in {topic.topic}" if topic.topic else topic.group


def _start(topic: TopicLag, shown: TopicLag | PartitionLag, *partition: str) -> list[str]:
    state = shown.state
    members = "?" if topic.members is None and topic.partitions else "" if topic.members is None else str(topic.members)
    name = f"[{COLOURS[state]}]{state.value.replace('_', ' ')}[/]"
    return [escape(topic.group), escape(topic.topic) or "-", *partition, name, members]


def _numbers(shown: TopicLag | PartitionLag, now_ms: float) -> list[str]:
    has_numbers = bool(shown.known) if isinstance(shown, TopicLag) else shown.has_numbers
    if not has_numbers:
        return [""] * len(COLUMNS)
    about = "" if shown.is_counted else "~"
    drain_s = shown.drain_s if isinstance(shown, TopicLag) else None
    return [
        f"{about}{shown.records}",
        duration(shown.age_s(now_ms)),
        rate(shown.produced_per_s),
        rate(shown.consumed_per_s),
        duration(drain_s),
        duration(shown.expiry_s(now_ms)),
    ]


def _notes(found: PartitionLag | TopicLag) -> list[str]:
    notes = [found.reason] if found.reason else []
    if found.lost:
        notes.append(f"{found.lost} offsets deleted unread")
    if found.held_back:
        notes.append(f"{found.held_back} offsets held back by an open transaction")
    return notes


def _topic_notes(topic: TopicLag) -> list[str]:
    notes = _notes(topic)
    unknown = [each for each in topic.partitions if not each.is_known]
    if unknown:
        notes.append(f"{len(unknown)} of {len(topic.partitions)} partitions unknown: {unknown[0].reason}")
    if topic.on_purpose and topic.records:
        notes.append("records wait here until they are due")
    return notes


def rate(per_s: float | None) -> str:
    """Return a rate as text; empty if not known."""
    if per_s is None:
        return ""
    return f"{per_s:.0f}" if per_s >= 10 or per_s == 0 else f"{per_s:.1f}"


def duration(seconds: float | None) -> str:
    """Return a duration as text; empty if not known, `never` if infinite."""
    if seconds is None:
        return ""
    if math.isinf(seconds):
        return "never"
    for size, unit, smaller, parts in UNITS:
        if seconds >= size:
            whole = int(seconds // size)
            rest = int(seconds % size * parts // size)
            return f"{whole} {unit} {rest} {smaller}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s"


def json_of(report: LagReport, now_ms: float) -> dict[str, Any]:
    """Return a report for programs. JSON has no infinity: a time that never comes is null, and a field beside says so."""
    return {
        "at_ms": report.at_ms,
        "state": report.state.value,
        "topics": [_topic_json(each, now_ms) for each in report.topics],
        "left": [{"group": each.group, "topic": each.topic or None, "reason": each.reason} for each in report.left],
    }


def _topic_json(topic: TopicLag, now_ms: float) -> dict[str, Any]:
    numbers = _numbers_json(topic, now_ms) if topic.known else {}
    drains = {"drain_s": _finite(topic.drain_s), "drains": _is_finite(topic.drain_s)} if topic.known else {}
    return {
        "group": topic.group,
        "topic": topic.topic or None,
        "state": topic.state.value,
        "members": topic.members,
        **numbers,
        **drains,
        "partitions": [dict(_partition_json(each, now_ms)) for each in topic.partitions],
    }


def _partition_json(each: PartitionLag, now_ms: float) -> Iterator[tuple[str, Any]]:
    yield "partition", each.partition if each.partition >= 0 else None
    yield "state", each.state.value
    if each.reason:
        yield "reason", each.reason
    if each.has_numbers:
        yield "committed", each.committed
        yield from _numbers_json(each, now_ms).items()


def _numbers_json(shown: TopicLag | PartitionLag, now_ms: float) -> dict[str, Any]:
    return {
        "records": shown.records,
        "is_counted": shown.is_counted,
        "age_s": shown.age_s(now_ms),
        "lost_offsets": shown.lost,
        "held_back_offsets": shown.held_back,
        "produced_per_s": shown.produced_per_s,
        "consumed_per_s": shown.consumed_per_s,
        "expiry_s": _finite(shown.expiry_s(now_ms)),
        "expires": _is_finite(shown.expiry_s(now_ms)),
        "retention_used": shown.retention_used(now_ms),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _is_finite(value: float | None) -> bool | None:
    return None if value is None else math.isfinite(value)
