"""The series of what a stream's results say. They are updated once per batch, because one by one costs ten times more."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from schemas.decisions import Action
from schemas.outcomes import Outcome
from shared.facts import Facts
from shared.metrics.catalogue import DECISION_METRICS
from shared.metrics.registry import Registry
from shared.records import Settled

OTHER = "other"
SINCE = ("occurred_at", "record", "reading")

UNLABELLED = tuple(each.name for each in DECISION_METRICS if each.kind == "histogram" and not each.own_labels)
"""Histograms of which each stream has one series."""

KNOWN = (
    ("millrace_similar_searches_total", "found"),
    ("millrace_similar_searches_total", "none"),
    *(("millrace_person_labels_total", action, agrees) for action in get_args(Action) for agrees in ("yes", "no")),
)
"""Counters whose labels have known values, with these."""


@dataclass(frozen=True, slots=True)
class Named:
    """The names that are values of labels; each other name counts as `other`.

    Attributes:
        queues: Names of queues.
        labels: Names of labels.
        tenants: Names of tenants; without any, results are not counted by tenant.
    """

    queues: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()


class ResultSeries:
    """Updates the series of one stream's results.

    Args:
        stream: The stream.
        registry: The metrics that the series belong to.
        named: The names that are values of labels.
    """

    def __init__(self, stream: str, registry: Registry, named: Named) -> None:
        self._stream, self._named = stream, named
        self._counters, self._tallies = registry.counters, registry.tallies
        self._open()

    def settle(self, settled: Sequence[Settled], now_s: float, monotonic_s: float) -> None:
        """Count the results of a batch.

        Args:
            settled: The outcomes of its records.
            now_s: The Unix time, in seconds.
            monotonic_s: The time of the monotonic clock, in seconds.
        """
        counts: Counter[tuple[str, ...]] = Counter()
        values: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
        for each in settled:
            facts = each.facts
            if facts is None or each.outcome is Outcome.SUPERSEDED:
                continue
            if facts.judged is not None:
                agrees = "yes" if facts.judged.agrees else "no"
                counts["millrace_person_labels_total", facts.judged.action, agrees] += 1
            if facts.is_published and each.results:
                self._count(facts, counts)
                _measure(facts, values)
                _time(facts, each.record.read_s, (now_s, monotonic_s), values)
        for (name, *labels), count in counts.items():
            self._counters[name].labels(self._stream, *labels).inc(count)
        for (name, *labels), found in values.items():
            self._tallies[name].observe((self._stream, *labels), found)

    def _count(self, facts: Facts, counts: Counter[tuple[str, ...]]) -> None:
        measures, decision = facts.measures, facts.decision
        if measures.offered is not None:
            counts["millrace_similar_searches_total", "found" if measures.offered else "none"] += 1
        if measures.is_empty:
            counts["millrace_empty_inputs_total",] += 1
        for counted in measures.counted:
            counts[counted] += 1
        if decision is None:
            return
        queue, label = _named(decision.queue, self._named.queues), _named(decision.label, self._named.labels)
        counts["millrace_decisions_total", decision.action, decision.action_reason, queue, label] += 1
        if self._named.tenants:
            tenant = _named(facts.tenant_id, self._named.tenants)
            counts["millrace_tenant_decisions_total", tenant, decision.action] += 1

    def _open(self) -> None:
        """Create the series whose labels are known, so that they are exported before the first result."""
        for name in UNLABELLED:
            self._tallies[name].open((self._stream,))
        for since in SINCE:
            self._tallies["millrace_result_seconds"].open((self._stream, since))
        for name, *labels in KNOWN:
            self._counters[name].labels(self._stream, *labels)
        self._counters["millrace_empty_inputs_total"].labels(self._stream)


def _measure(facts: Facts, values: defaultdict[tuple[str, ...], list[float]]) -> None:
    measures, decision = facts.measures, facts.decision
    for name, size in measures.sizes.items():
        values[name,].append(size)
    if measures.offered:
        values["millrace_best_similarity",].append(max(measures.offered))
    if decision is not None and decision.confidence is not None:
        values["millrace_decision_confidence", decision.action].append(decision.confidence)
    if decision is not None and decision.scope is not None:
        values["millrace_decision_scope",].append(decision.scope)


def _time(
    facts: Facts, read_s: float, now: tuple[float, float], values: defaultdict[tuple[str, ...], list[float]]
) -> None:
    """Add the times until now; one that began in the future, by another clock, counts as 0."""
    now_s, monotonic_s = now
    values["millrace_result_seconds", "occurred_at"].append(max(0.0, now_s - facts.occurred_at.timestamp()))
    if facts.sent_at_ms >= 0:
        values["millrace_result_seconds", "record"].append(max(0.0, now_s - facts.sent_at_ms / 1000))
    if read_s >= 0:
        values["millrace_result_seconds", "reading"].append(max(0.0, monotonic_s - read_s))


def _named(value: str | None, names: frozenset[str]) -> str:
    return "" if value is None else value if value in names else OTHER
