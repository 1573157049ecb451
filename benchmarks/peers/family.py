"""CPU time and memory of a process with all its descendants, from /proc."""

import os
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PARENT, USER, CHILDREN_SYSTEM = 1, 11, 14
"""Places in /proc/PID/stat, counted after the name of the program."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have used, user and system together."""
    return sum(sum(map(int, _stat(each)[USER : CHILDREN_SYSTEM + 1])) for each in _family(pid)) / TICKS_PER_S


def peak_mib(pid: int) -> float:
    """Return the peaks of memory of a process and its descendants, added up."""
    return sum(_peak_kib(each) for each in _family(pid)) / 1024


def _family(pid: int) -> set[int]:
    """Return the process and its descendants that run now."""
    parents = {}
    for each in (int(folder.name) for folder in PROC.glob("[0-9]*")):
        try:
            parents[each] = int(_stat(each)[PARENT])
        except OSError:  # it has ended
            continue
    found = {pid}
    while more := {each for each, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the program's name, which may contain spaces."""
    return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _peak_kib(pid: int) -> int:
    lines = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
