"""`millrace run drift` on a real Kafka, with a real reference: from sums to an alert, its probes, and how it ends.

Green does not show how small a drift is found (`docs/drift.md` has figures), nor crashes (`test_drift_on_kafka.py`).
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from millrace.cli import app
from schemas.drift import DriftAlert, Spike
from schemas.topics import DRIFT_ALERTS, outliers_topic, spikes_topic, sums_topic
from shared.broker.provision import create_topics
from shared.broker.reader import TopicReader
from shared.drift.reference_files import save_reference
from tests.support.certificates import Certificates
from tests.support.drift_command import TIMEOUT_S, get, metric, running
from tests.support.drift_reference import SUBJECT, items, outlier, reference, sums_of
from tests.support.kafka.access import allowed, documented, user_environment
from tests.support.kafka.config import USER
from tests.support.kafka.server import KafkaServer
from tests.support.mondays import monday
from tests.support.sources import ROOT
from tests.support.waiting import wait_until
from workers.services.drift_lanes import APPLICATION
from workers.tickets.stages import TICKETS

BEGAN = monday(8, 5, hours=12)


def produce(bootstrap: str, hours: int, new_share: float, first_hour: int) -> None:
    """Produce batches of 100 items, six in an hour."""
    producer, random = Producer({"bootstrap.servers": bootstrap}), np.random.default_rng(first_hour)
    for number in range(6 * hours):
        at = BEGAN + timedelta(hours=first_hour, minutes=9 * (number % 6)) + timedelta(hours=number // 6)
        sums = sums_of(*items(100, random, new_share), at, 100 * number)
        producer.produce(sums_topic("tickets"), sums.model_dump_json().encode(), str(SUBJECT).encode())
    producer.flush()


@pytest.fixture
def references(tmp_path: Path) -> Path:
    folder = tmp_path / "references"
    folder.mkdir()
    save_reference(reference(), folder)
    return folder


def test_from_sums_to_an_alert(kafka_server: KafkaServer, references: Path, tmp_path: Path) -> None:
    bootstrap, log = kafka_server.bootstrap, tmp_path / "log"
    create_topics(bootstrap, TICKETS.topics(2), 1)
    with running({"MILLRACE_BROKER__BOOTSTRAP": bootstrap}, references, log) as port:
        wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, f"see {log}")
        produce(bootstrap, 3, 0.0, 0)
        produce(bootstrap, 4, 0.3, 3)

        def closed() -> float:
            text = get(port, "metrics")
            return sum(metric(text, "millrace_drift_windows_total", answer=each) or 0 for each in ("drift", "no_drift"))

        wait_until(lambda: closed() == 6, TIMEOUT_S, f"see {log}")
        text = get(port, "metrics")
    assert metric(text, "millrace_drift_up") == 1
    assert (metric(text, "millrace_drift_windows_total", answer="drift") or 0) >= 3
    assert metric(text, "millrace_drift_alerting", key="all") == 1
    assert metric(text, "millrace_drift_answer", answer="drift") == 1
    alerts = [
        DriftAlert.model_validate_json(each.value or b"") for each in TopicReader(bootstrap).read(DRIFT_ALERTS.name)
    ]
    assert len(alerts) == 1
    assert alerts[0].causes[0].kind == "novelty"
    assert alerts[0].window_start == BEGAN + timedelta(hours=4)
    assert "Traceback" not in log.read_text()


def test_from_outliers_to_a_spike(kafka_server: KafkaServer, references: Path, tmp_path: Path) -> None:
    bootstrap, log = kafka_server.bootstrap, tmp_path / "log"
    create_topics(bootstrap, TICKETS.topics(2), 1)
    with running({"MILLRACE_BROKER__BOOTSTRAP": bootstrap}, references, log) as port:
        wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, f"see {log}")
        producer, began = Producer({"bootstrap.servers": bootstrap}), datetime.now(UTC)
        alone = [outlier(number, "C-0", began) for number in range(4)]
        several = [outlier(number, f"C-{number % 4}", began) for number in range(4, 12)]
        for each in alone:
            producer.produce(outliers_topic("tickets"), each, str(SUBJECT).encode())
        producer.flush()
        reader = TopicReader(bootstrap, APPLICATION)
        wait_until(
            lambda: sum(reader.committed([outliers_topic("tickets")]).values()) == len(alone), TIMEOUT_S, f"see {log}"
        )
        assert metric(get(port, "metrics"), "millrace_spikes_open", stream="tickets") == 0
        for each in several:
            producer.produce(outliers_topic("tickets"), each, str(SUBJECT).encode())
        producer.flush()
        wait_until(
            lambda: metric(get(port, "metrics"), "millrace_spikes_open", stream="tickets") == 1, TIMEOUT_S, f"see {log}"
        )
    said = [
        Spike.model_validate_json(each.value or b"") for each in TopicReader(bootstrap).read(spikes_topic("tickets"))
    ]
    assert len({each.spike_id for each in said}) == 1
    assert said[0].state == "open"
    assert said[0].customers >= 3
    assert set(said[-1].examples) <= {f"acme:T-{number}" for number in range(12)}


def test_without_topics_it_waits_until_they_are_there(references: Path, tmp_path: Path) -> None:
    with (
        KafkaServer() as kafka,
        running({"MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap}, references, tmp_path / "log") as port,
    ):
        wait_until(lambda: "tickets.sums" in get(port, "readyz"), TIMEOUT_S, "the reason in readyz")
        assert '"ok": true' in get(port, "healthz")
        create_topics(kafka.bootstrap, TICKETS.topics(2), 1)
        wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, "ready")


def test_it_needs_no_more_rights_than_the_documented_ones(
    secure_kafka: KafkaServer, certificates: Certificates, references: Path, tmp_path: Path
) -> None:
    create_topics(secure_kafka.bootstrap, TICKETS.topics(2), 1)
    environment, log = user_environment(secure_kafka, certificates, tmp_path), tmp_path / "log"
    rules = [rule for rule in documented() if rule.role == "drift"]
    with allowed(secure_kafka, USER, rules), running(environment, references, log) as port:
        wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, f"see {log}")
        produce(secure_kafka.bootstrap, 2, 0.0, 0)
        wait_until(lambda: "millrace_drift_windows_total{" in get(port, "metrics"), TIMEOUT_S, f"see {log}")


def test_wrong_usage_is_2_and_a_damaged_reference_is_1(
    kafka_server: KafkaServer, references: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MILLRACE_BROKER__BOOTSTRAP", raising=False)
    assert CliRunner().invoke(app, ["run", "drift"]).exit_code == 2
    [file] = references.iterdir()
    file.write_bytes(b"damaged")
    environment = os.environ | {"MILLRACE_DRIFT__REFERENCES": str(references)}
    command = [sys.executable, "-m", "millrace", "run", "drift", "--port", "0", "--bootstrap", kafka_server.bootstrap]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert file.name in done.stderr


def test_an_outage_of_the_brokers_is_waited_out_and_nothing_is_lost(references: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with KafkaServer() as kafka:
        create_topics(kafka.bootstrap, TICKETS.topics(2), 1)
        with running({"MILLRACE_BROKER__BOOTSTRAP": kafka.bootstrap}, references, log) as port:
            wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, f"see {log}")
            produce(kafka.bootstrap, 1, 0.0, 0)
            wait_until(
                lambda: metric(get(port, "metrics"), "millrace_drift_window_items") == 600, TIMEOUT_S, "600 items"
            )
            kafka.kill()
            wait_until(lambda: '"ok": false' in get(port, "readyz"), TIMEOUT_S, "not ready")
            assert '"ok": true' in get(port, "healthz")
            kafka.restart()
            produce(kafka.bootstrap, 1, 0.0, 1)
            wait_until(
                lambda: (metric(get(port, "metrics"), "millrace_drift_windows_total", answer="no_drift") or 0) == 1,
                120,
                f"the window that the new batches close; see {log}",
            )
            wait_until(
                lambda: metric(get(port, "metrics"), "millrace_drift_window_items") == 600, TIMEOUT_S, "600 items"
            )
            wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, "ready again")
