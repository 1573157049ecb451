"""The real drift application on a real Kafka, with references in a folder: what it is sent, and what it answers."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.drift import DriftAlert, Outlier, Spike
from schemas.topics import DRIFT_ALERTS, outliers_topic, spikes_topic, sums_topic
from shared.broker.producer import KafkaSink
from shared.broker.reader import TopicReader
from shared.drift.keys import Keys
from shared.drift.reference import Reference
from shared.drift.reference_files import save_reference
from shared.drift.references import References
from shared.drift.summing import BatchSummer, Provides
from shared.drift.watched import Closed
from shared.records import Message
from shared.settings import BrokerSettings
from tests.support.command import millrace
from tests.support.drift_command import TIMEOUT_S, get, running
from tests.support.drift_process import states
from tests.support.waiting import wait_until
from workers.services.drift_lanes import APPLICATION

STREAM = "tickets"
ANSWERS = ("drift", "no_drift", "too_few", "no_reference")


@dataclass(frozen=True)
class Announced:
    """A message about a spike.

    Attributes:
        spike: The message.
        delay_s: From the outlier that brought it to the message, in the time of the brokers.
    """

    spike: Spike
    delay_s: float


class Live:
    """A drift application that runs.

    Args:
        bootstrap: Its Kafka.
        port: Where it answers.
        folder: The folder of its references.
        log: Its log.
    """

    def __init__(self, bootstrap: str, port: int, folder: Path, log: Path) -> None:
        self._bootstrap, self._port, self._log = bootstrap, port, log
        self.references = References(folder)
        self._sink = KafkaSink(bootstrap, BrokerSettings())

    def summer(self, head: str, customer_key: bytes = b"key") -> BatchSummer:
        """Return what a worker has for its sums; it knows each reference, by tenant."""
        every = [each.subject for each in self.references.every()]
        names = frozenset(each.key.removeprefix("tenant:") for each in every)
        dims = {each.subject.input: each.centroids.shape[1] for each in self.references.every()}
        models = {each.input: each.model for each in every}
        provides = Provides(STREAM, models, dims, head, Keys("tenant", names), customer_key, 86_400)
        return BatchSummer(provides, self.references.of)

    def send(self, messages: Sequence[Message]) -> None:
        """Publish messages as a worker does, and wait until the brokers have them."""
        self._sink.produce(messages)
        failed = self._sink.flush()
        assert not failed, self._sink.last_error

    def close(self) -> None:
        """Close the producer."""
        self._sink.close()

    def answers(self) -> dict[str, Counter[str]]:
        """Return the number of closed windows by tenant and answer, as the metrics have them."""
        found: dict[str, Counter[str]] = {}
        for line in get(self._port, "metrics").splitlines():
            if line.startswith("millrace_drift_windows_total{"):
                tenant, answer = line.split('key="tenant:')[1].split('"')[0], line.split('answer="')[1].split('"')[0]
                found.setdefault(tenant, Counter())[answer] += int(float(line.rsplit(" ", 1)[1]))
        return found

    def wait_closed(self, tenants: Sequence[str], windows: int, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until this number of windows of each tenant is closed, and all that was sent is settled."""
        wait_until(
            lambda: all(self.answers().get(each, Counter()).total() >= windows for each in tenants),
            timeout_s,
            f"{windows} closed windows of each of {len(tenants)}; see {self._log}",
        )
        wait_until(self._is_settled, TIMEOUT_S, f"all that was sent is settled; see {self._log}")

    def _is_settled(self) -> bool:
        """Return whether alerts, spikes and states of all that was sent are written."""
        reader, topics = TopicReader(self._bootstrap, APPLICATION), (sums_topic(STREAM), outliers_topic(STREAM))
        committed = reader.committed(topics)
        ends = {place: each.high for topic in topics for place, each in reader.watermarks(topic).items()}
        return all(committed.get(place, 0) >= end for place, end in ends.items())

    def in_order(self) -> dict[str, list[str]]:
        """Return the answers of each tenant's windows in their order, as the log has them."""
        found: dict[str, list[str]] = {}
        for line in self._log.read_text(encoding="utf-8").splitlines():
            if line.startswith("{") and (said := json.loads(line))["event"] == "window closed":
                found.setdefault(said["subject"].split("tenant:")[1], []).append(said["answer"])
        return found

    def closed(self) -> dict[str, list[Closed]]:
        """Return the last closed windows of each tenant, as the changelog has them."""
        return {subject.key.removeprefix("tenant:"): each.closed for subject, each in states(self._bootstrap).items()}

    def alerts(self) -> dict[str, list[DriftAlert]]:
        """Return the alerts of each tenant."""
        found: dict[str, list[DriftAlert]] = {}
        for record in TopicReader(self._bootstrap).read(DRIFT_ALERTS.name):
            alert = DriftAlert.model_validate_json(record.value or b"")
            found.setdefault(alert.key.removeprefix("tenant:"), []).append(alert)
        return found

    def spikes(self) -> dict[str, list[Announced]]:
        """Return the messages about spikes of each tenant, in their order."""
        sent_ms: dict[tuple[str, float], int] = {}
        for record in TopicReader(self._bootstrap).read(outliers_topic(STREAM)):
            outlier = Outlier.model_validate_json(record.value or b"")
            sent_ms[outlier.key, outlier.settled_at.timestamp()] = record.timestamp_ms
        found: dict[str, list[Announced]] = {}
        for record in TopicReader(self._bootstrap).read(spikes_topic(STREAM)):
            spike = Spike.model_validate_json(record.value or b"")
            caused_ms = sent_ms[spike.key, spike.last_at.timestamp()]
            announced = Announced(spike, (record.timestamp_ms - caused_ms) / 1000)
            found.setdefault(spike.key.removeprefix("tenant:"), []).append(announced)
        return found

    def pace(self, began_s: float, after_s: float) -> None:
        """Wait until this time after a moment of the monotonic clock."""
        time.sleep(max(0.0, began_s + after_s - time.monotonic()))


@contextmanager
def live(bootstrap: str, references: Sequence[Reference], alarms_per_month: float) -> Iterator[Live]:
    """Make the topics, write the references, run the application, and wait until it is ready."""
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "references", Path(place) / "log"
        for each in references:
            save_reference(each, folder)
        made = millrace(
            *("topics", "create", "--bootstrap", bootstrap, "--stream", STREAM, "--partitions", "4"),
            folder=Path(place),
        )
        assert made.returncode == 0, made.stderr
        environment = {
            "MILLRACE_BROKER__BOOTSTRAP": bootstrap,
            "MILLRACE_DRIFT__FALSE_ALARMS_PER_MONTH": str(alarms_per_month),
        }
        with running(environment, folder, log) as port:
            wait_until(lambda: '"ok": true' in get(port, "readyz"), TIMEOUT_S, f"see {log}")
            with closing(Live(bootstrap, port, folder, log)) as found:
                yield found
