"""The catalogue of Millrace's metrics, and the observer that updates them. Only this file imports prometheus_client.

`docs/metrics.md` is generated from `CATALOGUE`. No label ever contains a tenant, a text or an id.
"""

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from typing_extensions import override

from schemas.outcomes import Outcome
from shared.observers import Observer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
RECORDS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, kind and help text, and its labels in addition to `stream`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS


CATALOGUE = (
    Metric("millrace_records_total", "counter", "Records settled, by outcome.", ("outcome",)),
    Metric("millrace_batch_records", "histogram", "Records in a poll batch.", (), RECORDS),
    Metric("millrace_gather_wait_seconds", "histogram", "Time spent waiting for a poll batch to fill."),
    Metric("millrace_stage_seconds", "histogram", "Wall time of a stage per poll batch.", ("stage",)),
    Metric("millrace_stage_records_total", "counter", "Records processed by a stage.", ("stage",)),
    Metric(
        "millrace_stage_cpu_seconds_total",
        "counter",
        "CPU time of the whole process while the stage runs; the work of other threads is included.",
        ("stage",),
    ),
    Metric("millrace_inputs_total", "counter", "Inputs that needed a vector.", ("modality", "source")),
    Metric("millrace_cache_keys_total", "counter", "Vectors looked up in the cache.", ("level", "result")),
    Metric("millrace_cache_refused_values_total", "counter", "Invalid values in Redis; each also counts as a miss."),
    Metric("millrace_cache_errors_total", "counter", "Calls to Redis that failed.", ("operation", "kind")),
    Metric("millrace_cache_up", "gauge", "0 while Redis is skipped after a failure.", ("operation",)),
    Metric("millrace_input_cost_total", "counter", "Amount of input that the model encoded.", ("modality", "unit")),
    Metric(
        "millrace_version_conflicts_total",
        "counter",
        "Records whose version is stored already with other content; the first content is kept.",
    ),
    Metric(
        "millrace_unread_lost_records_total",
        "counter",
        "Offsets that Kafka deleted before they were read, for example by retention; offsets without "
        "a record are counted too.",
    ),
    Metric(
        "millrace_abandoned_records_total",
        "counter",
        "Records that this worker dropped because another worker owns their partition now and reads "
        "them again; nothing is lost.",
    ),
    Metric(
        "millrace_dead_letters",
        "gauge",
        "Dead letters in the dead-letter queue; absent while the broker is unavailable.",
    ),
    Metric(
        "millrace_dead_letters_oldest_age_seconds", "gauge", "Age of the oldest dead letter, measured once a minute."
    ),
    Metric(
        "millrace_redriven_records_total",
        "counter",
        "Records that the redrive sent from a tier of the retry lane to the redo topic.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_records",
        "gauge",
        "Records that wait in a tier of the retry lane; absent while the broker is unavailable.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_oldest_age_seconds",
        "gauge",
        "Time since the record that waits longest in a tier was put there; 0 if no record waits.",
        ("tier",),
    ),
    Metric(
        "millrace_retry_due_in_seconds",
        "gauge",
        "Time until the first record of a tier is due; negative if it is overdue; 0 if no record waits.",
        ("tier",),
    ),
    Metric(
        "millrace_alias_elsewhere",
        "gauge",
        "1 while the readers' alias does not point to the collection that the worker writes.",
    ),
    Metric(
        "millrace_open_transaction_records",
        "gauge",
        "Input records that wait behind an open transaction; absent while the broker is unavailable.",
    ),
    Metric(
        "millrace_open_transaction_oldest_age_seconds",
        "gauge",
        "Age of the oldest input record that waits behind an open transaction; 0 if no record waits.",
    ),
    Metric(
        "millrace_paused",
        "gauge",
        "1 while the worker is paused because a dependency is unavailable; `operator`: paused by an "
        "operator; `breaker`: most of the recent records were dead-lettered.",
        ("dependency",),
    ),
    Metric(
        "millrace_paused_seconds_total",
        "counter",
        "Time spent paused, added when the pause ends.",
        ("dependency",),
    ),
    Metric(
        "millrace_last_batch_oldest_timestamp_seconds",
        "gauge",
        "Unix time of the oldest record in the last settled batch.",
    ),
)


