"""The HTTP port, over loopback: what each probe answers.

A green run does not prove how a cluster reads the answers.
"""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from socket import create_connection

import pytest

from shared.errors import Fatal
from shared.metrics import Metrics, Registry
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from tests.fakes import ManualClock

HOST = "127.0.0.1"


class Served:
    """A probe server, and what it tells about."""

    def __init__(self) -> None:
        self.clock, registry = ManualClock(), Registry()
        self.metrics = Metrics("tickets", registry)
        self.lifecycle = Lifecycle(self.clock, stuck_after_s=10)
        self.server = ProbeServer(HOST, 0, {"tickets": self.lifecycle}, registry)

    def get(self, path: str) -> tuple[int, str, str]:
        """Return status, content type and body."""
        connection = HTTPConnection(HOST, self.server.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    """Give a server for one test."""
    made = Served()
    yield made
    made.server.close()


def test_metrics_are_in_prometheus_s_format(served: Served) -> None:
    served.metrics.version_conflict(3)
    status, kind, body = served.get("/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert 'millrace_version_conflicts_total{stream="tickets"} 3.0' in body


def test_a_starting_worker_is_alive_and_not_ready(served: Served) -> None:
    assert served.get("/healthz")[0] == 200
    status, kind, body = served.get("/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {"ok": False, "faults": {"worker": "starting"}}


def test_a_running_worker_is_ready(served: Served) -> None:
    served.lifecycle.set_ready("worker")
    assert served.get("/readyz")[0] == 200
    assert json.loads(served.get("/healthz")[2]) == {"ok": True, "faults": {}}


def test_an_outage_ends_readiness_and_not_life(served: Served) -> None:
    served.lifecycle.set_ready("worker")
    served.lifecycle.set_not_ready("store", "away")
    assert served.get("/healthz")[0] == 200
    assert served.get("/readyz")[0] == 503


def test_a_note_is_shown_while_there_is_one_and_ends_nothing(served: Served) -> None:
    served.lifecycle.set_ready("worker")
    notes = ["60 records wait"]
    served.lifecycle.ask_note("transactions", lambda: notes[0] if notes else None)
    status, _, body = served.get("/readyz")
    assert status == 200
    assert json.loads(body) == {"ok": True, "faults": {}, "notes": {"transactions": "60 records wait"}}
    assert json.loads(served.get("/healthz")[2]) == {"ok": True, "faults": {}}
    notes.clear()
    assert json.loads(served.get("/readyz")[2]) == {"ok": True, "faults": {}}


def test_a_stuck_thread_ends_both(served: Served) -> None:
    served.lifecycle.set_ready("worker")
    served.lifecycle.beat("process")
    served.clock.seconds += 11
    assert served.get("/healthz")[0] == 503
    assert json.loads(served.get("/readyz")[2])["faults"] == {"process": "stuck"}


def test_another_path_is_not_found(served: Served) -> None:
    status, _, body = served.get("/secrets")
    assert status == 404
    assert "/readyz" in body


def test_a_query_behind_the_path_is_left_out(served: Served) -> None:
    assert served.get("/healthz?verbose=1")[0] == 200


def test_a_port_in_use_is_fatal_and_says_what_to_do(served: Served) -> None:
    with pytest.raises(Fatal, match="MILLRACE_OPERATION__PORT"):
        ProbeServer(HOST, served.server.port, {"tickets": served.lifecycle}, Registry())


def test_a_client_that_says_nothing_holds_nobody_up(served: Served) -> None:
    with create_connection(("127.0.0.1", served.server.port)):
        assert served.get("/healthz")[0] == 200
        served.server.close()
