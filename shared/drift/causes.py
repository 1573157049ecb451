"""Names what has changed between a reference and a window."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from schemas.drift import Cause, CauseKind, Example
from shared.drift.baseline import Baseline
from shared.drift.reference import Reference
from shared.drift.totals import Numbers, Totals, far_scores
from shared.drift.window import Window

LEAST_SCORE = 3.0
"""A class counts as grown from this number of standard deviations on."""

FIRST_SHARE = 0.7
"""An earlier kind of cause is named before a later one if it has grown by at least this share of the largest growth."""

MOST_CAUSES = 8
MOST_CENTROIDS = 5
MOST_EXAMPLES = 10

KINDS: tuple[tuple[str, CauseKind], ...] = (
    ("failed", "failed"),
    ("empty", "empty"),
    ("lengths", "length"),
    ("languages", "language"),
    ("channels", "channel"),
    ("outputs", "outputs"),
    ("novelty", "novelty"),
    ("centroids", "topic"),
    ("labels", "label"),
    ("actions", "action"),
    ("confidences", "confidence"),
)
"""The kinds of causes in the order in which they are named if they have grown alike: a cause before its effects."""

CHOSEN: Mapping[str, Callable[[Example], object]] = {
    "lengths": lambda each: each.length,
    "languages": lambda each: each.language,
    "channels": lambda each: each.channel,
    "labels": lambda each: each.label,
}


@dataclass(frozen=True, slots=True)
class Growth:
    """What has grown.

    Attributes:
        family: The family, see `KINDS`.
        name: Its class.
        before: Its share of the reference's items.
        now: Its share of the window's items.
        score: How many standard deviations it has grown.
        centroids: The centroids that it is about, if it is about any.
    """

    family: str
    name: str
    before: float
    now: float
    score: float
    centroids: frozenset[int] = frozenset()

    @property
    def size(self) -> float:
        """The growth of the share."""
        return self.now - self.before


def causes_of(
    window: Window, reference: Reference, baseline: Baseline, scores: Mapping[str, float]
) -> tuple[Cause, ...]:
    """Return what has changed, the likeliest first; never empty."""
    totals = baseline.totals_of(window)
    grown = [*_grown(window, totals, reference, baseline), *_far(totals, reference, baseline)]
    order = [family for family, _ in KINDS]
    found = [each for each in grown if each.score >= LEAST_SCORE and each.size > 0]
    if not found:
        found = sorted(grown, key=lambda each: -each.score)[:1]
    largest = max((each.size for each in found), default=0.0)
    found.sort(key=lambda each: (each.size < FIRST_SHARE * largest, order.index(each.family), -each.size))
    changed = [*_changed("head", window.heads, reference.head), *_changed("policy", window.policies, reference.policy)]
    named = [_cause(each, window) for each in found]
    if not named and not changed:
        named = [Cause(kind="outputs", name="the vectors as a whole", since=window.start)]
    return (*changed, *named)[:MOST_CAUSES]


def effect_of(causes: tuple[Cause, ...]) -> float:
    """Return the share of items that would have to change: the largest growth among the causes."""
    sizes = [
        cause.window_share - cause.reference_share
        for cause in causes
        if cause.window_share is not None and cause.reference_share is not None
    ]
    return float(min(max([0.0, *sizes]), 1.0))


def _changed(kind: CauseKind, found: set[str], known: str | None) -> Iterator[Cause]:
    other = sorted(found - {known}) if known is not None else []
    if other:
        yield Cause(kind=kind, name=f"{known} became {', '.join(other)}")


def _grown(window: Window, totals: Totals, reference: Reference, baseline: Baseline) -> Iterator[Growth]:
    """Yield each class of the families of counts."""
    for family in ("failed", "empty"):
        counts, known = totals.counts[family], baseline.totals.counts[family]
        if known.sum() > 0:
            yield _growth(family, family, (counts[0], counts.sum()), (known[0], known.sum()))
    for number, name in enumerate(reference.names):
        counts, known = totals.counts["centroids"], baseline.totals.counts["centroids"]
        each = _growth("centroids", name, (counts[number], counts.sum()), (known[number], known.sum()))
        yield Growth(each.family, each.name, each.before, each.now, each.score, frozenset({number}))
    for family, classes in baseline.classes.items():
        known, counts = baseline.totals.counts[family], totals.counts[family]
        if not known.sum() or not counts.sum():
            continue
        before = dict(zip(classes, known.tolist(), strict=False))
        for name in {*classes, *window.counts[family]}:
            now = window.counts[family][name], counts.sum()
            yield _growth(family, name, now, (before.get(name, 0.0), known.sum()))


def _growth(family: str, name: str, now: tuple[float, float], before: tuple[float, float]) -> Growth:
    window_share, reference_share = now[0] / max(now[1], 1), before[0] / max(before[1], 1)
    share = (now[0] + before[0] + 1) / (now[1] + before[1] + 2)
    deviation = np.sqrt(share * (1 - share) * (1 / max(now[1], 1) + 1 / max(before[1], 1)))
    return Growth(family, name, reference_share, window_share, float((window_share - reference_share) / deviation))


def _far(totals: Totals, reference: Reference, baseline: Baseline) -> Iterator[Growth]:
    """Yield the growth of far items: of a few centroids (novelty), or of most of them (outputs)."""
    items, known = totals.counts["centroids"], baseline.totals.counts["centroids"]
    far, known_far = totals.counts["far"], baseline.totals.counts["far"]
    usual = known_far.sum() / known.sum()
    share = (known_far + usual * 5) / (known + 5)
    expected = items * share
    excess = far - expected
    total = items.sum()
    wide = far.sum() / total - expected.sum() / total
    deviation = np.sqrt(usual * (1 - usual) * (1 / total + 1 / known.sum()))
    if wide / deviation >= LEAST_SCORE and _is_even(far, items, expected):
        yield Growth("outputs", "the vectors of most topics", usual, float(far.sum() / total), float(wide / deviation))
        return
    scores = far_scores(totals.counts, baseline.totals.counts)
    few = np.flatnonzero((scores >= 2) & (excess > 0))
    few = few[np.argsort(-excess[few])][:MOST_CENTROIDS]
    if len(few):
        score = excess[few].sum() / np.sqrt((expected[few] * (1 - share[few])).sum() + 1)
        near = ", ".join(f'"{reference.names[n]}"' for n in few[:3])
        before, now = float(expected[few].sum() / total), float(far[few].sum() / total)
        yield Growth("novelty", f"new, nearest to {near}", before, now, float(score), frozenset(few.tolist()))


def _is_even(far: Numbers, items: Numbers, expected: Numbers) -> bool:
    """Return whether far items have grown by one factor in most centroids."""
    shared = items * far.sum() / items.sum()
    growth = far - expected
    wanted = shared - expected
    reached = np.minimum(growth, wanted).clip(0).sum()
    return bool(reached >= 0.5 * np.maximum(growth, 0).sum())


def _cause(growth: Growth, window: Window) -> Cause:
    return Cause(
        kind=dict(KINDS)[growth.family],
        name=growth.name,
        reference_share=growth.before,
        window_share=growth.now,
        since=window.start,
        examples=tuple(each.item_id for each in window.examples if _belongs(each, growth))[:MOST_EXAMPLES],
    )


def _belongs(example: Example, growth: Growth) -> bool:
    if growth.family == "outputs":
        return example.is_far
    if growth.centroids:
        return example.centroid in growth.centroids and (example.is_far or growth.family != "novelty")
    chosen = CHOSEN.get(growth.family)
    return chosen is not None and chosen(example) == growth.name
