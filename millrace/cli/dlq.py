"""`millrace dlq`: list, show, replay and purge dead letters."""

import json as jsonlib
import sys
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar

from millrace.cli.dlq_options import (
    Fields,
    MaxReplays,
    Quarantine,
    Reasons,
    Since,
    Stages,
    Tenants,
    Until,
    max_replays_of,
    rate_of,
    selection_of,
)
from millrace.cli.options import (
    DEFAULT_STREAM,
    Bootstrap,
    Json,
    StreamName,
    load_settings,
    quiet,
    require_bootstrap,
    require_stream,
)
from millrace.dead_letter_text import dead_letter_json, describe, histogram_json, histogram_lines, line
from schemas.topics import quarantine_topic, redo_topic
from shared.broker.group_offsets import GroupOffsets
from shared.broker.producer import KafkaSink
from shared.broker.removal import Remover
from shared.clock import SystemClock
from shared.deadletters.envelope import parse_position
from shared.deadletters.histogram import Histogram
from shared.deadletters.replay import (
    Plan,
    Replay,
    Replayed,
    Span,
    dead_letter_reader,
    dead_letter_topic,
    find_dead_letters,
    newest,
    replay_group,
    selected_dead_letters,
)
from shared.deadletters.selection import parse_time
from shared.errors import Fatal
from shared.wording import counted

app = typer.Typer(
    rich_markup_mode="markdown", help="The dead-letter queue: list, show, replay, purge.", no_args_is_help=True
)


@app.command("list")
def list_(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    reason: Reasons = None,
    field: Fields = None,
    stage: Stages = None,
    tenant: Tenants = None,
    since: Since = None,
    until: Until = None,
    quarantine: Quarantine = False,
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Show only this many dead letters, the newest ones; 0 shows all, ordered by partition."
        ),
    ] = 20,
    histogram: Annotated[bool, typer.Option("--histogram", help="Print only the counts by reason and field.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One line of JSON per dead letter; with --histogram, one JSON object.")
    ] = False,
) -> None:
    """List dead letters, the newest last, then count them by reason and field.

    A dead letter stays in the queue after a replay, until it is purged or its
    retention ends. Each line shows when the dead letter was written, the
    position of the original record, the reason, the field, the tenant and the
    detail. `millrace dlq show` shows one dead letter in full.
    """
    quiet()
    clock = SystemClock()
    selection = selection_of(reason, field, stage, tenant, since, until)
    reader = dead_letter_reader(require_bootstrap(load_settings(bootstrap)))
    topic = dead_letter_topic(require_stream(stream).name, quarantine)
    counts, render = Histogram(), dead_letter_json if json else line
    found = selected_dead_letters(reader, topic, selection)
    if limit and not histogram:
        for shown in newest(found, limit, counts, render):
            typer.echo(shown)
    else:
        for letter in found:
            counts.add(letter)
            if not histogram:
                typer.echo(render(letter))
    if histogram and json:
        typer.echo(histogram_json(counts, topic, clock.now()))
    elif not json:
        typer.echo("\n".join(histogram_lines(counts, topic, clock.now())))


@app.command("show")
def show(
    position: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC/PARTITION@OFFSET",
            help="Position of the dead letter (tickets.dlq/3@17), or of the record it comes from (tickets/3@120).",
        ),
    ],
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    quarantine: Quarantine = False,
    raw: Annotated[
        str | None,
        typer.Option(
            "--raw", metavar="FILE", help="Write the original bytes unchanged to a file; - is standard output."
        ),
    ] = None,
) -> None:
    """Show one dead letter: all headers and the value, with control characters escaped.

    The value is the record as it arrived, before any masking: it may hold personal data.
    """
    quiet()
    where = parse_position(position)
    if where is None:
        raise typer.BadParameter(f"{position}: expected TOPIC/PARTITION@OFFSET, such as tickets.dlq/3@17")
    reader = dead_letter_reader(require_bootstrap(load_settings(bootstrap)))
    found = find_dead_letters(reader, require_stream(stream).name, where, quarantine)
    letter = found[-1]
    if len(found) > 1:
        sys.stderr.write(f"{position} has {len(found)} dead letters; showing the one at {letter.position}\n")
    if raw is None:
        typer.echo(describe(letter))
    elif letter.record.value is None:
        raise Fatal(f"{letter.position} has no value to write: leave out --raw to see its headers")
    elif raw == "-":
        sys.stdout.buffer.write(letter.record.value)
    else:
        _write(Path(raw), letter.record.value)


