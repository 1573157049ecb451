"""The memory of this process and of its children."""

import os
from collections.abc import Iterator
from pathlib import Path


def own_mib(field: str) -> float:
    """Return a figure of /proc/self/status in MiB: `VmRSS` is the memory in use, `VmHWM` its peak.

    `RssAnon` is the memory in use without pages of files. `ru_maxrss` would include the peak of the process that started
    this one.
    """
    return float(_field(Path("/proc/self/status"), field).split()[0]) / 1024


def children_mib(field: str) -> float:
    """Return a figure of the status of this process's children in MiB, added up."""
    return sum(float(_field(status, field).split()[0]) for status in _children()) / 1024


def _children() -> Iterator[Path]:
    """Yield the status of each child."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            is_child = int(_field(status, "PPid")) == os.getpid()
        except OSError:  # it has ended
            continue
        if is_child:
            yield status


def _field(status: Path, field: str) -> str:
    """Return a field of a status."""
    lines = status.read_text(encoding="ascii").splitlines()
    return next(line.split(maxsplit=1)[1] for line in lines if line.startswith(f"{field}:"))
