"""`millrace run`."""

from collections.abc import Sequence
from typing import Annotated

import typer

from millrace.backfilling import NOW
from millrace.cli.backfill import (
    RATE,
    BackfillOptions,
    From,
    Group,
    IndexOnly,
    Rate,
    Until,
    backfill_command,
)
from millrace.cli.options import (
    Bootstrap,
    Json,
    load_settings,
    load_stream_settings,
    refuse_unknown_variables,
    require_bootstrap,
    require_stream,
)
from millrace.lag_measuring import measured
from millrace.serve import Wanted, serve
from millrace.streams import STREAMS
from shared.logs import configure
from workers.services.drift_watch import SERVICE as DRIFT
from workers.services.lag import SERVICE as LAG
from workers.services.redrive import SERVICE as REDRIVE


def run(
    streams: Annotated[
        list[str],
        typer.Argument(
            help=f"One or more streams to run side by side in this process: {', '.join(STREAMS)}; and `redrive`, which "
            "sends the records of all retry lanes back when they are due; and `lag`, which exports the "
            "lag of consumer groups; and `drift`, which watches all streams for drift and spikes."
        ),
    ],
    bootstrap: Bootstrap = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port of /metrics, /healthz and /readyz: a different one for each process on a machine; 0 selects a free "
            "port. Default: MILLRACE_OPERATION__PORT; for a backfill a free port, unless this is set.",
        ),
    ] = None,
    group: Group = None,
    first: From = None,
    until: Until = NOW,
    index_only: IndexOnly = False,
    rate: Rate = RATE,
    json: Json = False,
) -> None:
    """Run the workers of one or more streams until SIGTERM or Ctrl-C; then they finish and commit the current batch.

    `redrive` can run in a process of its own, several times, or beside workers.
    Streams whose events hold no media need none. `lag` needs a Kafka; in a process
    of its own it still answers when every worker is dead. `drift` needs a Kafka and
    the extra `millrace[drift]`; it can run several times, and shares the streams out.

    If no brokers are configured, an embedded broker runs in this process and its
    address is printed. If no Qdrant server is configured, the store is in
    .millrace/store.

    Settings are read from environment variables: `MILLRACE_<PART>__<FIELD>` or, for
    one stream, `MILLRACE_<STREAM>__<PART>__<FIELD>`; docs/settings.md lists them
    all. The command refuses to start if a variable begins with `MILLRACE_` but is
    not the name of a setting.

    With `--group` and `--from`, the command is a backfill: it processes old records of
    one stream again, beside the workers of live traffic, and ends by itself.
    docs/backfill.md explains it.
    """
    if group is not None or first is not None:
        backfill_command(streams, BackfillOptions(bootstrap, port, group, first, until, index_only, rate, json))
        return
    if index_only or until != NOW or json or rate != RATE:
        raise typer.BadParameter(
            "--until, --index-only, --rate and --json belong to a backfill: give --group and --from too"
        )
    _serve(streams, bootstrap, port)


def _serve(streams: Sequence[str], bootstrap: str | None, port: int | None) -> None:
    """Run workers and services until a signal ends them."""
    wanted = [require_stream(name) for name in dict.fromkeys(streams) if name not in (REDRIVE, LAG, DRIFT)]
    refuse_unknown_variables()
    settings = load_settings(bootstrap)
    if port is not None:
        settings = settings.model_copy(update={"operation": settings.operation.model_copy(update={"port": port})})
    configure(settings.operation.log_level, settings.operation.log_format == "json")
    own = {stream.name: load_stream_settings(stream) for stream in wanted}
    redriven = list(STREAMS.values()) if REDRIVE in streams else ()
    lag = None
    if LAG in streams:
        require_bootstrap(settings)
        groups_of = {stream.name: load_stream_settings(stream) for stream in STREAMS.values()}
        lag = measured(settings.lag, STREAMS, groups_of)
    drift: tuple[str, ...] = ()
    if DRIFT in streams:
        require_bootstrap(settings)
        drift = tuple(STREAMS)
    serve(Wanted(wanted, own, redriven, lag, drift), settings)
