"""Judges a window: whether it differs from its reference, by how much, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt

from schemas.drift import Answer, Cause
from shared.drift.baseline import Baseline
from shared.drift.causes import causes_of, effect_of
from shared.drift.reference import Reference
from shared.drift.window import LEAST_ITEMS, Window

WINDOWS_PER_MONTH = 720
"""The largest number of windows of one subject in a month: one an hour."""

LEAST_LEVEL = 0.001
"""The smallest level that the resamples of a reference resolve."""

LARGEST_LEVEL = 0.5

SMALLEST_P = 1e-9
"""No smaller p-value is stated."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of one window.

    Attributes:
        answer: The answer.
        p_value: The probability of a difference at least this large without drift; None without a comparison.
        effect: The share of the items that would have to change to undo what was found; 0 without drift.
        causes: What has changed, the likeliest first; empty without drift.
        scores: By family of statistics, the negative natural logarithm of its p-value on its own.
    """

    answer: Answer
    p_value: float | None = None
    effect: float = 0.0
    causes: tuple[Cause, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


def judge(window: Window, reference: Reference | None, level: float) -> Judgement:
    """Judge a window.

    Args:
        window: The window.
        reference: The reference of its subject; None without one.
        level: The level of significance: the share of windows without drift that are taken for drift.
    """
    if reference is None or window.reference != reference.reference_id:
        return Judgement("no_reference")
    baseline = reference.baseline_for(window.start, window.end)
    if min(window.items, window.counts["centroids"].total()) < LEAST_ITEMS:
        return _judge_failed(window, baseline, level)
    compared = baseline.compare(window)
    if compared.p_value > level:
        return Judgement("no_drift", compared.p_value, scores=compared.scores)
    causes = causes_of(window, reference, baseline, compared.scores)
    effect = effect_of(causes, baseline.totals_of(window), baseline.totals)
    return Judgement("drift", compared.p_value, effect, causes, compared.scores)


def _judge_failed(window: Window, baseline: Baseline, level: float) -> Judgement:
    """Judge a window with too few vectors by its failed records alone, if they are enough and their usual share is known.

    The p-value is the bound of Chernoff (1952, https://doi.org/10.1214/aoms/1177729330) for a binomial tail, at a share
    that is two standard deviations above that of the reference.
    """
    failed, usual = baseline.totals.counts["failed"]
    records, known = window.items + window.failed, failed + usual
    if records < LEAST_ITEMS or known == 0:
        return Judgement("too_few")
    limit, share = min((failed + 1 + 2 * sqrt(failed + 1)) / known, 1.0), window.failed / records
    if share <= limit:
        return Judgement("too_few")
    divergence = share * log(share / limit) + (0.0 if share == 1 else (1 - share) * log((1 - share) / (1 - limit)))
    p_value = exp(-records * divergence)
    if p_value > level:
        return Judgement("too_few")
    before = float(failed / known)
    cause = Cause(kind="failed", name="failed", reference_share=before, window_share=share, since=window.start)
    return Judgement("drift", max(p_value, SMALLEST_P), share - before, (cause,))


def level_for(rate_per_month: float, subjects: int) -> float:
    """Return the level for single windows at which the whole application raises this many false alarms a month.

    An alert needs two windows in a row, so the level is the square root of the share of windows that may begin a false
    alert. It assumes a window of each subject in each hour; with fewer windows there are fewer false alarms.

    Args:
        rate_per_month: The wanted number of false alarms a month.
        subjects: The number of subjects that are watched.
    """
    level = sqrt(rate_per_month / (WINDOWS_PER_MONTH * max(subjects, 1)))
    return min(max(level, LEAST_LEVEL), LARGEST_LEVEL)
