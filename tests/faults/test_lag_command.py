"""`millrace lag` and `millrace run lag` on a real Kafka: what they print, their exit codes, and what they export.

Green does not show the colours of a terminal. The numbers themselves: `tests/faults/test_lag_on_kafka.py`.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from millrace.cli import app
from tests.support.kafka.server import KafkaServer
from tests.support.lag_truth import TIMEOUT_S, Truth, now_ms
from tests.support.ports import free_ports
from tests.support.sources import ROOT
from tests.support.waiting import wait_until

HOUR_MS = 3_600_000


class Topic:
    """A topic with ten records of which the last four are an hour old, and a group's name."""

    def __init__(self, truth: Truth) -> None:
        self.truth, self.group = truth, f"group-{uuid4().hex[:8]}"
        self.name = truth.topic(f"lag-{uuid4().hex[:8]}", 2)
        truth.produce(self.name, 6, now_ms() - 2 * HOUR_MS)
        truth.produce(self.name, 4, now_ms() - HOUR_MS)

    def commit(self, offset: int) -> None:
        """Commit an offset."""
        self.truth.commit(self.group, self.name, offset)


@pytest.fixture(scope="module")
def truth(kafka_server: KafkaServer) -> Truth:
    """Return what produces and commits."""
    return Truth(kafka_server.bootstrap)


@pytest.fixture
def topic(truth: Truth) -> Topic:
    """Return a topic that is new."""
    return Topic(truth)


def lag(topic: Topic, *arguments: str, bootstrap: str = "") -> Result:
    """Run the command."""
    words = ["lag", "--bootstrap", bootstrap or topic.truth.bootstrap, "--for", "0.3", *arguments]
    return CliRunner().invoke(app, words)


def test_what_is_caught_up_is_0_and_has_no_colours_and_no_lag(topic: Topic) -> None:
    topic.commit(10)
    done = lag(topic, "--group", topic.group)
    assert done.exit_code == 0, done.output
    header, line = done.stdout.splitlines()
    names = "group topic state members lag age in/s out/s drains in expires in"
    assert " ".join(header.split()) == names
    assert line.split() == [topic.group, topic.name, "caught", "up", "0", "0", "0", "s", "0", "0", "0", "s", "never"]
    assert "\x1b" not in done.output


def test_what_is_stalled_is_1_with_its_age_and_every_partition_on_request(topic: Topic) -> None:
    topic.commit(6)
    done = lag(topic, "--group", topic.group[:-1] + "*", "--topic", topic.name, "--partitions")
    assert done.exit_code == 1, done.output
    _, first, second = [line.split() for line in done.stdout.splitlines()]
    assert first[:7] == [topic.group, topic.name, "0", "stalled", "0", "4", "1"]
    assert second[2:6] == ["1", "caught", "up", "0"]


def test_as_json_every_number_has_a_state_and_infinity_is_null(topic: Topic) -> None:
    topic.commit(6)
    done = lag(topic, "--group", topic.group, "--json")
    [found] = json.loads(done.stdout)["topics"]
    assert (found["group"], found["topic"], found["state"], found["members"]) == (topic.group, topic.name, "stalled", 0)
    assert (found["records"], found["is_counted"], found["drain_s"], found["drains"]) == (4, True, None, False)
    assert 3_600 <= found["age_s"] < 3_700
    assert found["expires"] is True
    assert [each["state"] for each in found["partitions"]] == ["stalled", "caught_up"]


def test_a_group_that_is_named_but_is_not_there_is_1_and_named(topic: Topic) -> None:
    done = lag(topic, "--group", "nobody")
    assert done.exit_code == 1
    assert "nobody" in done.stdout
    assert "left" in done.stdout
    done = lag(topic, "--group", "nobody-*")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no group reads one of these topics" in done.stderr


def test_a_foreign_partition_without_a_commit_is_3(topic: Topic) -> None:
    topic.truth.produce(topic.name, 1, partition=1)
    topic.commit(10)
    done = lag(topic, "--group", topic.group)
    assert done.exit_code == 3, done.output
    assert "1 of 2 partitions unknown" in done.stdout


@pytest.mark.parametrize("words", [["--max-age", "soon"], ["--watch", "--json"], ["--for", "0"], ["--max-lag", "-1"]])
def test_wrong_usage_is_2(topic: Topic, words: list[str]) -> None:
    assert lag(topic, *words).exit_code == 2


def test_without_brokers_it_is_2_and_brokers_that_do_not_answer_are_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLRACE_BROKER__BOOTSTRAP", raising=False)
    assert CliRunner().invoke(app, ["lag"]).exit_code == 2
    assert CliRunner().invoke(app, ["run", "lag"]).exit_code == 2
    [port] = free_ports(1)
    command = [sys.executable, "-m", "millrace", "lag", "--bootstrap", f"127.0.0.1:{port}"]
    environment = os.environ | {"MILLRACE_LAG__TIMEOUT_S": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def exported(topic: Topic, tmp_path: Path) -> Iterator[str]:
    """Run the service on the topic, and yield the address of its probes."""
    [port] = free_ports(1)
    settings = {
        "MILLRACE_BROKER__BOOTSTRAP": topic.truth.bootstrap,
        "MILLRACE_LAG__GROUPS": f"other,{topic.group}",
        "MILLRACE_LAG__TOPICS": "lag-*",
        "MILLRACE_LAG__INTERVAL_S": "1",
        "MILLRACE_OPERATION__STATE_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "millrace", "run", "lag", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait()


def get(url: str) -> str:
    """Return what a path answers; empty while it does not."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (an address of this test)
            return str(answer.read().decode())
    except URLError:
        return ""


def test_the_service_is_ready_and_exports_until_the_group_is_deleted(topic: Topic, exported: str) -> None:
    topic.commit(6)
    labels = f'{{cluster_name="kafka",group="{topic.group}",partition="0",topic="{topic.name}"}}'
    wait_until(lambda: f"kafka_consumergroup_group_lag{labels} 4.0" in get(f"{exported}/metrics"), TIMEOUT_S, "the lag")
    assert '"ok": true' in get(f"{exported}/readyz")
    assert get(f"{exported}/healthz")
    text = get(f"{exported}/metrics")
    [age] = [line for line in text.splitlines() if line.startswith(f"kafka_consumergroup_group_lag_seconds{labels}")]
    assert 3_600 <= float(age.rsplit(" ", 1)[1]) < 3_700
    assert "NaN" not in text
    topic.truth.admin.delete_consumer_groups([topic.group])[topic.group].result(TIMEOUT_S)
    wait_until(lambda: topic.group not in get(f"{exported}/metrics"), TIMEOUT_S, "no series any more")
