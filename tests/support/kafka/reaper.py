"""A small process of its own that ends brokers whose test run has died without saying so. Standard library only.

It reads lines from a pipe held by the test run: `+PID` for a broker started, `-PID` for one that is gone. When the pipe
closes, for whatever reason, what is left is killed and the cluster's folder removed.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable


def watch(lines: Iterable[str], folder: str) -> None:
    """Follow the lines to their end, then kill every process still noted and remove the folder."""
    alive: set[int] = set()
    for line in lines:
        (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch(sys.stdin, sys.argv[1])
