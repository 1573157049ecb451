"""Windows of 500 tickets of Banking77: usual ones, in which each alarm is false, and changed ones."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise

import numpy as np

from benchmarks.drift import Texts
from benchmarks.faults.drift_tickets import HEAD, Key, Split, copied, noisy
from schemas.drift import Cause, DriftAlert
from shared.drift.reference import Reference, Subject
from shared.drift.watched import Closed
from tests.support.drift_live import STREAM, Live
from tests.support.mondays import monday

START = monday(0, hours=210)
ITEMS, BATCH = 500, 50
USUAL_WINDOWS, CHANGED_WINDOWS = 2, 2
SMALL_SHARE, LARGE_SHARE = 0.05, 0.25
MOST_OF_INTENT = round(LARGE_SHARE * ITEMS)
FEES = ("card_payment_fee_charged", "transfer_fee_charged", "cash_withdrawal_charge")
LEAST_OF_INTENT = 215
CUT_EVERY = 4
NOISES = (0.3, 0.5)
NEW_SHARES = (0.05, 0.15)
CLOSE_TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Data:
    """What windows are made of.

    Attributes:
        texts: The questions of Banking77.
        cut: Every fourth of them, cut to ten characters.
        french: Texts in French.
        model: Fingerprint of the model of all vectors.
    """

    texts: Texts
    cut: Texts
    french: Texts
    model: str

    def subject(self, tenant: str) -> Subject:
        """Return the subject of a tenant."""
        return Subject(STREAM, "text", self.model, f"tenant:{tenant}")


@dataclass(frozen=True)
class Change:
    """A change of what arrives.

    Attributes:
        tenant: The tenant that it happens to.
        name: What it is.
        split: The texts.
        usual: Returns a window before it.
        changed: Returns a window after it.
        is_right: Whether a cause names it.
    """

    tenant: str
    name: str
    split: Split
    usual: Callable[[], Texts]
    changed: Callable[[], Texts]
    is_right: Callable[[Cause], bool]


@dataclass(frozen=True)
class Answer:
    """What the application has said of a change.

    Attributes:
        change: The change.
        alerts: Its alerts.
        windows: Its changed windows.
    """

    change: Change
    alerts: Sequence[DriftAlert]
    windows: Sequence[Closed]

    @property
    def alert(self) -> DriftAlert | None:
        """The alert that the changed windows raised."""
        changed = START + timedelta(hours=USUAL_WINDOWS)
        return next((each for each in self.alerts if each.window_start >= changed), None)

    @property
    def is_named(self) -> bool:
        """Whether the alert names the right cause first."""
        return self.alert is not None and self.change.is_right(self.alert.causes[0])


def send_window(found: Live, key: Key, texts: Texts, hour: int) -> None:
    """Settle the texts of one hour in batches."""
    mixed = texts.take(key.split.rng.permutation(len(texts)))
    for first in range(0, len(mixed), BATCH):
        at = START + timedelta(hours=hour, minutes=5 * (first // BATCH))
        found.send(key.batch(mixed.take(np.arange(first, min(first + BATCH, len(mixed)))), at))


def send_null(found: Live, splits: dict[str, Split], windows: int) -> None:
    """Send usual windows of each tenant, one an hour, and close the last of them."""
    keys = [Key(tenant, split, found.summer(HEAD)) for tenant, split in splits.items()]
    for hour in range(windows + 1):
        for key in keys:
            items = ITEMS if hour < windows else 1
            send_window(found, key, key.split.some(key.split.stream, items), hour)
    found.wait_closed(list(splits), windows, CLOSE_TIMEOUT_S)


def alarms(found: Live, tenant: str) -> tuple[int, int, int]:
    """Return the number of a tenant's windows with drift, of pairs of such windows in a row, and of alerts."""
    answers = [each == "drift" for each in found.in_order()[tenant]]
    assert sum(answers) == found.answers()[tenant]["drift"]
    pairs = sum(first and second for first, second in pairwise(answers))
    return sum(answers), pairs, len(found.alerts().get(tenant, ()))


def send_changes(found: Live, changes: Sequence[Change]) -> list[Answer]:
    """Send usual windows, then changed ones, and return what was said."""
    keys = [Key(each.tenant, each.split, found.summer(HEAD)) for each in changes]
    windows = USUAL_WINDOWS + CHANGED_WINDOWS
    for hour in range(windows + 1):
        for key, change in zip(keys, changes, strict=True):
            texts = change.usual() if hour < USUAL_WINDOWS else change.changed()
            send_window(found, key, texts if hour < windows else texts.take(np.arange(1)), hour)
    found.wait_closed([each.tenant for each in changes], windows, CLOSE_TIMEOUT_S)
    alerts, closed = found.alerts(), found.closed()
    return [Answer(each, alerts.get(each.tenant, ()), closed[each.tenant][USUAL_WINDOWS:windows]) for each in changes]


