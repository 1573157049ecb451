"""`millrace lag`."""

import json as jsonlib
import re
import threading
from collections.abc import Callable
from contextlib import closing, nullcontext

import typer
from rich.live import Live

from millrace.cli.lag_options import (
    SHORT_LOOK_S,
    Groups,
    LookedFor,
    MaxAge,
    MaxLag,
    Partitions,
    Topics,
    Watched,
)
from millrace.cli.options import (
    Bootstrap,
    Json,
    load_settings,
    load_stream_settings,
    quiet,
    refuse_unknown_variables,
    require_bootstrap,
)
from millrace.lag_display import console, json_of, shown
from millrace.lag_measuring import lag_meter, measured
from millrace.streams import STREAMS
from shared.clock import SystemClock
from shared.lag.limits import Limits, exit_code
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport, State

DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d)?")
SECONDS = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def lag(
    bootstrap: Bootstrap = None,
    group: Groups = None,
    topic: Topics = None,
    partitions: Partitions = False,
    watch: Watched = False,
    for_s: LookedFor = None,
    max_age: MaxAge = None,
    max_lag: MaxLag = None,
    json: Json = False,
) -> None:
    """Show how far consumer groups are behind: in records, in age, and in time until unread data expires.

    It looks at Kafka only, joins no group and changes nothing, so it is right when
    every worker is dead. docs/lag.md defines the states.

    Exit codes:

    - 0: each partition is caught up, or behind within `--max-age` and `--max-lag`.
    - 1: something is stuck, stalled or expired, or beyond a limit; or no group was found, or one of those named.
    - 2: wrong usage.
    - 3: the brokers are unavailable, or the state of a partition is unknown and no other is bad.
    """
    quiet()
    refuse_unknown_variables()
    if watch and json:
        raise typer.BadParameter("--watch shows a table; use --for SECONDS with --json")
    limits = Limits(None if max_age is None else _seconds(max_age), max_lag)
    settings = load_settings(bootstrap)
    address = require_bootstrap(settings)
    own = {stream.name: load_stream_settings(stream) for stream in STREAMS.values()}
    what = measured(settings.lag, STREAMS, own, tuple(group or ()), tuple(topic or ()))
    length_s = for_s or (None if watch else SHORT_LOOK_S)
    interval_s = min(settings.lag.interval_s, length_s or settings.lag.interval_s)
    live = Live(console=console(), auto_refresh=False)

    def show(latest: LagReport) -> None:
        live.update(shown(latest, latest.at_ms, partitions), refresh=True)

    with closing(lag_meter(what, settings.lag, address, interval_s)) as meter, live if watch else nullcontext():
        report = _look(meter, interval_s, length_s, show if watch else None)
    if json:
        typer.echo(jsonlib.dumps(json_of(report, report.at_ms)))
    elif not watch and (report.topics or report.left):
        console().print(shown(report, report.at_ms, partitions))
    _note(report, length_s, settings.lag.stuck_after_s, limits)
    raise typer.Exit(exit_code(report, limits, what.expected))


def _look(
    meter: LagMeter, interval_s: float, length_s: float | None, shown: Callable[[LagReport], None] | None
) -> LagReport:
    """Look again and again for some time, or until Ctrl-C; return the last report."""
    clock, never = SystemClock(), threading.Event()
    until_s = None if length_s is None else clock.monotonic_s() + length_s
    report = meter.measure()
    try:
        while True:
            if shown is not None:
                shown(report)
            left_s = interval_s if until_s is None else until_s - clock.monotonic_s()
            if left_s <= 0:
                return report
            clock.wait(never, min(interval_s, left_s))
            report = meter.measure()
    except KeyboardInterrupt:
        return report


def _note(report: LagReport, length_s: float | None, stuck_after_s: float, limits: Limits) -> None:
    """Say on standard error what the table does not show."""
    if not report.topics and not report.left:
        typer.echo("no group reads one of these topics", err=True)
    is_short = length_s is not None and length_s < stuck_after_s
    if is_short and any(each.state is State.BEHIND for topic in report.topics for each in topic.partitions):
        typer.echo(
            f"looked for {length_s:g} s only: whether a group that is behind is stuck shows after {stuck_after_s:g} s "
            f"(--for {stuck_after_s + 10:g}, or --watch)",
            err=True,
        )
    for each in report.topics:
        if limits.are_exceeded(each, report.at_ms):
            typer.echo(f"{each.group} is beyond the limits in {each.topic}", err=True)


def _seconds(text: str) -> float:
    match = DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text}: expected a time such as 60s, 5m, 2h or 1d", param_hint="--max-age")
    return float(match[1]) * SECONDS[match[2]]
