"""`python -m benchmarks.start`: how long a worker of tickets takes from the start of its process until it joins its group.

Each start is a process of its own, the variants in turn, with the files of the models in the page cache. Memory is what
the process holds then, by `smaps_rollup`: the peak of `status` counts late on some kernels.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from shared.clock import SystemClock

STARTS = 5
READY = "running"
"""The event in the log after which nothing is left but to join the group."""

MODEL, BACKEND = "MILLRACE_TICKETS__EMBEDDING__MODEL", "MILLRACE_TICKETS__EMBEDDING__BACKEND"
VARIANTS: Mapping[str, Mapping[str, str]] = {
    "minilm-l6-v2, OpenVINO": {BACKEND: "openvino"},
    "minilm-l6-v2, torch": {BACKEND: "torch"},
    "use-multilingual-v3": {MODEL: "use-multilingual-v3"},
}
CLOCK = SystemClock()


def start(variant: Mapping[str, str]) -> tuple[float, float]:
    """Return the seconds until a worker joins its group, and the MiB that it holds then."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MILLRACE_STORE__PATH": f"{folder}/store", "MILLRACE_OPERATION__PORT": "0"}
        environment |= {"MILLRACE_OPERATION__STATE_DIR": folder, "MILLRACE_OPERATION__LOG_FORMAT": "json", **variant}
        began_s = CLOCK.monotonic_s()
        process = subprocess.Popen(
            [sys.executable, "-m", "millrace", "run", "tickets"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert process.stderr is not None
        seen = list[str]()
        for line in process.stderr:
            seen.append(line)
            if line.startswith("{") and json.loads(line).get("event") == READY:
                break
        else:
            raise RuntimeError("".join(seen[-5:]))
        taken_s = CLOCK.monotonic_s() - began_s
        held_mib = _held_mib(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        return taken_s, held_mib


def _held_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def report(starts: int = STARTS) -> None:
    """Measure and print."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    for _ in range(starts):
        for name, variant in VARIANTS.items():
            found[name].append(start(variant))
    print(f"\nA worker of tickets until it joins its group, {starts} starts in turn: median (min-max)")
    for name, measured in found.items():
        seconds = [each[0] for each in measured]
        held = median(each[1] for each in measured)
        print(f"  {name:<28} {median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f}) s, {held:.0f} MiB")


if __name__ == "__main__":
    report()
