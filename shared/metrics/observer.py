"""The observer that updates the metrics of one stream's worker."""

from collections.abc import Sequence

from typing_extensions import override

from schemas.outcomes import Outcome
from shared.backfill_marks import mark_of
from shared.metrics.catalogue import WORKER_METRICS
from shared.metrics.registry import Registry
from shared.metrics.results import Named, ResultSeries
from shared.observers import Observer
from shared.records import Settled

UNLABELLED_COUNTERS = tuple(each.name for each in WORKER_METRICS if each.kind == "counter" and not each.own_labels)

OFTEN_PAUSED_FOR = ("operator", "breaker", "broker", "store")
"""What nearly every pause is for. These series exist from the start, so that a healthy worker shows 0 and not nothing."""


class Metrics(Observer):
    """Updates the series of one stream's worker.

    Args:
        stream: The value of the series' `stream` label.
        registry: The metrics that the series belong to.
        named: The names that are values of labels.
        backfills: Whether the worker is that of a backfill: its results and the age of its records are not counted,
            because they would be taken for those of live traffic.
    """

    def __init__(self, stream: str, registry: Registry, named: Named | None = None, *, backfills: bool = False) -> None:
        self._backfills = backfills
        self._stream, self._results = stream, ResultSeries(stream, registry, named or Named())
        self._counters, self._gauges, self._histograms = registry.counters, registry.gauges, registry.histograms
        for outcome in Outcome:
            self._add("millrace_records_total", 0, outcome.value)
        for name in UNLABELLED_COUNTERS:  # a rule sees the first increase of a counter only if there was a 0 before
            self._add(name, 0)
        for dependency in OFTEN_PAUSED_FOR:
            self.resumed(dependency, 0.0)

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
        if oldest_timestamp_ms >= 0 and not self._backfills:
            oldest = self._gauges["millrace_last_batch_oldest_timestamp_seconds"].labels(self._stream)
            oldest.set(oldest_timestamp_ms / 1000)

    @override
    def results_settled(self, settled: Sequence[Settled], now_s: float, monotonic_s: float) -> None:
        if not self._backfills:
            live = [each for each in settled if mark_of(each.record, self._stream) is None]
            self._results.settle(live, now_s, monotonic_s)

    @override
    def version_conflict(self, records: int) -> None:
        self._add("millrace_version_conflicts_total", records)

    @override
    def inputs_embedded(self, modality: str, inputs: int, cost: float, unit: str, cached: int) -> None:
        self._add("millrace_inputs_total", cached, modality, "cache")
        self._add("millrace_inputs_total", inputs - cached, modality, "model")
        self._add("millrace_input_cost_total", cost, modality, unit)

    @override
    def model_computed(self, modality: str, unit: str, padding: float, busy_s: float) -> None:
        self._add("millrace_padding_cost_total", padding, modality, unit)
        self._add("millrace_model_busy_seconds_total", busy_s, modality)

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

    @override
    def vectors_refused(self, modality: str, reason: str, vectors: int) -> None:
        self._add("millrace_vectors_refused_total", vectors, modality, reason)

    @override
    def canary_checked(self, modality: str, cosine: float, files_changed: bool, at_s: float, every_s: float) -> None:
        self._gauges["millrace_canary_cosine"].labels(self._stream, modality).set(cosine)
        self._gauges["millrace_canary_files_changed"].labels(self._stream, modality).set(files_changed)
        self._gauges["millrace_canary_last_check_timestamp_seconds"].labels(self._stream, modality).set(at_s)
        self._gauges["millrace_canary_interval_seconds"].labels(self._stream, modality).set(every_s)

    def _set_or_clear(self, name: str, value: float | None, *labels: str) -> None:
        if value is None:
            self._gauges[name].remove(self._stream, *labels)
        else:
            self._gauges[name].labels(self._stream, *labels).set(value)

    def _add(self, name: str, amount: float, *labels: str) -> None:
        self._counters[name].labels(self._stream, *labels).inc(amount)

    def _observe(self, name: str, value: float, *labels: str) -> None:
        self._histograms[name].labels(self._stream, *labels).observe(value)
