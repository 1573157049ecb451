"""`millrace doctor`."""

import os
from typing import Annotated

import typer

from millrace.cli.options import DEFAULT_STREAM, Bootstrap, Json, StreamName, coloured, quiet, require_stream
from millrace.doctor.examination import Examination, examine
from millrace.doctor.finding import State
from shared.clock import SystemClock

COLOURS: dict[State, str] = {
    "ok": "green",
    "warning": "yellow",
    "wrong": "red",
    "unreachable": "red",
    "skipped": "blue",
}
VERDICTS = {0: "nothing is wrong", 1: "something is wrong", 3: "something cannot be reached for now"}


def doctor(
    bootstrap: Bootstrap = None,
    stream: StreamName = DEFAULT_STREAM,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=0.5,
            max=60,
            metavar="SECONDS",
            help="How long to wait for each answer of a server; raise it if a slow server is shown as unreachable.",
        ),
    ] = 6.0,
    json: Json = False,
) -> None:
    """Show what is configured, what can be reached, what is wrong and how to fix it.

    Exit code 0: nothing is wrong, though there may be warnings; 1: something is
    wrong; 3: something cannot be reached for now. Secrets are never shown.
    """
    quiet()
    report = examine(os.environ, require_stream(stream), timeout_s, SystemClock(), bootstrap)
    if json:
        typer.echo(report.as_json())
    else:
        _report(report)
    raise typer.Exit(report.exit_code)


def _report(report: Examination) -> None:
    """Write the report; colours are left out if the output is not a terminal."""
    typer.echo("configured" if report.configured else "configured: nothing, all settings have their defaults")
    width = max(map(len, report.configured), default=0)
    for name, value in report.configured.items():
        typer.echo(f"  {name:<{width}}  {value}")
    typer.echo("found")
    for finding in report.findings:
        state = coloured(f"{finding.state:<11}", COLOURS[finding.state])
        typer.echo(f"  {state}  {finding.part:<8}  {finding.detail}")
        if finding.fix:
            typer.echo(f"  {'':<11}  {'':<8}  -> {finding.fix}")
    warnings = sum(finding.state == "warning" for finding in report.findings)
    typer.echo(VERDICTS[report.exit_code] + (f"; warnings: {warnings}" if warnings else ""))
