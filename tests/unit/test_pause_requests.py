"""Who may pause a worker, and the command that does. A green run does not prove that a firewall protects the port."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millrace.cli import app
from shared.clock import SystemClock
from shared.errors import Fatal, Unavailable
from shared.metrics.registry import Registry
from shared.operation.control import NotAWorker, WorkerControl
from shared.operation.lifecycle import Lifecycle
from shared.operation.probes import ProbeServer
from shared.settings import OperationSettings
from tests.support.command import millrace
from tests.support.fakes import ManualClock
from tests.support.ports import free_ports

HERE = "127.0.0.1"


# --- who may request it ---


class Port:
    """A probe server whose worker does not run; the requests show in the lifecycle."""

    def __init__(self, host: str = HERE) -> None:
        self.lifecycle = Lifecycle(ManualClock(), stuck_after_s=10)
        self.server = ProbeServer(host, 0, {"tickets": self.lifecycle}, Registry())

    def ask(self, method: str, path: str, source: str = HERE, **headers: str) -> int:
        """Send a request and return the status."""
        connection = HTTPConnection(source, self.server.port, timeout=10, source_address=(source, 0))
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture(scope="module")
def open_port() -> Iterator[Port]:
    """Yield a server that is bound to every address, as in a container."""
    made = Port("0.0.0.0")  # noqa: S104  (what a container binds)
    yield made
    made.server.close()


@pytest.fixture
def port(open_port: Port) -> Iterator[Port]:
    """Yield the server, and reset its lifecycle afterwards."""
    open_port.lifecycle.set_not_ready("worker", "starting")
    yield open_port
    open_port.lifecycle.resume()
    for part in open_port.lifecycle.not_ready():
        open_port.lifecycle.set_ready(part)


def test_this_machine_may_pause_and_resume(port: Port) -> None:
    assert port.ask("POST", "/pause") == 200
    assert port.lifecycle.pause_wanted
    assert port.ask("POST", "/resume", Host=f"localhost:{port.server.port}") == 200
    assert not port.lifecycle.pause_wanted


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:9400"},
        {"Origin": "null"},
        {"X_Forwarded_For": "10.0.0.9"},
        {"Forwarded": "for=10.0.0.9"},
        {"Via": "1.1 proxy"},
        {"Host": "worker.example:9400"},
        {"Host": "rebound.example"},
    ],
    ids=str,
)
def test_a_web_page_or_a_proxy_may_not_pause_or_resume(port: Port, headers: dict[str, str]) -> None:
    assert port.ask("POST", "/pause", **headers) == 403
    assert not port.lifecycle.pause_wanted
    port.lifecycle.pause()
    assert port.ask("POST", "/resume", **headers) == 403
    assert port.lifecycle.pause_wanted


def test_another_address_may_not_pause_and_still_gets_the_probes(port: Port) -> None:
    other = "127.0.0.2"
    assert port.ask("POST", "/pause", other, Host=f"{HERE}:{port.server.port}") == 403
    assert port.ask("POST", "/pause", other) == 403
    assert not port.lifecycle.pause_wanted
    assert port.ask("GET", "/healthz", other) == 200


def test_requests_with_another_method_or_path_change_nothing(port: Port) -> None:
    for method, path, status in [("GET", "/pause", 200), ("GET", "/resume", 200), ("POST", "/healthz", 404)]:
        assert port.ask(method, path) == status
    assert not port.lifecycle.pause_wanted
    port.lifecycle.pause()
    assert port.ask("GET", "/resume") == 200
    assert port.lifecycle.pause_wanted


# --- the side of the command ---


def control(port: Port) -> WorkerControl:
    return WorkerControl.of(OperationSettings(host="0.0.0.0"), port.server.port)  # noqa: S104  (what a container binds)


class Worker(ManualClock):
    """Does during a wait what the worker's loop would do in that time."""

    def __init__(self, do: Callable[[], None]) -> None:
        super().__init__()
        self.do = do

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if len(self.waits) == 3:
            self.do()
        return super().wait(event, timeout_s)