def mixed(split: Split, usual: Texts, other: Texts, share: float) -> Callable[[], Texts]:
    """Return what makes windows of which this share is others."""
    count = round(share * ITEMS)
    if count == ITEMS:
        return lambda: split.some(other, ITEMS)
    return lambda: split.some(usual, ITEMS - count).plus(split.some(other, count))


def changes_of_all(data: Data, split: Split, run: int, cut_share: float = 1.0) -> list[Change]:
    """Return changes that do not depend on an intent; this share of the texts is cut in one of them."""
    stream = split.stream
    cut = data.cut.take(np.isin(np.arange(len(data.cut)) * CUT_EVERY, split.stream_rows))

    def change(kind: str, name: str, changed: Callable[[], Texts]) -> Change:
        tenant = f"{name}-{run}".replace(" ", "-").replace("%", "")
        return Change(
            tenant, name, split, partial(split.some, stream, ITEMS), changed, lambda cause: cause.kind == kind
        )

    return [
        change("language", "a fifth in French", mixed(split, stream, data.french, 0.2)),
        change("length", f"{cut_share:.0%} cut to ten characters", mixed(split, stream, cut, cut_share)),
        *(
            change("outputs", f"noise of {noise} of the length", partial(noisy_window, split, noise))
            for noise in NOISES
        ),
    ]


def changes_of_new(split: Split, intent: str, run: int) -> list[Change]:
    """Return the changes in which an intent comes up that neither the head nor the reference knows."""
    own, rest = (split.stream.take(chosen) for chosen in (split.stream.labels == intent, split.stream.labels != intent))
    return [
        Change(
            f"new-{share}-{run}",
            f"a new intent, {share:.0%}",
            split,
            partial(split.some, rest, ITEMS),
            mixed(split, rest, own, share),
            lambda cause: cause.kind == "novelty",
        )
        for share in NEW_SHARES
    ]


def change_of_growth(split: Split, reference: Reference, intent: str, tenant: str, name: str) -> Change:
    """Return the change in which an intent grows from 5 to 25 %; its label and its centroids name it."""
    own, rest = (split.stream.take(chosen) for chosen in (split.stream.labels == intent, split.stream.labels != intent))
    near = reference.nearest(split.known.vectors[split.known.labels == intent]).centroids
    names = {intent} | {reference.names[each] for each, _ in Counter(near.tolist()).most_common(4)}
    return Change(
        tenant,
        name,
        split,
        mixed(split, rest, own, SMALL_SHARE),
        mixed(split, rest, own, LARGE_SHARE),
        lambda cause: cause.kind in ("label", "topic") and cause.name in names,
    )


def noisy_window(split: Split, noise: float) -> Texts:
    """Return a usual window whose vectors have noise."""
    return noisy(split, split.some(split.stream, ITEMS), noise)


class Changes:
    """All changes, each with its own tenant and reference.

    Args:
        data: The texts.
        runs: The number of runs of each change; each has splits of its own.
        resamples: Resamples of the references.
    """

    def __init__(self, data: Data, runs: int, resamples: int) -> None:
        self.references: list[Reference] = []
        self.changes: list[Change] = []
        counts = Counter(data.texts.labels.tolist())
        intents = sorted(label for label, count in counts.items() if count >= LEAST_OF_INTENT)
        for run in range(runs):
            intent, seed = intents[run * 5 % len(intents)], 100 + run
            split = Split(data.texts, seed, resamples)
            self._add(data, changes_of_all(data, split, run), split.reference(data.subject("")))
            split = Split(data.texts, seed, resamples)
            split.without(intent)
            self._add(data, changes_of_new(split, intent, run), split.reference(data.subject("")))
            for name, own in (("one intent", (intent,)), ("three intents about fees as one", FEES)):
                split = Split(data.texts, seed, resamples)
                split.with_share(own, SMALL_SHARE, MOST_OF_INTENT)
                reference = split.reference(data.subject(""))
                tenant = f"{name.replace(' ', '-')}-{run}"
                grown = change_of_growth(split, reference, own[0], tenant, f"{name}, 5 to 25 %")
                self._add(data, [grown], reference)

    def _add(self, data: Data, changes: Sequence[Change], reference: Reference) -> None:
        self.changes += changes
        self.references += [copied(reference, data.subject(each.tenant)) for each in changes]
