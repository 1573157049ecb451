"""The samples of the drift metrics, computed when they are read, on the thread that reads them."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from schemas.drift import Answer
from shared.drift.alerting import IN_A_ROW
from shared.drift.board import Board, KnownReferences, Tallies
from shared.drift.reference import Subject
from shared.drift.spike_board import SpikeBoard
from shared.drift.watched import Watched
from shared.drift.window import LEAST_ITEMS
from shared.metrics.registry import Sample

ANSWERS: tuple[Answer, ...] = ("no_drift", "drift", "too_few", "no_reference")

Owned = Collection[tuple[str, int]]
"""Partitions, by topic and number."""


def board_samples(board: Board, references: KnownReferences, owned: Owned, now: datetime) -> Iterator[Sample]:
    """Yield the samples of a stream's windows in the partitions that this instance owns."""
    with board.lock:
        mine = [each for each in board if (board.topic, each.place.partition) in owned]
        newest = _newest_models(each for each in mine if not each.is_forgotten(now))
        for watched in newest:
            yield from _subject_samples(watched, references, now)
        batches = [each.last_batch.timestamp() for each in mine if each.last_batch is not None]
    if batches:
        yield Sample("millrace_drift_last_batch_timestamp_seconds", (board.stream,), max(batches))


def spike_samples(board: SpikeBoard, tallies: Tallies) -> Iterator[Sample]:
    """Yield the samples of a stream's spikes."""
    yield Sample("millrace_spikes_open", (board.stream,), board.open_count)
    yield Sample("millrace_spikes_total", (board.stream,), tallies.spikes[board.stream])


def tally_samples(tallies: Tallies) -> Iterator[Sample]:
    """Yield the samples of what has been counted."""
    windows, alerts = dict(tallies.windows), dict(tallies.alerts)
    yield from _totals("millrace_drift_windows_total", (((*_labels(s), a), n) for (s, a), n in windows.items()))
    yield from _totals("millrace_drift_alerts_total", ((_labels(s), n) for s, n in alerts.items()))
    for labels, count in dict(tallies.left_out).items():
        yield Sample("millrace_drift_left_out_items_total", labels, count)
    for stream, count in dict(tallies.failures).items():
        yield Sample("millrace_drift_judging_failures_total", (stream,), count)
    for topic, count in dict(tallies.unreadable).items():
        yield Sample("millrace_drift_unreadable_messages_total", (topic,), count)


def _totals(name: str, counted: Iterable[tuple[tuple[str, ...], int]]) -> Iterator[Sample]:
    """Add up what has the same labels: a subject has no label for its model."""
    sums: dict[tuple[str, ...], int] = {}
    for labels, count in counted:
        sums[labels] = sums.get(labels, 0) + count
    for labels, count in sums.items():
        yield Sample(name, labels, count)


def _newest_models(every: Iterable[Watched]) -> list[Watched]:
    """Return one subject for each stream, input and key: the one with the model of the newest batch."""
    newest: dict[tuple[str, ...], Watched] = {}
    for each in sorted(every, key=lambda each: each.last_batch.timestamp() if each.last_batch else 0.0):
        newest[_labels(each.subject)] = each
    return list(newest.values())


def _labels(subject: Subject) -> tuple[str, ...]:
    return subject.stream, subject.input, subject.key


def _subject_samples(watched: Watched, references: KnownReferences, now: datetime) -> Iterator[Sample]:
    labels, window = _labels(watched.subject), watched.window
    yield Sample("millrace_drift_window_items", labels, 0 if window is None else window.items)
    if window is not None:
        yield Sample("millrace_drift_window_start_timestamp_seconds", labels, window.start.timestamp())
    reference = references.of(watched.subject)
    if reference is not None:
        yield Sample("millrace_drift_reference_age_seconds", labels, (now - reference.made_at).total_seconds())
    recent = watched.closed[-IN_A_ROW:]
    alerting = len(recent) == IN_A_ROW and all(closed.beyond for closed in recent)
    yield Sample("millrace_drift_alerting", labels, float(alerting))
    last = watched.last
    is_other = reference is not None and watched.others >= LEAST_ITEMS
    answer: Answer | None = "no_reference" if is_other else None if last is None else last.answer
    if answer is not None:
        for each in ANSWERS:
            yield Sample("millrace_drift_answer", (*labels, each), float(each == answer))
    if last is None:
        return
    yield Sample("millrace_drift_last_window_timestamp_seconds", labels, last.end.timestamp())
    if last.p_value is not None:
        yield Sample("millrace_drift_p_value", labels, last.p_value)
        yield Sample("millrace_drift_effect_ratio", labels, last.effect)
    if last.items and last.answer != "no_reference":
        yield Sample("millrace_drift_outlier_ratio", labels, last.outliers / last.items)
    if judged := last.agreed + last.overridden:
        yield Sample("millrace_drift_override_ratio", labels, last.overridden / judged)
