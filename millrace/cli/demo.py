"""`millrace demo`."""

from typing import Annotated

import typer

from millrace.cli.options import quiet


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the worker and the broker running until Ctrl-C.")] = False,
) -> None:
    """Show the whole path on sample tickets: no server, nothing downloaded; a temporary folder holds the store."""
    from millrace.demo.run import run_demo  # it trains a head, and what that needs takes seconds to import

    quiet()
    clean = run_demo(keep)
    raise typer.Exit(0 if clean else 1)
