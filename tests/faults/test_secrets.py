"""No output of a worker, a command or `doctor` contains a secret, whichever server refuses it, however much is logged.

A green run does not prove anything about a core dump, another user who reads the process's environment, or the data
sent to a server.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from shared.broker.embedded import EmbeddedBroker
from tests.support.certificates import KEY_PASSWORD, Certificates
from tests.support.in_process import produce
from tests.support.kafka.access import millrace, user_environment
from tests.support.kafka.config import PASSWORD
from tests.support.kafka.server import KafkaServer
from tests.support.redis.liar import Liar, quotes
from tests.support.sources import ROOT
from tests.support.tickets import event
from tests.support.waiting import wait_until

WRONG = "Wr0-password-2Fs7Yd"
REDIS_SECRET = "Rd6-redis-3Wn8Vc"  # noqa: S105  (recognisable, so that a leak is found)
STORE_KEY = "Qd8-store-5Gk1Mf"
SECRETS = [PASSWORD, WRONG, KEY_PASSWORD, REDIS_SECRET, STORE_KEY]
NOWHERE = "http://127.0.0.1:1"
TIMEOUT_S = 90.0
PORT = re.compile(r"probes_port\D{1,20}?(\d{4,5})")
AS_JSON = {"MILLRACE_OPERATION__LOG_LEVEL": "debug", "MILLRACE_OPERATION__LOG_FORMAT": "json"}
AS_TEXT = AS_JSON | {"MILLRACE_OPERATION__LOG_FORMAT": "text"}


def assert_no_secret(shown: str) -> None:
    assert shown
    for secret in SECRETS:
        for encoded in (secret, secret.encode().hex()):
            assert encoded not in shown


class Running:
    """A worker process; its output is read from a file."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self._output = output
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_")}
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "millrace", "run", "tickets", "--port", "0"],
                env=clean | environment,
                cwd=ROOT,
                stdout=file,
                stderr=file,
            )

    def printed(self) -> str:
        """Return everything printed so far."""
        return self._output.read_text(encoding="utf-8")

    def served(self) -> str:
        """Return the answers of the probes and the metrics."""
        wait_until(lambda: PORT.search(self.printed()) is not None, TIMEOUT_S, "running")
        found = PORT.search(self.printed())
        assert found is not None
        return "".join(_get(int(found[1]), page) for page in ("/readyz", "/healthz", "/metrics"))


def _get(port: int, page: str) -> str:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", page)
        return connection.getresponse().read().decode()


@pytest.mark.parametrize("form", [["doctor"], ["doctor", "--json"]], ids=["text", "json"])
def test_the_doctor_names_the_refusing_server_and_shows_no_secret(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path, form: list[str]
) -> None:
    with Liar(quotes) as liar:
        environment = user_environment(secure_kafka, certificates, tmp_path) | {
            "MILLRACE_BROKER__PASSWORD": WRONG,
            "MILLRACE_STORE__URL": NOWHERE,
            "MILLRACE_STORE__API_KEY": STORE_KEY,
            "MILLRACE_CACHE__TIMEOUT_S": "10",
            "MILLRACE_CACHE__REDIS_URL": liar.url.replace("redis://", f"redis://someone:{REDIS_SECRET}@"),
        }
        done = millrace(environment, *form)
    assert done.returncode == 1
    assert "MILLRACE_BROKER__PASSWORD" in done.stdout
    assert "the brokers refuse this user" in done.stdout
    assert "Redis fails (refused)" in done.stdout
    assert_no_secret(done.stdout + done.stderr)


@contextmanager
def running(environment: dict[str, str], folder: Path) -> Iterator[Running]:
    """Run a worker, and stop it by SIGTERM if it has not ended by itself."""
    worker = Running(environment, folder / "printed")
    try:
        yield worker
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(TIMEOUT_S)
    finally:
        worker.process.kill()
        worker.process.wait()


@pytest.mark.parametrize(
    "command",
    [
        ["topics", "create"],
        ["ingest", "FILE", "--tenant", "a"],
        ["audit", "--no-points"],
        ["dlq", "list"],
        ["dlq", "replay"],
    ],
)
def test_a_command_with_a_wrong_password_reports_it_in_one_line(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "tickets.jsonl"
    file.write_text('{"ticket_id": "T-1", "subject": "parcel", "body": "where is it?"}\n', encoding="utf-8")
    environment = user_environment(secure_kafka, certificates, tmp_path) | {"MILLRACE_BROKER__PASSWORD": WRONG}
    done = millrace(environment, *(str(file) if word == "FILE" else word for word in command))
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("error: the brokers refuse this user: ")
    assert "MILLRACE_BROKER__PASSWORD" in line
    assert_no_secret(done.stderr)


def test_a_worker_with_a_wrong_password_ends_without_showing_it(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    settings = user_environment(secure_kafka, certificates, tmp_path) | AS_TEXT | {"MILLRACE_BROKER__PASSWORD": WRONG}
    with running(settings, tmp_path) as worker:
        assert worker.process.wait(TIMEOUT_S) == 1
    assert "the brokers refuse this user" in worker.printed()
    assert "Traceback" not in worker.printed()
    assert_no_secret(worker.printed())


def test_a_worker_that_does_not_trust_the_brokers_waits_and_reports_why(
    secure_kafka: KafkaServer, certificates: Certificates, tmp_path: Path
) -> None:
    own = {
        "MILLRACE_BROKER__CA_FILE": str(certificates.stranger),
        "MILLRACE_BROKER__CERT_FILE": str(certificates.client),
        "MILLRACE_BROKER__KEY_FILE": str(certificates.locked_key),
        "MILLRACE_BROKER__KEY_PASSWORD": KEY_PASSWORD,
    }
    settings = user_environment(secure_kafka, certificates, tmp_path) | AS_JSON | own
    with running(settings, tmp_path) as worker:
        wait_until(lambda: "certificate verify failed" in worker.served(), TIMEOUT_S, "not ready, with the reason")
        served = worker.served()
    assert '"ok": false' in served
    assert_no_secret(served)
    assert_no_secret(worker.printed())


def test_the_password_is_not_shown_even_if_redis_quotes_it(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker, Liar(quotes) as liar:
        broker.create(["tickets", "tickets.redo"])
        settings = AS_JSON | {
            "MILLRACE_BROKER__BOOTSTRAP": broker.bootstrap,
            "MILLRACE_STORE__PATH": str(tmp_path / "store"),
            "MILLRACE_CACHE__REDIS_URL": liar.url.replace("redis://", f"redis://someone:{REDIS_SECRET}@"),
            "MILLRACE_CACHE__TIMEOUT_S": "10",
        }
        produce(broker.bootstrap, event())
        with running(settings, tmp_path) as worker:
            wait_until(lambda: 'outcome="routed",stream="tickets"} 1.0' in worker.served(), TIMEOUT_S, "routed")
            served = worker.served()
        assert any(REDIS_SECRET.encode() in request for request in liar.requests)
    assert 'millrace_cache_up{operation="get",stream="tickets"} 0.0' in served
    assert "redis is skipped for a while" in worker.printed()
    assert_no_secret(served)
    assert_no_secret(worker.printed())
