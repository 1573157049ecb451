"""Progress bars on standard error, shown only in a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while the block runs, if standard error is a terminal; yield a function that advances it.

    Without a total the bar shows only that work is going on.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as shown:
        task = shown.add_task(title, total=total)
        yield lambda steps: shown.advance(task, steps)
