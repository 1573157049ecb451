"""`millrace pause` and `millrace resume`."""

from typing import Annotated

import typer

from millrace.cli.options import load_settings, quiet
from shared.clock import SystemClock
from shared.operation.control import WorkerControl

Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Port of the worker's probes; default MILLRACE_OPERATION__PORT, 9400."),
]
Wait = Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait until it is so.")]
WAIT_S = 30.0


def pause(port: Port = None, wait_s: Wait = WAIT_S) -> None:
    """Pause the worker on this machine: it commits the batch in hand, then takes nothing more and keeps its partitions.

    It is not ready then, and alive. A restarted worker does not remember that it was paused.
    """
    quiet()
    worker = WorkerControl.of(load_settings().operation, port)
    typer.echo(f"{worker.host}:{worker.port} {worker.pause(SystemClock(), wait_s)}")


def resume(port: Port = None, wait_s: Wait = WAIT_S) -> None:
    """Let the worker on this machine go on where it paused; what else keeps it from being ready is told."""
    quiet()
    worker = WorkerControl.of(load_settings().operation, port)
    worker.resume(SystemClock(), wait_s)
    reasons = worker.reasons()
    typer.echo(f"{worker.host}:{worker.port} {f'goes on, but is not ready: {reasons}' if reasons else 'is working'}")
