"""Names what has changed between a reference and a window."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from schemas.drift import Cause, CauseKind, Example
from shared.drift.baseline import Baseline
from shared.drift.reference import Reference
from shared.drift.totals import Numbers, Totals, moved_between, moved_share
from shared.drift.traits import UNKNOWN
from shared.drift.window import Window

LEAST_SCORE = 3.0
"""A class counts as grown from this number of standard deviations on."""

OF_TEXTS = ("languages", "lengths", "channels")
"""The families that depend on the texts alone, not on what a model makes of them."""

OF_TOPICS = ("centroids", "centroids_peak", "labels", "labels_peak")
"""The families that say what items are about."""

FIRST_SHARE, FIRST_SHARE_OF_TEXTS = 0.5, 0.9
"""An earlier kind of cause is named before a later one if it has grown by at least this share of the largest growth."""

MOST_CAUSES = 8
MOST_CENTROIDS = 5
STEADY_ITEMS = 5
"""The share of far items of a centroid is drawn towards that of all, as if it had these items more."""

LEAST_REACHED = 2.5
LEAST_MOST_REACHED = 3.5
"""Centroids whose items have grown by these standard deviations may have been reached by something new, if one of them has
grown by the second number: of 160 centroids, one grows by the first by chance alone."""

UNSURE = 0.5
"""A decision of a lower confidence counts as unsure."""

NEW_CONSTANT, NEW_FAR, NEW_LABEL, NEW_UNSURE, NEW_ALONE = 1.0, 11.0, 5.5, 5.5, -2.2
"""The log odds that what has reached some centroids is new: of the items by which these have grown, the share that is far
(of a known topic it is about one in ten), the share that got the one label that has grown most (nearly all of a known
topic), and the share of unsure decisions. Fitted by logistic regression on windows of 5 to 25 % of known and of new intents
of Banking77 and Bitext; without decisions, the share of far items counts alone, with the last constant."""

MOST_FAR, LEAST_LABEL, MOST_UNSURE = 0.6, 0.3, 0.6
"""The shares are cut at these values, so that a small growth, which makes them large by chance, decides nothing."""

LEAST_NEARNESS = 5.0
LEAST_WIDE = 3.0
"""Outputs have changed if the score of nearness is at least the first, if far items have grown by the second, in standard
deviations, among the centroids whose items have not grown, and if more than half of the new far items are there."""

LEAST_LEADING = 10.0
"""Or if the score of nearness is at least this one, while neither texts nor topics have clearly changed (`LEAST_BROAD`):
all vectors lie a little further from their centroids, but the items are of the same kinds."""

MOST_EXAMPLES = 10

MIXES = {
    "centroids": "topics",
    "labels": "labels",
    "languages": "languages",
    "channels": "channels",
    "lengths": "lengths",
}
BROAD = 2.0
LEAST_BROAD = 7.0
"""The mix of a family is named first if more than this multiple of the largest growth of one class has moved within it, and
if the score of the family is at least the second number: a p-value of 0.001."""

KINDS: tuple[tuple[str, CauseKind], ...] = (
    ("failed", "failed"),
    ("empty", "empty"),
    ("languages", "language"),
    ("lengths", "length"),
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
    "actions": lambda each: each.action,
    "confidences": lambda each: each.confidence,
    "empty": lambda each: "empty" if each.is_empty else None,
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
    grown = [*_grown(window, totals, reference, baseline)]
    outputs_lead = _outputs_lead(scores)
    grown += [*_outputs(totals, baseline, scores, outputs_lead)] or [*_new(totals, reference, baseline)]
    order = [family for family, _ in KINDS]
    found = [each for each in grown if each.score >= LEAST_SCORE and each.size > 0]
    none_clear = not found
    if none_clear:
        found = sorted(grown, key=lambda each: -each.score)[:1]
    largest = max((each.size for each in found), default=0.0)
    found.sort(
        key=lambda each: (
            not (outputs_lead and each.family == "outputs"),
            each.size < _first_share(each.family) * largest,
            order.index(each.family),
            -each.size,
        )
    )
    changed: list[Cause] = []
    if window.counts["actions"].total():
        changed += _changed("head", window.heads, reference.head)
        changed += _changed("policy", window.policies, reference.policy)
    named = [_cause(each, window) for each in found]
    broad = _broad(totals, baseline, scores, window)
    if broad is not None and _size(broad) > BROAD * largest:
        named.insert(0, broad)
    if none_clear:
        share = moved_share(totals, baseline.totals)
        named.append(_of_all("outputs", "the vectors as a whole", share, window))
    return (*changed, *named)[:MOST_CAUSES]


def _first_share(family: str) -> float:
    return FIRST_SHARE_OF_TEXTS if family in OF_TEXTS else FIRST_SHARE


def effect_of(causes: Iterable[Cause], totals: Totals, known: Totals) -> float:
    """Return the share of items that would have to change: the largest growth among the causes, or of a whole family."""
    mixes = (moved_between(totals.counts[family], known.counts[family]) for family in MIXES)
    return float(min(max([0.0, *map(_size, causes), *mixes]), 1.0))


def _size(cause: Cause) -> float:
    if cause.window_share is None or cause.reference_share is None:
        return 0.0
    return cause.window_share - cause.reference_share


def _broad(totals: Totals, baseline: Baseline, scores: Mapping[str, float], window: Window) -> Cause | None:
    """Return that the mix of a family has changed, if it has."""
    moved = {family: moved_between(totals.counts[family], baseline.totals.counts[family]) for family in MIXES}
    family = max(moved, key=lambda name: moved[name])
    if scores[family] < LEAST_BROAD:
        return None
    return _of_all(dict(KINDS)[family], f"the mix of all {MIXES[family]}", moved[family], window)


def _of_all(kind: CauseKind, name: str, moved: float, window: Window) -> Cause:
    return Cause(kind=kind, name=name, reference_share=0.0, window_share=moved, since=window.start)


def _changed(kind: CauseKind, found: set[str], known: str | None) -> Iterator[Cause]:
    """Yield that a head or a policy has changed. Items were decided: if nothing is named, it was without one."""
    other = sorted(found - {known})
    if other or (not found and known is not None):
        yield Cause(kind=kind, name=f"{known or f'no {kind}'} became {', '.join(other) or f'no {kind}'}")


def _grown(window: Window, totals: Totals, reference: Reference, baseline: Baseline) -> Iterator[Growth]:
    """Yield each class of the families of counts."""
    items, known_items = float(totals.vectors), float(baseline.totals.vectors)
    for family in ("failed", "empty"):
        counts, known = totals.counts[family], baseline.totals.counts[family]
        if known.sum() > 0:
            yield _growth(family, family, (counts[0], counts.sum()), (known[0], known.sum()))
    counts, known = totals.counts["centroids"], baseline.totals.counts["centroids"]
    for number, name in enumerate(reference.names):
        each = _growth("centroids", name, (counts[number], items), (known[number], known_items))
        yield replace(each, centroids=frozenset({number}))
    for family, classes in baseline.classes.items():
        if not baseline.totals.counts[family].sum() or not totals.counts[family].sum():
            continue
        before = {**baseline.rare.get(family, {}), **dict(zip(classes, baseline.totals.counts[family], strict=False))}
        for name in sorted({*classes, *window.counts[family]}):
            known_count = float(before.get(name, 0.0))
            yield _growth(family, name, (window.counts[family][name], items), (known_count, known_items))


def _growth(family: str, name: str, now: tuple[float, float], before: tuple[float, float]) -> Growth:
    window_share, reference_share = now[0] / max(now[1], 1), before[0] / max(before[1], 1)
    share = (now[0] + before[0] + 1) / (now[1] + before[1] + 2)
    deviation = np.sqrt(share * (1 - share) * (1 / max(now[1], 1) + 1 / max(before[1], 1)))
    return Growth(family, name, reference_share, window_share, float((window_share - reference_share) / deviation))


def _new(totals: Totals, reference: Reference, baseline: Baseline) -> Iterator[Growth]:
    """Yield the growth of a few centroids, if what has reached them is new and not more of the known."""
    items, known = totals.counts["centroids"], baseline.totals.counts["centroids"]
    usual = items.sum() * known / known.sum()
    scores = _growth_scores(items, known)
    if scores.max() < LEAST_MOST_REACHED:
        return
    reached = np.flatnonzero(scores >= LEAST_REACHED)
    few = reached[np.argsort(-(items - usual)[reached])][:MOST_CENTROIDS]
    growth = float((items - usual)[few].sum())
    if _novelty(totals, baseline, few, growth) <= 0:
        return
    near = ", ".join(f'"{reference.names[n]}"' for n in few[:3])
    before, now = float(known[few].sum() / known.sum()), float(items[few].sum() / items.sum())
    grown = _growth(
        "novelty", f"new, nearest to {near}", (items[few].sum(), items.sum()), (known[few].sum(), known.sum())
    )
    yield replace(grown, before=before, now=now, centroids=frozenset(few.tolist()))


def _novelty(totals: Totals, baseline: Baseline, few: NDArray[np.intp], growth: float) -> float:
    """Return the log odds that what has reached some centroids is new, see `NEW_FAR`.

    Args:
        totals: The totals of the window.
        baseline: What it is compared with.
        few: The centroids.
        growth: The items by which they have grown.
    """

    def share_of(name: str, cells: Sequence[int] | NDArray[np.intp] | slice) -> Numbers:
        now, before = totals.counts[name], baseline.totals.counts[name]
        whole = totals.counts["centroids"].sum() / baseline.totals.counts["centroids"].sum()
        return np.asarray((now - before * whole)[cells] / growth)

    far = float(np.clip(share_of("far", few).sum(), 0, MOST_FAR))
    both = (totals.counts, baseline.totals.counts)
    if not all(counts[name].sum() > 0 for counts in both for name in ("labels", "confidences")):
        return NEW_ALONE + NEW_FAR * far
    low = [cell for cell, name in enumerate(baseline.classes["confidences"]) if name == UNKNOWN or float(name) < UNSURE]
    one_label = float(np.clip(share_of("labels", slice(None)).max(), LEAST_LABEL, 1))
    unsure = float(np.clip(share_of("confidences", low).sum(), 0, MOST_UNSURE))
    return NEW_CONSTANT + NEW_FAR * far - NEW_LABEL * one_label + NEW_UNSURE * unsure


def _growth_scores(items: Numbers, known: Numbers) -> Numbers:
    """Return by centroid how many standard deviations its share of items has grown: shape (k,)."""
    expected = (known + 1) * items.sum() / known.sum()
    return np.asarray((items - expected) / np.sqrt(expected * (1 + items.sum() / known.sum())))


def _outputs(totals: Totals, baseline: Baseline, scores: Mapping[str, float], lead: bool) -> Iterator[Growth]:
    """Yield that vectors lie further from their centroids, if they lead or far items have grown alike in most centroids."""
    items, far = totals.counts["centroids"], totals.counts["far"]
    known, known_far = baseline.totals.counts["centroids"], baseline.totals.counts["far"]
    usual, share = known_far.sum() / known.sum(), far.sum() / items.sum()
    steady = (known_far + usual * STEADY_ITEMS) / (known + STEADY_ITEMS)
    fell = totals.cosines / items.sum() < baseline.totals.cosines / known.sum()
    if not fell or scores["nearness"] < LEAST_NEARNESS:
        return
    most = _growth_scores(items, known) < 1  # new items land elsewhere, but for a few
    expected = items * steady
    more = far - expected
    score = more[most].sum() / np.sqrt(expected[most].sum() * (1 + items.sum() / known.sum()) + 1)
    if lead or (score >= LEAST_WIDE and more[most].sum() > more.sum() / 2):
        yield Growth(
            "outputs", "the vectors of most topics", float(usual), float(share), LEAST_SCORE + max(float(score), 0.0)
        )


def _outputs_lead(scores: Mapping[str, float]) -> bool:
    """Return whether vectors lie further away, while texts and topics are as they were."""
    steady = all(scores[family] < LEAST_BROAD for family in (*OF_TEXTS, *OF_TOPICS))
    return steady and scores["nearness"] >= LEAST_LEADING


def _cause(growth: Growth, window: Window) -> Cause:
    examples = [each for each in window.examples if _belongs(each, growth)]
    return Cause(
        kind=dict(KINDS)[growth.family],
        name=growth.name,
        reference_share=growth.before,
        window_share=growth.now,
        since=window.start,
        examples=tuple(f"{each.tenant_id}:{each.item_id}" for each in examples[:MOST_EXAMPLES]),
    )


def _belongs(example: Example, growth: Growth) -> bool:
    if growth.family == "outputs":
        return example.is_far
    if growth.centroids:
        return example.centroid in growth.centroids and (example.is_far or growth.family != "novelty")
    chosen = CHOSEN.get(growth.family)
    return chosen is not None and chosen(example) == growth.name
