"""`millrace audit`."""

from typing import Annotated, Any

import typer

from millrace.cli.options import (
    DEFAULT_STREAM,
    Bootstrap,
    Json,
    StreamName,
    load_settings,
    load_stream_settings,
    quiet,
    require_bootstrap,
    require_stream,
)
from millrace.configured import configured
from millrace.resources import group_of, open_collection
from schemas.topics import input_topic, quarantine_topic
from shared.audit.audited_backfill import AuditedBackfill
from shared.audit.comparison import AuditReport, audit_json
from shared.audit.comparison import audit as run_audit
from shared.broker.reader import TIMEOUT_S, TopicReader
from shared.broker.security import Address
from shared.broker.transactions import OpenTransactions, total
from shared.clock import SystemClock
from shared.engine.stream import Stream
from shared.errors import Fatal
from shared.retry.survey import REDRIVE_GROUP


def audit(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    points: Annotated[
        bool,
        typer.Option(
            "--points/--no-points", help="--points compares the stored points too, --no-points only the topics."
        ),
    ] = True,
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            help="The group of a backfill (`millrace run STREAM --group`): audit what it has settled, within its bounds. "
            "Default: the group of the stream's workers, without what backfills have settled.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Compare all topics and points of a stream, to find out whether anything was lost.

    The command compares the input, the ledger, the results, the dead letters and the points
    by topic, partition and offset. The exit code is 0 only if nothing is missing,
    stale, conflicting, unreadable or lost unread.
    """
    quiet()
    settings, audited = load_settings(bootstrap), require_stream(stream)
    own = load_stream_settings(audited)
    audited = configured(audited, own)
    live = group_of(own, stream)
    reader = TopicReader(require_bootstrap(settings), group or live)
    backfill = None if group in (None, live) else _backfill_of(reader, stream, str(group))
    redrive = TopicReader(require_bootstrap(settings), REDRIVE_GROUP)
    if points:
        with open_collection(settings, stream) as collection:
            findings = run_audit(reader, audited, collection, redrive, backfill)
    else:
        findings = run_audit(reader, audited, None, redrive, backfill)
    _note_waiting(findings, require_bootstrap(settings), audited)
    if json:
        typer.echo(audit_json(findings))
    else:
        _print(findings)
    raise typer.Exit(0 if findings.clean else 1)


def _print(findings: AuditReport) -> None:
    outcomes = ", ".join(f"{name} {count}" for name, count in sorted(findings.outcomes.items())) or "none"
    typer.echo(f"settled {findings.settled} ({outcomes}); pending {findings.pending}; points {findings.points}")
    if findings.foreign:
        typer.echo(f"foreign points {findings.foreign}, not compared: `millrace doctor` reports what to do about them")
    typer.echo(
        f"settled and no longer in the input topic {findings.below_retention}; "
        f"dead letters and results that Kafka has removed {findings.purged}"
    )
    if findings.open_transaction:
        age_s = findings.open_transaction_oldest_age_s
        oldest = "" if age_s is None else f", the oldest for {age_s:.0f} s"
        typer.echo(f"behind an open transaction: {findings.open_transaction}{oldest}")
    if findings.former:
        typer.echo(f"settled for an earlier topic with the name of the input topic; not compared: {findings.former}")
    for kind, examples in findings.examples.items():
        for example in examples:
            typer.echo(f"  {kind}: {example}")
    typer.echo(findings.line())


def _backfill_of(reader: TopicReader, stream: str, group: str) -> AuditedBackfill:
    """Return the backfill of a group, with its bounds.

    Raises:
        Fatal: the group is no backfill's group.
    """
    commits = reader.commits([input_topic(stream)])
    bounds = {place: each.bounds for place, each in commits.items() if each.bounds is not None}
    if not bounds:
        raise Fatal(
            f"group {group} has no bounds in topic {stream}: it is no backfill's group, or its commits have expired"
        )
    return AuditedBackfill(group, bounds)


def _note_waiting(findings: AuditReport, bootstrap: Address, stream: Stream[Any, Any]) -> None:
    """Count the records behind an open transaction in the topics that were read.

    This is measured after the topics were read: records whose transaction ended in between no longer wait; they were
    read as pending.
    """
    names = [topic.name for topic in stream.topics() if topic.name != quarantine_topic(stream.name)]
    waiting, now = OpenTransactions(bootstrap, names, TIMEOUT_S).measure(), SystemClock().now()
    for each in waiting:
        findings.note("open_transaction", each.describe(now), each.records)
    together = total(waiting)
    findings.open_transaction_oldest_age_s = None if together.oldest_ms is None else together.age_s(now)
