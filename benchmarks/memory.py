"""The memory of this process."""

from pathlib import Path


def own_mib(field: str) -> float:
    """Return a figure of /proc/self/status in MiB: `VmRSS` is the memory in use, `VmHWM` its peak.

    `ru_maxrss` would include the peak of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:"))) / 1024