def test_the_command_waits_until_the_worker_has_paused_or_resumed(port: Port) -> None:
    clock = Worker(lambda: port.lifecycle.set_not_ready("operator", "paused by hand since noon"))
    assert control(port).pause(clock, 30) == "paused by hand since noon"
    assert len(clock.waits) == 4
    assert control(port).faults()["operator"] == "paused by hand since noon"
    assert control(port).pause(clock, 30) == "paused by hand since noon", "it is paused already: nothing to wait for"
    assert len(clock.waits) == 4
    control(port).resume(Worker(lambda: port.lifecycle.set_ready("operator")), 30)
    assert not port.lifecycle.pause_wanted


def test_a_worker_that_cannot_finish_its_batch_is_reported_with_its_reason(port: Port) -> None:
    port.lifecycle.set_ready("worker")
    port.lifecycle.set_not_ready("store", "store is unavailable: away")
    with pytest.raises(
        Unavailable, match=r"after 5 s the worker still works on a batch and is not ready \(store: store is un"
    ):
        control(port).pause(ManualClock(), 5)
    assert port.lifecycle.pause_wanted, "it pauses as soon as it can"


def test_a_pause_that_somebody_else_ends_is_not_waited_for(port: Port) -> None:
    with pytest.raises(Unavailable, match="someone else"):
        control(port).pause(Worker(port.lifecycle.resume), 30)


def test_a_worker_that_is_still_paused_is_reported(port: Port) -> None:
    port.lifecycle.set_not_ready("operator", "paused by hand since noon")
    with pytest.raises(Unavailable, match="has not resumed yet, or was paused again: paused by hand since noon"):
        control(port).resume(ManualClock(), 5)


def test_a_port_where_nothing_listens_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="nothing answers at 127"):
        WorkerControl(HERE, free_ports(1)[0]).pause(SystemClock(), 30)


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_the_command_exits_with_3_when_nothing_answers(command: str, tmp_path: Path) -> None:
    ended = millrace(command, "--port", str(free_ports(1)[0]), folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "nothing answers at 127.0.0.1:" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_the_worker_chose_itself_must_be_named() -> None:
    with pytest.raises(Fatal, match="--port"):
        WorkerControl.of(OperationSettings(port=0))
    assert WorkerControl.of(OperationSettings(port=0), 9500) == WorkerControl(HERE, 9500)
    assert WorkerControl.of(OperationSettings(host="10.0.0.5")) == WorkerControl("10.0.0.5", 9400)


def test_a_refusal_states_where_to_run_the_command() -> None:
    port = Port("127.0.0.2")
    port.server._server.server_address = ("elsewhere", 0)
    try:
        with pytest.raises(Fatal, match="on the worker's machine, inside its container"):
            WorkerControl("127.0.0.2", port.server.port).pause(ManualClock(), 5)
    finally:
        port.server.close()


@contextmanager
def other_program(status: int, body: bytes) -> Iterator[WorkerControl]:
    """Yield a port at which another program gives the same answer to every request."""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class's)
            pass

    server = HTTPServer((HERE, 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield WorkerControl(HERE, server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"[1]", json.dumps({"ok": True}).encode()])
def test_another_program_at_the_port_is_not_mistaken_for_a_worker(body: bytes) -> None:
    with other_program(200, body) as other, pytest.raises(NotAWorker, match="is not a Millrace worker"):
        other.faults()


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("body", [b'{"detail": "Not Found"}', b'{"paused": null}'])
def test_another_program_is_neither_paused_nor_resumed(status: int, body: bytes) -> None:
    with other_program(status, body) as other:
        for ask in (other.pause, other.resume):
            with pytest.raises(NotAWorker, match="is not a Millrace worker"):
                ask(ManualClock(), 5)


def test_the_body_of_an_answer_counts_only_with_the_right_status() -> None:
    with other_program(404, b'{"wanted": false, "paused": null}') as other, pytest.raises(NotAWorker):
        other.resume(ManualClock(), 5)


def test_after_resume_the_other_reasons_for_not_being_ready_are_shown(port: Port) -> None:
    port.lifecycle.pause()
    port.lifecycle.set_ready("worker")
    port.lifecycle.set_not_ready("store", "store is unavailable: away")
    outage = CliRunner().invoke(app, ["resume", "--port", str(port.server.port)])
    where = f"{HERE}:{port.server.port}"
    assert outage.stdout == f"{where} has resumed, but is not ready: store: store is unavailable: away\n"
    port.lifecycle.set_ready("store")
    assert CliRunner().invoke(app, ["resume", "--port", str(port.server.port)]).stdout == f"{where} is working\n"
