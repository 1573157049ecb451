"""The options of `millrace run` that make it a backfill, and what they start."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from millrace.backfilling import wanted_of
from millrace.cli.options import (
    load_settings,
    load_stream_settings,
    refuse_unknown_variables,
    require_bootstrap,
    require_stream,
)
from millrace.serve_backfill import Asked, Summary, backfill
from millrace.streams import STREAMS
from shared.broker.bounds import Wanted
from shared.clock import SystemClock
from shared.errors import Fatal
from shared.logs import configure
from shared.settings import Settings

RATE = 20.0
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="NAME",
        help="Backfill: a consumer group of its own, such as backfill-2026. A command that is repeated with the same group "
        "continues; several processes with one group share the work.",
        show_default=False,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="TIME",
        help="Backfill: the time in Kafka of the first record: ISO 8601, such as 2026-01-01 (UTC if it has no zone). "
        "Records that the input topic has deleted are not there; choose an early time to take all that it holds.",
        show_default=False,
    ),
]
Until = Annotated[
    str,
    typer.Option(
        "--until",
        metavar="TIME",
        help="Backfill: only records before this time, ISO 8601, or `now`, the moment of the first start. Choose the time "
        "since which the live workers have had the new model, if there is one: what came later needs no backfill.",
    ),
]
IndexOnly = Annotated[
    bool,
    typer.Option(
        "--index-only",
        help="Backfill: write points, and publish no results. Choose it to fill the collection of a new model; leave it "
        "out if readers of the results need the new decisions.",
    ),
]
Rate = Annotated[
    float,
    typer.Option(
        "--rate",
        min=0.1,
        metavar="N",
        help="Backfill: the most records a second of this process. Beside live workers on one machine, choose at most a "
        "third of what they leave free; on machines of its own, as much as the store can take beside live traffic.",
    ),
]


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The options of a backfill, as they were given."""

    bootstrap: str | None
    port: int | None
    group: str | None
    first: str | None
    until: str
    index_only: bool
    rate: float
    json: bool


def backfill_command(streams: Sequence[str], given: BackfillOptions) -> None:
    """Run a backfill, and print its summary.

    Raises:
        typer.BadParameter: the options are wrong.
        Fatal: the backfill failed, or was stopped before its end.
    """
    if not given.group or not given.first:
        raise typer.BadParameter("a backfill needs both --group and --from")
    if len(streams) != 1 or streams[0] not in STREAMS:
        raise typer.BadParameter(
            f"--group: a backfill reads one stream ({', '.join(STREAMS)}); start a command for each"
        )
    stream, settings = require_stream(streams[0]), _settings(given)
    refuse_unknown_variables()
    address = require_bootstrap(settings)
    try:
        wanted = wanted_of(given.first, given.until, given.index_only, SystemClock().now())
    except Fatal as error:
        raise typer.BadParameter(str(error)) from error
    configure(settings.operation.log_level, settings.operation.log_format == "json")
    asked = Asked(stream, load_stream_settings(stream), given.group, wanted, given.rate)
    _print(asked, wanted, backfill(asked, settings, address), given.json)


def _settings(given: BackfillOptions) -> Settings:
    """Return the settings; the port of the probes is a free one unless it was chosen: workers run on the same machine."""
    settings = load_settings(given.bootstrap)
    operation, port = settings.operation, given.port
    if port is None and "port" not in operation.model_fields_set:
        port = 0
    if port is None:
        return settings
    return settings.model_copy(update={"operation": operation.model_copy(update={"port": port})})


def _print(asked: Asked, wanted: Wanted, found: Summary, as_json: bool) -> None:
    settled = sum(found.outcomes.values())
    if as_json:
        reported = {
            "stream": asked.stream.name,
            "group": asked.group,
            "index_only": wanted.index_only,
            "finished": True,
            "offsets": found.total,
            "settled_here": settled,
            "outcomes": found.outcomes,
            "seconds": round(found.seconds, 3),
        }
        sys.stdout.write(json.dumps(reported) + "\n")
        return
    outcomes = (
        ", ".join(f"{name} {count}" for name, count in sorted(found.outcomes.items())) or "nothing was left to do"
    )
    typer.echo(f"backfill {asked.group} of {asked.stream.name} has finished: {found.total} offsets within its bounds")
    typer.echo(f"settled by this process in {found.seconds:.0f} s: {settled} ({outcomes})")
