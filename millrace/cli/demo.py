"""`millrace demo`."""

from typing import Annotated

import typer

from millrace.cli.options import quiet


def demo(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the worker and the broker running until Ctrl-C, to try other commands."),
    ] = False,
) -> None:
    """Show the whole path on sample tickets, without servers or downloads; the store is in a temporary folder.

    Exit code 0: the audit at the end is clean; 1: it is not.
    """
    from millrace.demo.run import run_demo  # it trains a head, and the libraries for that take seconds to import

    quiet()
    clean = run_demo(keep)
    raise typer.Exit(0 if clean else 1)
