"""Builds a reference: centroids from one part of the items, and what windows are compared with from the other part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared.drift.building.clusters import spherical_centroids
from shared.drift.building.names import centroid_names
from shared.drift.building.resampling import Beside, Sample, baseline_of, cells_of
from shared.drift.reference import Reference, Seen, Subject
from shared.drift.reference_files import identified
from shared.drift.slots import HOURS, slots_of
from shared.errors import Fatal

LEAST_ROWS = 1_000
"""A reference of fewer items would be further from the truth than what is looked for."""

MOST_ROWS = 20_000
"""Of more items, this number is used, evenly spread over time, except for the hours of the week."""

FITTED_SHARE = 0.4
MOST_FITTED = 5_000
"""The share of the items that the centroids are fitted to, and their largest number."""

FAR_SHARE = 0.1
OUTLIER_SHARE = 0.01
STEADY_ITEMS = 20
"""The threshold of a centroid with few items is drawn towards that of all centroids, as if it had these items more."""

LEAST_SLOT_ROWS = 1_000
MOST_SLOT_ROWS = 4_000
"""A slot of the week has its own baseline from this number of items on; at most 4,000 of them are used."""

MOST_HOURS = 24
"""The hours with most items have a baseline of their own, so that a file stays below 2 MB; see `shared.drift.slots`."""

MOST_SLOT_SHARE = 0.9
"""A slot with more of the items than this is the whole."""

WINDOW_SIZES = (500, 1_000, 2_000, 4_000, 8_000, 16_000)
RESAMPLES = 2_000
SLOT_RESAMPLES = 1_000
SEED = 20_261_129

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the items come from.

    Attributes:
        made_at: When the reference is built.
        head: Fingerprint of the head that decided the items; None without one.
        policy: SHA-256 of the policy that decided them.
        empty: Number of items beside the rows that had nothing to embed; None if it is not known.
        failed: Number of records beside the rows that became dead letters; None if it is not known.
    """

    made_at: datetime
    head: str | None = None
    policy: str | None = None
    empty: int | None = None
    failed: int | None = None


def build(
    subject: Subject,
    rows: Sequence[Seen],
    origin: Origin,
    progress: Progress = lambda done, steps: None,
    resamples: int = RESAMPLES,
) -> Reference:
    """Build the reference of a subject. The same rows in the same order give the same reference.

    Args:
        subject: What it is about.
        rows: Its items; at least 1,000.
        origin: Where they come from.
        progress: Called with the steps that are done, and their number.
        resamples: Number of resamples for each size of windows.

    Raises:
        Fatal: there are too few rows, or their vectors differ in length.
    """
    _check(subject, rows)
    rng = np.random.default_rng(SEED)
    ordered = sorted(rows, key=lambda row: (row.occurred_at, row.item_id))
    thinned = [ordered[int(n * len(ordered) / MOST_ROWS)] for n in range(MOST_ROWS)]
    used = thinned if len(ordered) > MOST_ROWS else ordered
    order = rng.permutation(len(used))
    fitted_rows = min(int(len(used) * FITTED_SHARE), MOST_FITTED)
    vectors = np.stack([row.vector for row in used]).astype(np.float32)
    centroids = spherical_centroids(vectors[order[:fitted_rows]], rng)
    nearest = (vectors @ centroids.T).argmax(axis=1)
    fitted, kept = order[:fitted_rows], order[fitted_rows:]
    far_below, outlier_below = _thresholds(
        (vectors[fitted], nearest[fitted]), (vectors[kept], nearest[kept]), centroids
    )
    bare = Reference(
        subject=subject,
        reference_id="",
        made_at=origin.made_at,
        first_at=ordered[0].occurred_at,
        last_at=ordered[-1].occurred_at,
        centroids=centroids,
        names=centroid_names(used, nearest, len(centroids)),
        far_below=far_below,
        outlier_below=outlier_below,
        head=origin.head,
        policy=origin.policy,
    )
    fitted_ids = {used[n].item_id for n in fitted}
    slots = _slots([row for row in ordered if row.item_id not in fitted_ids], rng)
    beside, classes = Beside(origin.empty, origin.failed, len(rows)), cells_of([used[n] for n in fitted])
    whole, steps = Sample.of(bare, [used[n] for n in kept], classes, beside), len(WINDOW_SIZES) + len(slots)
    progress(0, steps)
    baselines = [baseline_of(whole, None, WINDOW_SIZES, resamples, rng, lambda done: progress(done, steps))]
    weeks = max((ordered[-1].occurred_at - ordered[0].occurred_at).total_seconds() / (7 * 86_400), 1.0)
    for number, (slot, (count, of_slot)) in enumerate(slots.items(), 1):
        usual = [size for size in WINDOW_SIZES[1:] if size <= count / weeks]
        sizes = [WINDOW_SIZES[0], *(usual[-1:] if slot < HOURS else usual)]
        sample = Sample.of(bare, of_slot, classes, beside)
        baselines.append(baseline_of(sample, slot, sizes, SLOT_RESAMPLES, rng, lambda done: None))
        progress(len(WINDOW_SIZES) + number, steps)
    return identified(bare, baselines)


