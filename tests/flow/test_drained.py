"""The end of a real worker process whose collector of spans never answers, on the embedded broker.

Green does not show a worker that hangs before its batch is committed, nor one on a real Kafka.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import Producer

from tests.support.otlp import otlp_receiver
from tests.support.sources import ROOT
from tests.support.tickets import event, record
from tests.support.traces import SAMPLED
from tests.support.waiting import wait_until

TIMEOUT_S = 90.0
DRAIN_S = 10.0
WORKER = """
from shared.tracing import sending
sending.CLOSE_S = 60.0
from millrace.cli import main
main()
"""
"""A worker that waits for its collector longer than its drain may take, however slow the machine is."""

BOOTSTRAP = re.compile(r"--bootstrap (\S+)")


def test_a_worker_that_has_drained_exits_with_0_at_its_deadline_although_the_collector_hangs(tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    with otlp_receiver(hangs=True) as receiver:
        environment = {
            "MILLRACE_TRACING__ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            "MILLRACE_OPERATION__DRAIN_TIMEOUT_S": str(DRAIN_S),
            "MILLRACE_OPERATION__STATE_DIR": str(tmp_path),
            "MILLRACE_STORE__PATH": str(tmp_path / "store"),
        }
        command = [sys.executable, "-c", WORKER, "run", "tickets", "--port", "0"]
        with printed.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file)
        try:
            wait_until(lambda: "probes_port" in printed.read_text(), TIMEOUT_S, "running")
            [bootstrap] = BOOTSTRAP.findall(printed.read_text())
            made = record(event())
            producer = Producer({"bootstrap.servers": bootstrap})
            producer.produce("tickets", made.value, made.key, headers=list(SAMPLED))
            assert producer.flush(TIMEOUT_S) == 0
            del producer
            wait_until(lambda: bool(receiver.requests), TIMEOUT_S, "the request that hangs")
            process.send_signal(signal.SIGTERM)
            began_s = time.monotonic()
            assert process.wait(TIMEOUT_S) == 0
            assert time.monotonic() - began_s < DRAIN_S + 10
        finally:
            process.kill()
            process.wait()
    shown = printed.read_text()
    assert "the work had ended" in shown
    assert "uncommitted" not in shown
