"""A small separate process that ends the brokers of a test run that died without cleaning up. Standard library only.

It reads lines from a pipe held by the test run: `+PID` for a broker that started, `-PID` for one that ended. When the
pipe closes, for whatever reason, it kills the remaining brokers and removes the cluster's folder.
"""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterable


def watch(lines: Iterable[str], folder: str) -> None:
    """Read the lines to their end, then kill every process still registered and remove the folder."""
    alive: set[int] = set()
    for line in lines:
        (alive.add if line[0] == "+" else alive.discard)(int(line[1:]))
    for pid in alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    watch(sys.stdin, sys.argv[1])
