"""The HTTP port, over loopback: the answer of each probe.

A green run does not prove how a cluster interprets the answers.
"""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from socket import create_connection

import pytest

from shared.errors import Fatal, Unavailable
from shared.metrics.observer import Metrics
from shared.metrics.registry import Registry
from shared.operation.control import WorkerControl
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from tests.support.fakes import ManualClock

HOST = "127.0.0.1"


class Served:
    """A probe server, and the lifecycle that it reports."""

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
    """Yield a server for one test."""
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


def test_a_note_is_shown_while_it_is_set_and_changes_no_state(served: Served) -> None:
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


def test_a_query_after_the_path_is_ignored(served: Served) -> None:
    assert served.get("/healthz?verbose=1")[0] == 200


def test_a_port_in_use_is_fatal_and_the_error_states_what_to_do(served: Served) -> None:
    with pytest.raises(Fatal, match="MILLRACE_OPERATION__PORT"):
        ProbeServer(HOST, served.server.port, {"tickets": served.lifecycle}, Registry())


def test_a_silent_client_delays_nobody(served: Served) -> None:
    with create_connection(("127.0.0.1", served.server.port)):
        assert served.get("/healthz")[0] == 200
        served.server.close()


# --- several streams in one process ---


@pytest.fixture
def both() -> Iterator[tuple[ProbeServer, dict[str, Lifecycle]]]:
    """Yield a server for two workers that are ready."""
    workers = {stream: Lifecycle(ManualClock(), stuck_after_s=10) for stream in ("tickets", "calls")}
    for worker in workers.values():
        worker.set_ready("worker")
    server = ProbeServer(HOST, 0, workers, Registry())
    yield server, workers
    server.close()


def test_with_several_streams_each_part_is_named_with_its_stream(
    both: tuple[ProbeServer, dict[str, Lifecycle]],
) -> None:
    server, workers = both
    assert WorkerControl(HOST, server.port).faults() == {}
    workers["calls"].set_not_ready("store", "away")
    assert WorkerControl(HOST, server.port).faults() == {"calls.store": "away"}
    assert WorkerControl(HOST, server.port, "calls").faults() == {"store": "away"}
    assert WorkerControl(HOST, server.port, "tickets").faults() == {}


def test_one_of_several_streams_is_paused_by_its_own_path_and_all_by_the_common_one(
    both: tuple[ProbeServer, dict[str, Lifecycle]],
) -> None:
    server, workers = both
    with pytest.raises(Unavailable, match="it pauses when that batch is committed"):
        WorkerControl(HOST, server.port, "calls").pause(ManualClock(), 0)
    assert [workers[stream].pause_wanted for stream in ("tickets", "calls")] == [False, True]
    workers["calls"].set_not_ready("operator", "paused by hand since noon")
    assert WorkerControl(HOST, server.port, "calls").pause(ManualClock(), 0) == "paused by hand since noon"
    with pytest.raises(Unavailable, match="it pauses when that batch is committed"):
        WorkerControl(HOST, server.port).pause(ManualClock(), 0)
    assert workers["tickets"].pause_wanted
    workers["tickets"].set_not_ready("operator", "paused by hand since one")
    assert WorkerControl(HOST, server.port).pause(ManualClock(), 0) == "paused by hand since one"


@pytest.mark.parametrize("path", ["/readyz/mails", "/healthz/mails", "/pause/mails", "/metrics/tickets"])
def test_a_stream_that_the_process_does_not_run_is_not_found(
    both: tuple[ProbeServer, dict[str, Lifecycle]], path: str
) -> None:
    connection = HTTPConnection(HOST, both[0].port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_pausing_a_stream_that_the_process_does_not_run_is_an_error_that_states_it(
    both: tuple[ProbeServer, dict[str, Lifecycle]],
) -> None:
    with pytest.raises(Fatal, match="does not run mails"):
        WorkerControl(HOST, both[0].port, "mails").pause(ManualClock(), 0)