@app.command("replay")
def replay(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    reason: Reasons = None,
    field: Fields = None,
    stage: Stages = None,
    tenant: Tenants = None,
    since: Since = None,
    until: Until = None,
    quarantine: Quarantine = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many dead letters; run again for the next ones.")
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="N/s",
            help="Maximum rate: 100 or 100/s for 100 dead letters per second, 30/m for 30 per minute; default: no limit.",
        ),
    ] = None,
    max_replays: MaxReplays = None,
    group: Annotated[
        str | None,
        typer.Option(help="Consumer group that stores the progress; default: one group per combination of filters."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start again with the oldest dead letter.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; nothing is written or committed.")] = False,
    json: Json = False,
) -> None:
    """Send the dead letters that the queue holds now to the redo topic, with unchanged bytes and key.

    The same command continues where it was stopped or killed; then at most 500
    dead letters are sent twice, which the worker recognises. Each combination of
    filters remembers its own progress, so dead letters that it leaves out can
    still be sent with other filters. A record that fails again gets a new dead
    letter, which states how often the record was replayed; for records from the
    quarantine, this count starts again.
    """
    quiet()
    settings, clock = load_settings(bootstrap), SystemClock()
    address, per_s, most = require_bootstrap(settings), rate_of(rate), max_replays_of(max_replays, quarantine)
    selection = selection_of(reason, field, stage, tenant, since, until)
    plan = Plan(require_stream(stream).name, selection, most, limit, per_s, dry_run, quarantine)
    reader = dead_letter_reader(address)
    for topic in () if dry_run else (redo_topic(stream), quarantine_topic(stream)):
        reader.watermarks(topic)  # a missing topic is noticed before anything is sent
    name = group or replay_group(stream, selection, quarantine)
    start_s = clock.monotonic_s()
    with closing(KafkaSink(address, settings.broker)) as sink, closing(GroupOffsets(address, name, clock)) as offsets:
        replaying = Replay(reader, sink, offsets, clock)
        spans = replaying.begin(plan, restart)
        if not restart:
            _warn_of_no_position(name, spans.values())
        with Bar(console=Console(stderr=True)) as bar:
            task = bar.add_task(f"replay {plan.topic}", total=sum(span.records for span in spans.values()))
            done = replaying.run(plan, spans, lambda records: bar.advance(task, records))
    _report(done, plan, name, clock.monotonic_s() - start_s, json)


@app.command("purge")
def purge(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    until: Until = None,
    all_: Annotated[bool, typer.Option("--all", help="Delete everything that the queue holds now.")] = False,
    quarantine: Quarantine = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; nothing is deleted.")] = False,
) -> None:
    """Permanently delete all dead letters (--all), or those written before a time (--until).

    Kafka can delete only the beginning of a partition, so nothing can be selected
    by reason, field, stage or tenant. A purge cannot be undone. The audit shows
    the number of dead letters and results removed.
    """
    quiet()
    if (until is None) == (not all_):
        raise typer.BadParameter("give either --until TIME or --all")
    now = SystemClock().now()
    try:
        moment = None if until is None else parse_time(until, now)
    except ValueError as error:
        raise typer.BadParameter(f"--until {error}") from error
    remover = Remover(require_bootstrap(load_settings(bootstrap)))
    topic = dead_letter_topic(require_stream(stream).name, quarantine)
    spans = remover.beginning(topic, moment)
    count = sum(end - first for first, end in spans.values())
    if dry_run or not count:
        typer.echo(f"{topic}: {counted(count, 'dead letter')} {'would be deleted' if dry_run else 'deleted'}")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                f"{counted(count, 'dead letter')} of {topic} would be deleted permanently: confirm with --yes"
            )
        typer.confirm(f"Delete {counted(count, 'dead letter')} of {topic} permanently?", abort=True)
    remover.remove({where: end for where, (first, end) in spans.items() if end > first})
    typer.echo(f"{topic}: {counted(count, 'dead letter')} deleted")


def _warn_of_no_position(group: str, spans: Collection[Span]) -> None:
    """Warn if the group has no position, so that the replay cannot know what was sent before.

    This is so on the first run, and after Kafka has dropped the group.
    """
    waiting = [span for span in spans if span.records > 0]
    new = sum(not span.resumed for span in waiting)
    if new:
        where = "" if new == len(waiting) else f" in {new} of {len(waiting)} partitions"
        sys.stderr.write(
            f"group {group} has no committed offset{where}: the replay starts with the oldest "
            "dead letter; sending a dead letter again does no harm\n"
        )


def _write(path: Path, value: bytes) -> None:
    try:
        path.write_bytes(value)
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror}") from error


def _report(done: Replayed, plan: Plan, group: str, seconds: float, json: bool) -> None:
    if json:
        counts = {
            name: getattr(done, name)
            for name in ("replayed", "quarantined", "skipped", "repeated", "unreadable", "cut")
        }
        typer.echo(jsonlib.dumps({**counts, "dry_run": plan.dry_run, "group": group, "seconds": round(seconds, 3)}))
        return
    if plan.dry_run:
        counted = f"would replay {done.replayed}, quarantine {done.quarantined}, skip {done.skipped}"
    else:
        counted = f"{done.replayed} replayed, {done.quarantined} quarantined, {done.skipped} skipped"
    more = f", {done.repeated} repeated" if done.repeated else ""
    more += f", {done.unreadable} unreadable" if done.unreadable else ""
    more += f", {done.cut} cut (the whole record is only at its origin)" if done.cut else ""
    if plan.dry_run:
        typer.echo(f"dry run: {counted}{more}; nothing was written")
    else:
        typer.echo(f"{counted}{more} in {seconds:.1f} s; group {group}")
