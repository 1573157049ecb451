"""Running `millrace run drift` as a process of its own, and asking its probes and metrics."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError

from tests.support.ports import free_ports
from tests.support.sources import ROOT

TIMEOUT_S = 60.0


def get(port: int, path: str) -> str:
    """Return what a path answers, with any status; empty while there is no answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return error.read().decode()
    except URLError:
        return ""


@contextmanager
def running(environment: dict[str, str], references: Path, log: Path, exit_code: int = 0) -> Iterator[int]:
    """Run the command, yield the port of its probes, and check that it ends within ten seconds."""
    [port] = free_ports(1)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
    settings = environment | {"MILLRACE_DRIFT__REFERENCES": str(references)}
    command = [sys.executable, "-m", "millrace", "run", "drift", "--port", str(port)]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=clean | settings, stderr=stderr)
    try:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == exit_code
    finally:
        process.kill()
        process.wait()


def metric(text: str, name: str, **labels: str) -> float | None:
    """Return the value of a series; None if it is absent."""
    for line in text.splitlines():
        if line.startswith(name) and all(f'{label}="{value}"' in line for label, value in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return None
