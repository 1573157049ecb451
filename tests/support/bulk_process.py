"""`millrace embed` as a process of its own with the stand-in model, which can kill itself: `python -m ... N ARGUMENTS`.

Before the durable step of that number (0: never), counted over the whole process, it truncates what it was writing and
kills itself, as a machine without power would leave it.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from millrace import cli
from tests.support.bulk import stand_in


def _counted(step: Callable[..., Any], count: Callable[[], bool]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        if count():
            if step.__name__ == "fsync":
                _tear(arguments[0])
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)

    return run


def _tear(descriptor: int) -> None:
    try:
        os.truncate(descriptor, os.fstat(descriptor).st_size // 2)
    except OSError:  # the descriptor of a folder
        return


def main() -> None:
    """Run the command."""
    last = int(sys.argv[1])
    steps = iter(range(1, sys.maxsize))
    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (shutil, "rmtree")):
        setattr(owner, name, _counted(getattr(owner, name), lambda: next(steps) == last))
    stand_in(setattr)
    sys.argv = ["millrace", "embed", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