def _check(subject: Subject, rows: Sequence[Seen]) -> None:
    if len(rows) < LEAST_ROWS:
        raise Fatal(f"a reference needs at least {LEAST_ROWS:,} items, but {subject} has {len(rows):,}")
    if len({len(row.vector) for row in rows}) > 1:
        raise Fatal(f"the vectors of {subject} have different lengths: they come from different models")


def _thresholds(
    fitted: tuple[NDArray[np.float32], NDArray[np.int64]],
    kept: tuple[NDArray[np.float32], NDArray[np.int64]],
    centroids: NDArray[np.float32],
) -> tuple[NDArray[np.float32], float]:
    """Return below which cosine similarity an item is far from each centroid, and below which it is an outlier.

    The thresholds are those of the items that the centroids are fitted to, moved by one number, because other items lie
    further away. Thresholds of the items that windows are compared with would be exceeded more often by windows.

    Args:
        fitted: The vectors that the centroids are fitted to, and the nearest centroid of each.
        kept: The same of the others.
        centroids: The centroids.
    """
    cosines, other = (np.einsum("nd,nd->n", vectors, centroids[nearest]) for vectors, nearest in (fitted, kept))
    own = [cosines[fitted[1] == number] for number in range(len(centroids))]
    means = np.array([each.mean() if len(each) else cosines.mean() for each in own])
    usual = np.quantile(cosines - means[fitted[1]], FAR_SHARE)
    far_below = np.empty(len(centroids), np.float32)
    for number, mean in enumerate(means):
        items = len(own[number])
        quantile = np.quantile(own[number], FAR_SHARE) if items else mean + usual
        far_below[number] = (items * quantile + STEADY_ITEMS * (mean + usual)) / (items + STEADY_ITEMS)
    far_below += np.float32(np.quantile(other - far_below[kept[1]], FAR_SHARE))
    further = np.quantile(other, FAR_SHARE) - np.quantile(cosines, FAR_SHARE)
    return far_below, float(np.quantile(cosines, OUTLIER_SHARE) + further)


def _slots(rows: Sequence[Seen], rng: np.random.Generator) -> Mapping[int, tuple[int, list[Seen]]]:
    """Return the rows of each slot of the week that has enough, and how many it had."""
    by_slot: dict[int, list[Seen]] = {}
    for row in rows:
        for slot in slots_of(row.occurred_at):
            by_slot.setdefault(slot, []).append(row)
    enough = [n for n, own in by_slot.items() if LEAST_SLOT_ROWS <= len(own) <= MOST_SLOT_SHARE * len(rows)]
    hours = sorted((n for n in enough if n < HOURS), key=lambda n: (-len(by_slot[n]), n))[:MOST_HOURS]
    found = {}
    for slot in sorted([*hours, *(n for n in enough if n >= HOURS)]):
        own = by_slot[slot]
        chosen = rng.permutation(len(own))[:MOST_SLOT_ROWS]
        found[slot] = (len(own), [own[n] for n in chosen])
    return found
