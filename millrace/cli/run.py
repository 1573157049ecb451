"""`millrace run`."""

from typing import Annotated

import typer

from millrace.cli.options import Bootstrap, load_settings, load_stream_settings, refuse_unread, require_stream
from millrace.serve import serve
from millrace.streams import STREAMS
from shared.logs import configure


def run(
    streams: Annotated[
        list[str], typer.Argument(help=f"Which streams to work on, side by side: {', '.join(STREAMS)}.")
    ],
    bootstrap: Bootstrap = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /metrics, /healthz, /readyz; 0 picks a free one.")
    ] = None,
) -> None:
    """Run the workers of one or more streams until SIGTERM or Ctrl-C; they commit the batch in hand before they leave.

    Without brokers it holds an embedded broker, whose address it prints, and a store in .millrace/store. Settings are read
    from MILLRACE_<PART>__<FIELD>, those of a stream from MILLRACE_<STREAM>__<PART>__<FIELD>; docs/settings.md lists them
    all, and a variable that nobody reads is refused.
    """
    wanted = [require_stream(name) for name in dict.fromkeys(streams)]
    refuse_unread()
    settings = load_settings(bootstrap)
    if port is not None:
        settings = settings.model_copy(update={"operation": settings.operation.model_copy(update={"port": port})})
    configure(settings.operation.log_level, settings.operation.log_format == "json")
    serve(wanted, settings, {stream.name: load_stream_settings(stream) for stream in wanted})
