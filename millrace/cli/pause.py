"""`millrace pause` and `millrace resume`."""

from typing import Annotated

import typer

from millrace.cli.options import load_settings, quiet, require_stream
from shared.clock import SystemClock
from shared.operation.control import WorkerControl

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of the worker's probes; default: MILLRACE_OPERATION__PORT or 9400."),
]
Which = Annotated[
    str | None,
    typer.Option("--stream", help="Only the worker of this stream, if the process runs several; default: all."),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", min=0, metavar="SECONDS", help="How long to wait for the worker; exit code 3 if it takes longer."
    ),
]
WAIT_S = 30.0


def pause(port: Port = None, stream: Which = None, wait_s: Wait = WAIT_S) -> None:
    """Pause the worker on this machine: it commits the current batch, then takes no more records but keeps its partitions.

    While it is paused, it is alive but not ready. A restarted worker does not remember that it was paused.
    """
    quiet()
    worker = _control(port, stream)
    typer.echo(f"{worker.host}:{worker.port} {worker.pause(SystemClock(), wait_s)}")


def resume(port: Port = None, stream: Which = None, wait_s: Wait = WAIT_S) -> None:
    """Resume the paused worker on this machine, and report any other reason why it is not ready."""
    quiet()
    worker = _control(port, stream)
    worker.resume(SystemClock(), wait_s)
    reasons = worker.reasons()
    typer.echo(
        f"{worker.host}:{worker.port} {f'has resumed, but is not ready: {reasons}' if reasons else 'is working'}"
    )


def _control(port: int | None, stream: str | None) -> WorkerControl:
    named = None if stream is None else require_stream(stream).name
    return WorkerControl.of(load_settings().operation, port, named)
