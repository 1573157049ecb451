"""The command line of Redis in `k8s/base/redis`, run by a shell with the Redis of this machine.

A green run does not prove that the image of the manifest has the same shell, nor that it runs as its user.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import redis
import yaml

from tests.support.manifests import K8S
from tests.support.ports import free_ports
from tests.support.redis.server import why_unavailable
from tests.support.services import missing
from tests.support.waiting import wait_until

PASSWORD = "a password with spaces, 'one quote and a $dollar"  # noqa: S105  (of a server that this module starts)
TIMEOUT_S = 20.0


@pytest.fixture
def port() -> int:
    """Return a free port."""
    [free] = free_ports(1)
    return free


@pytest.fixture
def started(port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process that the container would have as its first."""
    if reason := why_unavailable():
        missing(reason)
    documents = yaml.safe_load_all((K8S / "base" / "redis" / "redis.yaml").read_text(encoding="utf-8"))
    [container] = next(documents)["spec"]["template"]["spec"]["containers"]
    [script] = container["args"]
    assert script.count("redis-server - ") == 1
    words = [*container["command"], script.replace("redis-server - ", f"redis-server - --port {port} ")]
    environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": PASSWORD}
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    ) as it:
        try:
            yield it
        finally:
            with suppress(ProcessLookupError):
                os.killpg(it.pid, signal.SIGKILL)


def answers(port: int, password: str | None) -> bool:
    with closing(redis.Redis(port=port, password=password)) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False
        except redis.ConnectionError:
            return False


@pytest.mark.usefixtures("started")
def test_only_who_knows_the_password_gets_in(port: int) -> None:
    wait_until(lambda: answers(port, PASSWORD), TIMEOUT_S, "Redis answers")
    assert not answers(port, None)
    assert not answers(port, "another")


def test_the_first_process_is_redis_and_ends_at_once_when_the_pod_does(
    started: subprocess.Popen[bytes], port: int
) -> None:
    """A shell as the first process ignores SIGTERM, so the pod would last until its grace period has passed."""
    wait_until(lambda: answers(port, PASSWORD), TIMEOUT_S, "Redis answers")
    assert Path(f"/proc/{started.pid}/comm").read_text(encoding="utf-8").strip() == "redis-server"
    started.terminate()
    assert started.wait(TIMEOUT_S) == 0
    assert not answers(port, PASSWORD)
