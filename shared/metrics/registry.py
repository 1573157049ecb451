"""The series of a process's metrics, and their text format. Only this file imports prometheus_client."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from shared.metrics.catalogue import CATALOGUE, DECISION_METRICS, UPDATED_METRICS, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BY_NAME = {metric.name: metric for metric in CATALOGUE}


class Sample(NamedTuple):
    """A value that is computed when the metrics are read: its name, the values of its labels, and itself."""

    name: str
    labels: tuple[str, ...]
    value: float


class Tally(Collector):
    """A histogram that takes the values of a whole batch at once: for a batch of 64 a tenth of the cost of one by one.

    Args:
        metric: Its row of the catalogue.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric, self._limits = metric, np.array(metric.buckets)
        self._series: dict[tuple[str, ...], tuple[NDArray[np.int64], float]] = {}

    def open(self, labels: tuple[str, ...]) -> None:
        """Create the series of some values of the labels, so that it is exported before its first value."""
        self._series.setdefault(labels, (np.zeros(len(self._limits) + 1, dtype=np.int64), 0.0))

    def observe(self, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """Count values; called by one thread at a time for the same labels."""
        if not values:
            return
        self.open(labels)
        counts, total = self._series[labels]
        places = np.searchsorted(self._limits, values)  # a bucket holds the values up to its limit, this one included
        added = np.bincount(places, minlength=len(self._limits) + 1)
        self._series[labels] = (counts + added, total + float(sum(values)))  # replaced whole: another thread reads it

    @override
    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return all series, for prometheus_client."""
        family = HistogramMetricFamily(self._metric.name, self._metric.help, labels=self._metric.labels)
        names = [*(repr(float(limit)) for limit in self._limits), "+Inf"]
        for labels, (counts, total) in list(self._series.items()):
            cumulative = [float(each) for each in np.cumsum(counts)]
            family.add_metric(labels, list(zip(names, cumulative, strict=True)), total)
        yield family


Family = GaugeMetricFamily | CounterMetricFamily


class _Computed(Collector):
    """Gauges and counters whose values are computed when the metrics are read."""

    def __init__(self, names: Sequence[str], measure: Callable[[], Iterable[Sample]]) -> None:
        self._names, self._measure = names, measure

    def describe(self) -> Iterator[Family]:
        """Return the families without values, so that registering them measures nothing."""
        yield from self._families().values()

    @override
    def collect(self) -> Iterator[Family]:
        """Return all series, for prometheus_client."""
        families = self._families()
        for sample in self._measure():
            families[sample.name].add_metric(sample.labels, sample.value)
        yield from families.values()

    def _families(self) -> dict[str, Family]:
        return {name: _family(BY_NAME[name]) for name in self._names}


def _family(metric: Metric) -> Family:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return make(metric.name, metric.help, labels=metric.labels)


class Registry:
    """The metrics of one process; each stream has its own series in each metric.

    Metrics that are computed when they are read are absent until `compute` is called for them.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}
        self.tallies: dict[str, Tally] = {}
        for metric in UPDATED_METRICS:
            self._add(metric)

    def compute(self, names: Sequence[str], measure: Callable[[], Iterable[Sample]]) -> None:
        """Add gauges and counters of the catalogue whose samples `measure` returns each time the metrics are read."""
        self._registry.register(_Computed(names, measure))

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _add(self, metric: Metric) -> None:
        if metric.kind == "counter":
            self.counters[metric.name] = Counter(metric.name, metric.help, metric.labels, registry=self._registry)
        elif metric.kind == "gauge":
            self.gauges[metric.name] = Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
        elif metric in DECISION_METRICS:
            self.tallies[metric.name] = Tally(metric)
            self._registry.register(self.tallies[metric.name])
        else:
            self.histograms[metric.name] = Histogram(
                metric.name, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets
            )