class Registry:
    """The metrics of one process; each stream has its own series in each metric."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}
        self.histograms: dict[str, Histogram] = {}
        for metric in CATALOGUE:
            labels = ("stream", *metric.labels)
            if metric.kind == "counter":
                self.counters[metric.name] = Counter(metric.name, metric.help, labels, registry=self._registry)
            elif metric.kind == "gauge":
                self.gauges[metric.name] = Gauge(metric.name, metric.help, labels, registry=self._registry)
            else:
                self.histograms[metric.name] = Histogram(
                    metric.name, metric.help, labels, registry=self._registry, buckets=metric.buckets
                )

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class Metrics(Observer):
    """Updates the series of one stream's worker.

    Args:
        stream: The value of the series' `stream` label.
        registry: The metrics that the series belong to.
    """

    def __init__(self, stream: str, registry: Registry) -> None:
        self._stream = stream
        self._counters, self._gauges, self._histograms = registry.counters, registry.gauges, registry.histograms
        for outcome in Outcome:
            self._add("millrace_records_total", 0, outcome.value)
        self._add("millrace_unread_lost_records_total", 0)

    @override
    def batch_gathered(self, records: int, waited_s: float) -> None:
        self._observe("millrace_batch_records", records)
        self._observe("millrace_gather_wait_seconds", waited_s)

    @override
    def stage_done(self, stage: str, records: int, wall_s: float, cpu_s: float) -> None:
        self._observe("millrace_stage_seconds", wall_s, stage)
        self._add("millrace_stage_records_total", records, stage)
        self._add("millrace_stage_cpu_seconds_total", cpu_s, stage)

    @override
    def batch_settled(self, outcomes: dict[Outcome, int], oldest_timestamp_ms: int) -> None:
        for outcome, records in outcomes.items():
            self._add("millrace_records_total", records, outcome.value)
        if oldest_timestamp_ms >= 0:
            oldest = self._gauges["millrace_last_batch_oldest_timestamp_seconds"].labels(self._stream)
            oldest.set(oldest_timestamp_ms / 1000)

    @override
    def version_conflict(self, records: int) -> None:
        self._add("millrace_version_conflicts_total", records)

    @override
    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        self._add("millrace_inputs_total", cached, modality, "cache")
        self._add("millrace_inputs_total", inputs - cached, modality, "model")
        self._add("millrace_input_cost_total", cost, modality, unit)

    @override
    def cache_read(self, level: str, hits: int, misses: int) -> None:
        self._add("millrace_cache_keys_total", hits, level, "hit")
        self._add("millrace_cache_keys_total", misses, level, "miss")

    @override
    def cache_values_refused(self, values: int) -> None:
        self._add("millrace_cache_refused_values_total", values)

    @override
    def cache_failed(self, operation: str, kind: str) -> None:
        self._add("millrace_cache_errors_total", 1, operation, kind)

    @override
    def cache_up(self, operation: str, up: bool) -> None:
        self._gauges["millrace_cache_up"].labels(self._stream, operation).set(up)

    @override
    def dead_letters_measured(self, dead_letters: int | None, oldest_age_s: float) -> None:
        self._set_or_clear("millrace_dead_letters", dead_letters)
        self._set_or_clear("millrace_dead_letters_oldest_age_seconds", None if dead_letters is None else oldest_age_s)

    @override
    def open_transactions_measured(self, records: int | None, oldest_age_s: float) -> None:
        self._set_or_clear("millrace_open_transaction_records", records)
        self._set_or_clear("millrace_open_transaction_oldest_age_seconds", None if records is None else oldest_age_s)

    @override
    def records_redriven(self, tier: int, records: int) -> None:
        self._add("millrace_redriven_records_total", records, str(tier))

    @override
    def retry_measured(self, tier: int, records: int | None, oldest_age_s: float, due_in_s: float) -> None:
        known = records is not None
        self._set_or_clear("millrace_retry_records", records, str(tier))
        self._set_or_clear("millrace_retry_oldest_age_seconds", oldest_age_s if known else None, str(tier))
        self._set_or_clear("millrace_retry_due_in_seconds", due_in_s if known else None, str(tier))

    @override
    def alias_elsewhere(self, elsewhere: bool) -> None:
        self._gauges["millrace_alias_elsewhere"].labels(self._stream).set(elsewhere)

    @override
    def paused(self, dependency: str) -> None:
        self._gauges["millrace_paused"].labels(self._stream, dependency).set(1)

    @override
    def resumed(self, dependency: str, paused_s: float) -> None:
        self._gauges["millrace_paused"].labels(self._stream, dependency).set(0)
        self._add("millrace_paused_seconds_total", paused_s, dependency)

    @override
    def unread_lost(self, offsets: int) -> None:
        self._add("millrace_unread_lost_records_total", offsets)

    @override
    def records_abandoned(self, records: int) -> None:
        self._add("millrace_abandoned_records_total", records)

    def _set_or_clear(self, name: str, value: float | None, *labels: str) -> None:
        if value is None:
            self._gauges[name].remove(self._stream, *labels)
        else:
            self._gauges[name].labels(self._stream, *labels).set(value)

    def _add(self, name: str, amount: float, *labels: str) -> None:
        self._counters[name].labels(self._stream, *labels).inc(amount)

    def _observe(self, name: str, value: float, *labels: str) -> None:
        self._histograms[name].labels(self._stream, *labels).observe(value)
