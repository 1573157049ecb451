"""What measuring 10,000 partitions of ten groups costs, in time and memory, with stand-ins below the adapter to Kafka.

Green does not show what the brokers and the network cost: the stand-ins answer at once, and nothing is fetched. docs/lag.md
has figures of a real broker.
"""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared.broker import first_records, group_lag
from shared.clock import SystemClock
from shared.engine.loop import FailurePolicies
from shared.lag.meter import LagMeter
from shared.lag.states import State
from shared.lag_settings import LagSettings
from shared.metrics.registry import Registry
from shared.operation.lifecycle import Lifecycle
from tests.support.lag_clients import WideAdmin, WideCluster, WideConsumer
from workers.services.lag import LagExporter

GROUPS, TOPICS, PARTITIONS = 10, 10, 100
PLACES = TOPICS * PARTITIONS
END, AGE_S, FEW = 2_000, 60, 15
MOST_S, MOST_BYTES = 5.0, 200 << 20


class Exporting:
    """The exporter on the real adapter; each look ends with a scrape.

    Args:
        cluster: What the stand-ins answer.
    """

    def __init__(self, cluster: WideCluster) -> None:
        self.cluster, clock, settings = cluster, SystemClock(), LagSettings()
        reader = group_lag.KafkaLagReader("unused:1", group_lag.Selection(["*"], ["*"]), settings.timeout_s, clock)
        self._meter = LagMeter(reader, clock, settings.interval_s, settings.stuck_after_s)
        self._lifecycle = Lifecycle(clock, 120)
        exporter = LagExporter(lambda: self._meter, self._lifecycle, FailurePolicies(), clock, settings)
        self._exporter, self._registry = exporter, Registry()
        exporter.export(self._registry)

    def scrape(self, moved: int) -> str:
        """Let each group move on, look, and return the metrics."""
        for at in range(GROUPS):
            # Each group is at a place of its own in each partition; the first one lags so little that it is counted.
            offset = END - FEW if at == 0 else END - 1_500 + 100 * at
            self.cluster.committed[f"group-{at}"] = dict.fromkeys(self.cluster.places, offset + moved)
        self._exporter._look(self._meter)  # `run` would wait until the next look
        return self._registry.render().decode()

    def close(self) -> None:
        """Close the measurement."""
        self._meter.close()


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporting]:
    """Yield an exporter whose clients are stand-ins."""
    written_ms = round(1000 * (time.time() - AGE_S))
    cluster = WideCluster({f"topic-{at}": PARTITIONS for at in range(TOPICS)}, END, written_ms)
    monkeypatch.setattr(group_lag, "AdminClient", lambda _: WideAdmin(cluster))
    monkeypatch.setattr(first_records, "Consumer", lambda _: WideConsumer(cluster))
    with closing(Exporting(cluster)) as found:
        yield found


def test_ten_thousand_partitions_are_looked_at_and_scraped_within_five_seconds(exporting: Exporting) -> None:
    """All of them lag and all move between the looks, so that each is read again at each look."""
    exporting.scrape(0)
    assert exporting.cluster.read == GROUPS * PLACES, "no two groups are at the same place"
    began_s = time.perf_counter()
    text = exporting.scrape(1)
    took_s = time.perf_counter() - began_s
    assert took_s < MOST_S
    assert exporting.cluster.read == 2 * GROUPS * PLACES
    ages = [line for line in text.splitlines() if line.startswith("kafka_consumergroup_group_lag_seconds{")]
    assert len(ages) == GROUPS * PLACES
    assert all(AGE_S <= float(line.rsplit(" ", 1)[1]) < AGE_S + 60 for line in ages)
    states = [
        line
        for line in text.splitlines()
        if line.startswith("millrace_lag_partitions{") and f'state="{State.BEHIND}"' in line
    ]
    assert [line.rsplit(" ", 1)[1] for line in states] == [f"{PARTITIONS:.1f}"] * GROUPS * TOPICS
    lags = [line for line in text.splitlines() if line.startswith("kafka_consumergroup_group_sum_lag{")]
    assert f"{PLACES * (FEW - 1):.1f}" in {line.rsplit(" ", 1)[1] for line in lags}


def test_ten_thousand_partitions_fit_into_200_mib(exporting: Exporting) -> None:
    tracemalloc.start()
    try:
        exporting.scrape(0)
        exporting.scrape(1)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < MOST_BYTES
