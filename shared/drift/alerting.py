"""When closed windows raise an alert, and what it says: two windows in a row, since when, and whether it does harm."""

import math
import uuid
from collections.abc import Sequence
from typing import Literal, Protocol

from schemas.drift import Answer, Cause, DriftAlert
from shared.drift.watched import Closed, Watched
from shared.drift.window import Window

IN_A_ROW = 2
"""Windows beyond the level and the gate that raise an alert."""

NAMESPACE = uuid.UUID("6f0c2d0e-5d3b-4a86-9d0a-6f3a3c1f8a52")
MOST_GROWN = 20
HARM_Z = 2.0
"""Standard errors by which the share of overrides must have grown: about two false statements in a hundred."""

LEAST_DECISIONS = 30
"""With fewer judged decisions in the window or before it, nothing is said about harm."""

KINDS_WITHOUT_NAMES = ("novelty", "outputs")
"""Causes whose names list the centroids around, which differ from window to window."""

Harm = Literal["unknown", "none_seen", "overrides_grew"]


class Finding(Protocol):
    """What the judgement of a window found, as `shared.drift.judging` returns it."""

    @property
    def answer(self) -> Answer:
        """The answer."""
        ...

    @property
    def p_value(self) -> float | None:
        """The probability of such a window without drift; None if it was not judged."""
        ...

    @property
    def effect(self) -> float:
        """Share of the items that would have to change to undo the difference."""
        ...

    @property
    def causes(self) -> Sequence[Cause]:
        """What has changed, the likeliest first."""
        ...


def alert_due(watched: Watched, closing: Closed) -> bool:
    """Return whether a window that is about to be closed raises an alert: once for each run of windows beyond."""
    recent = [*watched.closed, closing][-IN_A_ROW:]
    return not watched.alerted and len(recent) == IN_A_ROW and all(each.beyond for each in recent)


def alert_id(watched: Watched, reference: str) -> str:
    """Return the id of the alert of the open window: the same one, however often the window is judged."""
    name = f"{watched.subject}|{reference}|{watched.place.topic_id}|{watched.first_offset}"
    return str(uuid.uuid5(NAMESPACE, name))


def closed_of(window: Window, judgement: Finding, beyond: bool) -> Closed:
    """Return what remains of a judged window."""
    return Closed(
        window.start,
        window.end,
        window.items,
        judgement.answer,
        judgement.p_value,
        judgement.effect,
        beyond,
        window.agreed,
        window.overridden,
        window.outliers,
        tuple((each.kind, each.name, each.window_share or 0.0) for each in judgement.causes[:MOST_GROWN]),
    )


def alert_of(watched: Watched, closing: Closed, judgement: Finding, reference: str, level: float) -> DriftAlert:
    """Return the alert of a window that is about to be closed."""
    subject = watched.subject
    judged, share = _overrides([closing])
    judged_before, before = _overrides([each for each in watched.closed if not each.beyond])
    return DriftAlert(
        alert_id=alert_id(watched, reference),
        stream=subject.stream,
        input=subject.input,
        model=subject.model,
        key=subject.key,
        reference=reference,
        window_start=closing.start,
        window_end=closing.end,
        items=closing.items,
        p_value=judgement.p_value or 1.0,
        level=level,
        effect=judgement.effect,
        causes=tuple(_since(each, watched.closed, closing) for each in judgement.causes),
        judged=judged,
        override_share=share,
        override_share_before=before,
        harm=_harm(judged, share, judged_before, before),
    )


def _since(cause: Cause, before: Sequence[Closed], closing: Closed) -> Cause:
    """Return the cause with the start of the first window of the unbroken row of windows that have it too."""
    start, by_kind = closing.start, cause.kind in KINDS_WITHOUT_NAMES
    for each in reversed(before):
        if not any(kind == cause.kind and (by_kind or name == cause.name) for kind, name, _ in each.grown):
            break
        start = each.start
    return cause.model_copy(update={"since": start})


def _overrides(windows: Sequence[Closed]) -> tuple[int, float | None]:
    judged = sum(each.agreed + each.overridden for each in windows)
    return judged, sum(each.overridden for each in windows) / judged if judged else None


def _harm(judged: int, share: float | None, judged_before: int, before: float | None) -> Harm:
    """Compare two shares by the test of two proportions, one-sided, with an item of each kind added to the pooled share."""
    if share is None or before is None or min(judged, judged_before) < LEAST_DECISIONS:
        return "unknown"
    pooled = (share * judged + before * judged_before + 1) / (judged + judged_before + 2)
    error = math.sqrt(pooled * (1 - pooled) * (1 / judged + 1 / judged_before))
    return "overrides_grew" if share - before >= HARM_Z * error else "none_seen"
