"""The lag exporter: measures the lag of consumer groups again and again, and keeps the last answer for /metrics.

It only reads, so several may run; each exports the same series. `docs/lag.md` defines what it measures.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

from shared.clock import Clock
from shared.engine.loop import FailurePolicies
from shared.errors import Unavailable
from shared.lag.export import report_samples
from shared.lag.history import MISSED_LOOKS
from shared.lag.meter import LagMeter
from shared.lag.states import LagReport
from shared.lag_settings import LagSettings
from shared.logs import get_logger
from shared.metrics.catalogue import LAG_METRICS
from shared.metrics.registry import Registry, Sample
from shared.operation.lifecycle import Lifecycle

SERVICE = "lag"

log = get_logger(SERVICE)


class LagExporter:
    """Measures until it is asked to stop.

    Args:
        connect: Opens the measurement; called once, by the thread that measures.
        lifecycle: Its state for the probes, and the request to stop.
        policies: How long to wait while the brokers are unavailable.
        clock: Gives the time.
        settings: How often to look, and the name of the cluster.
    """

    def __init__(
        self,
        connect: Callable[[], LagMeter],
        lifecycle: Lifecycle,
        policies: FailurePolicies,
        clock: Clock,
        settings: LagSettings,
    ) -> None:
        self._connect, self._policies, self._clock, self._settings = connect, policies, clock, settings
        self._report: LagReport | None = None
        self._is_up = False
        self.lifecycle = lifecycle

    @property
    def name(self) -> str:
        """The name of this service."""
        return SERVICE

    def export(self, registry: Registry) -> None:
        """Add the metrics to a registry."""
        registry.compute([metric.name for metric in LAG_METRICS], self.samples)

    def run(self) -> None:
        """Measure until asked to stop.

        Raises:
            Fatal: an error that waiting does not fix.
        """
        attempt = 0
        self.lifecycle.beat(SERVICE)
        with closing(self._connect()) as meter:
            while not self.lifecycle.stopping.is_set():
                try:
                    self._look(meter)
                except Unavailable as outage:
                    self._is_up = False
                    self.lifecycle.set_not_ready(outage.dependency, outage.detail)
                    log.warning("measuring again later", detail=outage.detail)
                    wait_s = self._policies.backoff.delay_s(attempt, self._policies.random_source)
                    attempt += 1
                else:
                    wait_s, attempt = self._settings.interval_s, 0
                self._wait(wait_s)

    def samples(self) -> Iterator[Sample]:
        """Yield the current samples; after an outage, the last answer is given for the time of some looks only."""
        cluster, report, now_ms = self._settings.cluster_name, self._report, self._clock.now().timestamp() * 1000
        yield Sample("millrace_lag_up", (cluster,), float(self._is_up))
        if report is None:
            return
        yield Sample("millrace_lag_last_measured_timestamp_seconds", (cluster,), report.at_ms / 1000)
        yield Sample("kafka_consumergroup_poll_time_ms", (cluster,), 1000 * report.took_s)
        if self._is_up or now_ms - report.at_ms <= 1000 * MISSED_LOOKS * self._settings.interval_s:
            yield from report_samples(report, cluster, now_ms)

    def _look(self, meter: LagMeter) -> None:
        self._report = meter.measure(lambda: self.lifecycle.beat(SERVICE))
        self._is_up = True
        self.lifecycle.set_ready("broker")
        self.lifecycle.set_ready("worker")
        for left in self._report.left:
            log.info("left", group=left.group, topic=left.topic, reason=left.reason)

    def _wait(self, seconds: float) -> None:
        self.lifecycle.beat(SERVICE)
        self._clock.wait(self.lifecycle.stopping, seconds)
        self.lifecycle.beat(SERVICE)
