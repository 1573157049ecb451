"""`millrace retry`: list, show and hurry the records that wait in the retry lane."""

import json as jsonlib
from itertools import islice
from typing import Annotated, Any

import typer

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
from millrace.dead_letter_text import dead_letter_json, describe, line, when
from schemas.topics import retry_topics
from shared.broker.reader import TopicReader
from shared.clock import SystemClock
from shared.deadletters.envelope import parse_position, read_dead_letter
from shared.deadletters.replay import READ_AHEAD_BYTES, READ_AT_ONCE
from shared.errors import Fatal
from shared.operation.control import WorkerControl
from shared.records import Record
from shared.retry.lane import Waiting
from shared.retry.survey import REDRIVE_GROUP, RetrySurvey, TierState
from shared.wording import counted
from workers.services.redrive import SERVICE

app = typer.Typer(
    rich_markup_mode="markdown",
    help="The retry lane: list, show and hurry records that wait for another attempt.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    limit: Annotated[int, typer.Option(min=0, help="Show at most this many records of all tiers; 0 shows all.")] = 20,
    json: Json = False,
) -> None:
    """List the state of each tier, and the records that wait, in the order in which they come back.

    Each line shows when the record was deferred, the position of the deferred
    record, the reason, the field, the tenant, the detail, the number of attempts
    and when it is due. `millrace retry show` shows one record in full.
    """
    quiet()
    survey = RetrySurvey(_reader(bootstrap), require_stream(stream).name)
    states = survey.states()
    waiting = list(islice(survey.waiting(), limit or None))
    if json:
        records = [_to_json(each) for each in waiting]
        typer.echo(jsonlib.dumps({"tiers": [_state_json(each) for each in states], "records": records}))
        return
    now_ms = SystemClock().now().timestamp() * 1000
    for each in waiting:
        typer.echo(_to_line(each))
    for state in states:
        due_s = None if state.next_due_ms is None else (state.next_due_ms - now_ms) / 1000
        due = "" if due_s is None else f", the first due in {due_s:.0f} s" if due_s > 0 else ", the first is due now"
        typer.echo(f"tier {state.tier}: {counted(state.records, 'record')}{due}")


@app.command("show")
def show(
    position: Annotated[
        str,
        typer.Argument(
            metavar="TOPIC/PARTITION@OFFSET",
            help="Position of the record in the retry lane, as `millrace retry list` shows it: tickets.retry.1/3@17.",
        ),
    ],
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
) -> None:
    """Show one record of the retry lane: all headers and the value, with control characters escaped.

    The value is the record as it arrived, before any masking: it may hold personal data.
    """
    quiet()
    where, topics = parse_position(position), retry_topics(require_stream(stream).name)
    if where is None or where.topic not in topics:
        raise typer.BadParameter(f"{position}: expected TOPIC/PARTITION@OFFSET with one of {', '.join(topics)}")
    start = {where.topic_partition: where.offset}
    found = next(_reader(bootstrap).read(where.topic, start), None)
    if found is None or found.offset != where.offset:
        raise Fatal(f"no record is at {position}; `millrace retry list` shows the positions")
    typer.echo(describe(read_dead_letter(found)))


@app.command("now")
def now(
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the redrive's probes; default: MILLRACE_OPERATION__PORT or 9400."),
    ] = None,
) -> None:
    """Ask the redrive on this machine to send all records that wait now, whenever they are due.

    Use it when a source is back after an outage. If several redrives run, each
    sends the records of its own partitions: ask each of them.
    """
    quiet()
    control = WorkerControl.of(load_settings().operation, port, SERVICE)
    control.hurry()
    typer.echo(f"{control.host}:{control.port} sends all records that wait now")


def _reader(bootstrap: str | None) -> TopicReader:
    address = require_bootstrap(load_settings(bootstrap))
    return TopicReader(address, REDRIVE_GROUP, at_once=READ_AT_ONCE, ahead_bytes=READ_AHEAD_BYTES)


def _to_line(waiting: Waiting | Record) -> str:
    if isinstance(waiting, Record):
        return line(read_dead_letter(waiting))
    due, made = when(waiting.due_at_ms), counted(waiting.attempts, "attempt")
    return f"{waiting.record.position!s:<24}  {line(waiting.deferred)}  ({made}, due {due})"


def _to_json(waiting: Waiting | Record) -> dict[str, Any]:
    if isinstance(waiting, Record):
        fields: dict[str, Any] = jsonlib.loads(dead_letter_json(read_dead_letter(waiting)))
        return fields
    fields = jsonlib.loads(dead_letter_json(waiting.deferred))
    own = {
        "tier": waiting.tier,
        "due_at": when(waiting.due_at_ms),
        "attempts": waiting.attempts,
        "input": None if waiting.source is None else str(waiting.source),
    }
    return fields | own


def _state_json(state: TierState) -> dict[str, Any]:
    return {
        "tier": state.tier,
        "records": state.records,
        "oldest_at": None if state.oldest_ms is None else when(state.oldest_ms),
        "next_due_at": None if state.next_due_ms is None else when(state.next_due_ms),
    }
