"""Progress bars on standard error, where somebody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs, and nothing where no terminal is; yield what moves it on by some steps.

    Without a total it only shows that something goes on.
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_interactive) as shown:
        task = shown.add_task(title, total=total)
        yield lambda steps: shown.advance(task, steps)
