"""`millrace pause` and `millrace resume`."""

from typing import Annotated

import typer

from millrace.cli.options import load_settings, quiet, require_stream
from shared.clock import SystemClock
from shared.operation.control import WorkerControl

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of the worker's probes; default MILLRACE_OPERATION__PORT, 9400."),
]
Which = Annotated[
    str | None,
    typer.Option("--stream", help="Of a process that runs several, only the worker of this stream; default: all."),
]
Wait = Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait until it is so.")]
WAIT_S = 30.0


def pause(port: Port = None, stream: Which = None, wait_s: Wait = WAIT_S) -> None:
    """Pause the worker on this machine: it commits the batch in hand, then takes nothing more and keeps its partitions.

    It is not ready then, and alive. A restarted worker does not remember that it was paused.
    """
    quiet()
    worker = _control(port, stream)
    typer.echo(f"{worker.host}:{worker.port} {worker.pause(SystemClock(), wait_s)}")


def resume(port: Port = None, stream: Which = None, wait_s: Wait = WAIT_S) -> None:
    """Let the worker on this machine go on where it paused; what else keeps it from being ready is told."""
    quiet()
    worker = _control(port, stream)
    worker.resume(SystemClock(), wait_s)
    reasons = worker.reasons()
    typer.echo(f"{worker.host}:{worker.port} {f'goes on, but is not ready: {reasons}' if reasons else 'is working'}")


def _control(port: int | None, stream: str | None) -> WorkerControl:
    named = None if stream is None else require_stream(stream).name
    return WorkerControl.of(load_settings().operation, port, named)
