"""`monitoring/run.sh`, with Debian's Prometheus, beside a small process that serves /metrics in place of the demo.

A green run does not show the demo itself beside it (`make monitoring` does), nor that pages of Prometheus are drawn.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.monitoring import FOLDER, alerts, need, recorded
from tests.support.ports import free_ports
from tests.support.waiting import wait_until

TIMEOUT_S = 60.0
SERVED = """
import sys, threading
from shared.clock import SystemClock
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
registry = Registry()
Metrics("tickets", registry)
ProbeServer("127.0.0.1", int(sys.argv[1]), {"tickets": Lifecycle(SystemClock(), 120)}, registry)
try:
    threading.Event().wait()
except KeyboardInterrupt:
    print("stopped by Ctrl-C")
"""


@contextmanager
def beside() -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """Run Prometheus beside the process; yield the script, and the ports of Prometheus and of the process."""
    need("prometheus")
    port, metrics_port = free_ports(2)
    command = [str(FOLDER / "run.sh"), str(metrics_port), sys.executable, "-c", SERVED, str(metrics_port)]
    environment = os.environ | {"PROMETHEUS_PORT": str(port)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield running, port, metrics_port
    finally:
        if running.poll() is None:
            running.terminate()
            running.communicate(timeout=TIMEOUT_S)


def check_ended(written: str, port: int, metrics_port: int) -> None:
    """Check that the process was ended as by Ctrl-C, and that neither port is held any longer."""
    assert f"http://127.0.0.1:{port}" in written
    assert "stopped by Ctrl-C" in written
    for each in (port, metrics_port):
        with pytest.raises(OSError, match="refused"):
            answer(each, "targets")


@pytest.fixture
def port() -> Iterator[int]:
    """Run Prometheus beside the process, and yield its port; at the end, press Ctrl-C."""
    with beside() as (running, port, metrics_port):
        yield port
        os.killpg(running.pid, signal.SIGINT)
        written, _ = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 0
        check_ended(written, port, metrics_port)


def answer(port: int, path: str) -> Any:
    """Return what the API of Prometheus answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as response:
        return json.load(response)["data"]


def test_prometheus_reads_the_metrics_and_the_rules(port: int) -> None:
    def found(query: str) -> Any:
        return answer(port, f"query?query={quote(query)}")["result"]

    def has_series() -> bool:
        try:
            return bool(found('millrace_ready{stream="tickets"}'))
        except OSError:
            return False

    wait_until(has_series, TIMEOUT_S, "the series of the process are in Prometheus")
    [target] = answer(port, "targets")["activeTargets"]
    assert (target["health"], target["labels"]["job"]) == ("up", "millrace")
    rules = [rule for group in answer(port, "rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == alerts().keys() | recorded().keys()
    assert found('sum(millrace_records_total{stream="tickets"})')[0]["value"][1] == "0"


def test_a_script_that_is_terminated_ends_the_process_and_prometheus() -> None:
    """Only the script gets the signal, as from a supervisor."""
    with beside() as (running, port, metrics_port):

        def both_answer() -> bool:
            try:
                for each in (port, metrics_port):
                    socket.create_connection(("127.0.0.1", each)).close()
            except OSError:
                return False
            return True

        wait_until(both_answer, TIMEOUT_S, "both answer")
        running.terminate()
        written, _ = running.communicate(timeout=TIMEOUT_S)
        assert running.returncode == 143
        check_ended(written, port, metrics_port)


def test_a_missing_prometheus_is_named_with_its_package(tmp_path: Path) -> None:
    for program in ("bash", "dirname"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    command = ["bash", str(FOLDER / "run.sh"), "9400", "true"]
    ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "install Debian's package prometheus" in ended.stderr


def test_a_port_in_use_is_named_with_the_setting_that_changes_it() -> None:
    need("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = os.environ | {"PROMETHEUS_PORT": str(taken.getsockname()[1])}
        command = [str(FOLDER / "run.sh"), "9400", "true"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "choose another one with PROMETHEUS_PORT" in ended.stderr
