"""`millrace embed`, killed by SIGKILL: the same command goes on, and the outputs have the same bytes as without it.

A green run does not prove that a disk keeps what it has confirmed, nor that another machine computes the same bits.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tests.support.bulk import contents, write_pictures
from tests.support.sources import ROOT
from tests.support.waiting import wait_until

TIMEOUT_S = 120.0
PICTURES, SHARD = 11, 3
STEPS = (1, 4, 6, 9, 8, 7, 7, 12)
"""The durable steps before which successive runs kill themselves, counted in each process."""

REAL_PICTURES, REAL_SHARD, KILLS, LATEST_S = 24, 4, 3, 0.4


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    return clean | {"PYTHONPATH": str(ROOT)}


def begin(folder: Path, module: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start a module as a process in a folder; what it says of errors is in a file there."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with (folder / "errors.txt").open("wb") as errors:
        return subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=errors)


def run(folder: Path, module: str, *arguments: str | Path) -> int:
    """Run a module to its end, and return how it ended: well, or killed."""
    ended = begin(folder, module, *arguments).wait(TIMEOUT_S)
    assert ended in (0, -signal.SIGKILL), (folder / "errors.txt").read_text()
    return ended


def run_for_a_while(folder: Path, out: Path, more_s: float, *arguments: str | Path) -> int:
    """Kill a run some time after it has written a file, and return how it ended."""
    before = files_in(out)
    begun = begin(folder, "millrace", *arguments)
    wait_until(lambda: bool(files_in(out) - before) or begun.poll() is not None, TIMEOUT_S, "it has written something")
    Event().wait(more_s)
    begun.kill()
    return begun.wait(TIMEOUT_S)


def files_in(folder: Path) -> set[tuple[str, int]]:
    """Return the names and times of the files below a folder, except those that are being written."""
    found = set()
    for path in folder.rglob("*"):
        try:
            found.add((path.name, 0 if path.is_dir() else path.stat().st_mtime_ns))
        except FileNotFoundError:
            continue
    return {each for each in found if not each[0].endswith(".part")}


@pytest.mark.timeout(400)
def test_a_process_that_dies_between_writing_and_naming_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", PICTURES)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    module, *arguments = "tests.support.bulk_process", str(pictures), "--shard", str(SHARD)
    assert run(tmp_path, module, "0", *arguments, "--out", "whole") == 0
    expected = contents(tmp_path / "whole")
    ended = [run(tmp_path, module, str(last), *arguments, "--out", "killed") for last in STEPS]
    assert ended.count(-signal.SIGKILL) >= 6, "too few runs were killed to show anything"
    assert run(tmp_path, module, "0", *arguments, "--out", "killed") == 0
    assert contents(tmp_path / "killed") == expected
    assert expected["rejects.csv"].count(b"broken.jpg") == 1


@pytest.mark.timeout(600)
def test_a_run_of_the_real_model_that_is_killed_at_random_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "in", REAL_PICTURES)
    arguments = ("embed", pictures, "--shard", str(REAL_SHARD), "--device", "cpu")
    assert run(tmp_path, "millrace", *arguments, "--out", "whole") == 0
    moments = np.random.default_rng(18).uniform(0, LATEST_S, KILLS)
    out = tmp_path / "killed"
    ended = [run_for_a_while(tmp_path, out, more_s, *arguments, "--out", out) for more_s in moments]
    assert ended.count(-signal.SIGKILL) >= 2, "too few runs were killed to show anything"
    assert run(tmp_path, "millrace", *arguments, "--out", out) == 0
    assert contents(out) == contents(tmp_path / "whole")
