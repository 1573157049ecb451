"""`millrace demo`."""

from pathlib import Path
from typing import Annotated

import typer

from millrace.cli.options import quiet


def demo(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the worker and the broker running until Ctrl-C, to try other commands."),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            metavar="DIR",
            help="Keep the store in this folder, which must not exist yet, to search it afterwards. Default: a temporary "
            "folder.",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65_535,
            help="Port of /metrics and the probes while the demo runs. Default: a free one, which `--keep` shows.",
        ),
    ] = 0,
) -> None:
    """Show the whole path on sample tickets, calls and products, without servers or downloads.

    Exit code 0: the audit at the end is clean; 1: it is not.
    """
    from millrace.demo.run import run_demo  # it trains a head, and the libraries for that take seconds to import

    quiet()
    clean = run_demo(keep, store, port)
    raise typer.Exit(0 if clean else 1)
