"""`millrace lag`."""

import json as jsonlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

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
from millrace.lag_display import console, json_of, shown, time_of
from millrace.lag_measuring import Measured, lag_meter, measured
from millrace.streams import STREAMS
from shared.clock import Clock, SystemClock
from shared.errors import Unavailable
from shared.lag.limits import BEYOND, Limits, exit_code
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport, State

DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|d)?")
SECONDS = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}

Show = Callable[[LagReport, str], None]
"""Shows the last answer, and why the brokers have not answered since; that is empty if they have."""


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
    - 1: something is stuck, stalled or expired, or beyond a limit; or no group was found; or a group named by
      `--group`, or a topic named by `--topic`, does not exist.
    - 2: wrong usage.
    - 3: the brokers are unavailable at the first or the last look, or the state of a partition is unknown and no
      other is bad.
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
    with (
        closing(lag_meter(what, settings.lag, address, interval_s)) as meter,
        _watching(partitions) if watch else nullcontext(_warn) as show,
    ):
        report = look(meter, SystemClock(), interval_s, length_s, show)
    if json:
        typer.echo(jsonlib.dumps(json_of(report, report.at_ms)))
    elif not watch and (report.topics or report.left):
        console().print(shown(report, report.at_ms, partitions))
    _note(report, what, limits)
    if length_s is not None and length_s < settings.lag.stuck_after_s:
        _note_short(report, length_s, settings.lag.stuck_after_s)
    raise typer.Exit(BEYOND if what.missing_topics(report) else exit_code(report, limits, what.expected))


def look(meter: LagMeter, clock: Clock, interval_s: float, length_s: float | None, show: Show) -> LagReport:
    """Look again and again for some time, or until Ctrl-C, also over an outage; return the last report.

    Raises:
        Unavailable: the first or the last look had no answer.
    """
    never = threading.Event()
    until_s = None if length_s is None else clock.monotonic_s() + length_s
    report, outage = meter.measure(), None
    try:
        while True:
            show(report, outage.detail if outage else "")
            left_s = interval_s if until_s is None else until_s - clock.monotonic_s()
            if left_s <= 0:
                break
            clock.wait(never, min(interval_s, left_s))
            try:
                report, outage = meter.measure(), None
            except Unavailable as error:
                outage = error
    except KeyboardInterrupt:
        pass
    if outage is not None:
        raise outage
    return report


@contextmanager
def _watching(by_partition: bool) -> Iterator[Show]:
    """Yield what shows each answer: in a live table on a terminal, else in one table after the other."""
    to = console()
    if not to.is_terminal:

        def print_one(report: LagReport, outage: str) -> None:
            to.print(time_of(report), shown(report, report.at_ms, by_partition, outage), "", sep="\n")

        yield print_one
        return
    with Live(console=to, auto_refresh=False) as live:
        yield lambda report, outage: live.update(shown(report, report.at_ms, by_partition, outage), refresh=True)


def _warn(_: LagReport, outage: str) -> None:
    if outage:
        typer.echo(f"a look had no answer: {outage}", err=True)


def _note(report: LagReport, what: Measured, limits: Limits) -> None:
    """Say on standard error what the table does not show."""
    if not report.topics and not report.left:
        typer.echo("no group reads one of these topics", err=True)
    for name in what.missing_topics(report):
        typer.echo(f"topic {name} does not exist, or this user may not see it", err=True)
    for each in report.topics:
        if limits.are_exceeded(each, report.at_ms):
            typer.echo(f"{each.group} is beyond the limits in {each.topic}", err=True)


def _note_short(report: LagReport, length_s: float, stuck_after_s: float) -> None:
    """Say on standard error what cannot be found within so short a time."""
    states = {each.state for topic in report.topics for each in topic.partitions}
    longer = f"(--for {stuck_after_s + 10:g}, or --watch)"
    if State.BEHIND in states:
        typer.echo(
            f"looked for {length_s:g} s only: whether a group that is behind is stuck shows after {stuck_after_s:g} s "
            f"{longer}",
            err=True,
        )
    if State.STALLED in states:
        typer.echo(
            f"stalled means that the group has no members; a reader that never joins its group looks the same until a "
            f"look sees it commit {longer}",
            err=True,
        )


def _seconds(text: str) -> float:
    match = DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text}: expected a time such as 60s, 5m, 2h or 1d", param_hint="--max-age")
    return float(match[1]) * SECONDS[match[2]]
