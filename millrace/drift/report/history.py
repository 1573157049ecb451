"""The windows of each subject over time, built again from the sums that workers have published.

Windows begin and end as in `millrace run drift`: by the times in the messages, and with live traffic only. However many
sums there are, only the open window and some closed ones of each subject are kept.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.drift import Answer, BatchSums, Cause
from shared.drift.judging import judge
from shared.drift.reading import Unreadable, read_sums
from shared.drift.reference import Reference, Subject
from shared.drift.window import Window
from shared.records import Record

MOST_WINDOWS = 24 * 31
"""Closed windows of a subject that are kept, the newest ones: a month of full hours."""

SHOWN_FAMILIES = ("centroids", "labels", "actions", "languages", "channels", "lengths")

ReferenceOf = Callable[[Subject], Reference | None]


@dataclass(frozen=True, slots=True)
class PastWindow:
    """What is shown of a window.

    Attributes:
        start: When its first batch was settled.
        end: When its last batch was settled.
        items: Number of its items.
        reference: Id of the reference that its centroids belong to; None without one.
        answer: What was found.
        p_value: The probability of such a window without drift; None if it was not compared.
        effect: The share of the items that would have to change to undo the drift.
        causes: What has changed, the likeliest first.
        counts: Its items by class, for each of `SHOWN_FAMILIES`.
        outliers: Items beyond the reference's 99th percentile.
        empty: Items with nothing to embed.
        failed: Records that became dead letters.
        agreed: Decisions that a person confirmed.
        overridden: Decisions that a person replaced.
        is_open: Whether it can still grow.
    """

    start: datetime
    end: datetime
    items: int
    reference: str | None
    answer: Answer
    p_value: float | None
    effect: float
    causes: tuple[Cause, ...]
    counts: Mapping[str, Counter[str]]
    outliers: int
    empty: int
    failed: int
    agreed: int
    overridden: int
    is_open: bool = False

    @property
    def override_share(self) -> float | None:
        """The share of the judged decisions that a person replaced; None if nobody judged any."""
        judged = self.agreed + self.overridden
        return self.overridden / judged if judged else None


@dataclass(slots=True)
class History:
    """The windows of a subject.

    Attributes:
        subject: The subject.
        windows: The closed windows, the oldest first; the last one may be open.
        older: Number of windows before them that are not kept.
        left_out: Items of other than live traffic.
    """

    subject: Subject
    windows: deque[PastWindow] = field(default_factory=lambda: deque(maxlen=MOST_WINDOWS))
    older: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def keep(self, window: PastWindow) -> None:
        """Add a window."""
        self.older += len(self.windows) == MOST_WINDOWS
        self.windows.append(window)

    @property
    def closed(self) -> list[PastWindow]:
        """The closed windows."""
        return [each for each in self.windows if not each.is_open]

    @property
    def judged(self) -> list[PastWindow]:
        """The closed windows that were compared with a reference."""
        return [each for each in self.closed if each.p_value is not None]


class Histories:
    """The histories of all subjects whose sums are added.

    Args:
        reference_of: Returns the reference of a subject, or None.
        level: The level of significance.

    Attributes:
        by_subject: The histories.
        unreadable: Number of messages that are no sums.
    """

    def __init__(self, reference_of: ReferenceOf, level: float) -> None:
        self._reference_of, self._level = reference_of, level
        self._open: dict[Subject, Window] = {}
        self.by_subject: dict[Subject, History] = {}
        self.unreadable = 0

    def read(self, records: Iterable[Record], advance: Callable[[int], None]) -> None:
        """Add the sums in records, in the order of each partition.

        Raises:
            Unavailable: the brokers do not answer.
        """
        for record in records:
            advance(1)
            try:
                self.add(read_sums(record.value or b"")[0])
            except Unreadable:
                self.unreadable += 1

    def add(self, sums: BatchSums) -> None:
        """Add the sums of a batch."""
        subject = Subject.of(sums)
        history = self.by_subject.setdefault(subject, History(subject))
        if sums.traffic != "live":
            history.left_out[sums.traffic] += sums.items
            return
        window = self._open.get(subject)
        if window is not None and window.ends_before(sums):
            self._close(subject, window, is_open=False)
            window = None
        if window is None:
            self._open[subject] = Window.of(sums)
        else:
            window.add(sums)

    def end(self, now: datetime) -> None:
        """Add the open windows, when everything is read; those whose hour has passed are closed."""
        for subject, window in self._open.items():
            self._close(subject, window, is_open=not window.closes_at(now))
        self._open.clear()

    def _close(self, subject: Subject, window: Window, is_open: bool) -> None:
        judgement = judge(window, self._reference_of(subject), self._level)
        self.by_subject[subject].keep(
            PastWindow(
                start=window.start,
                end=window.end,
                items=window.items,
                reference=window.reference,
                answer=judgement.answer,
                p_value=judgement.p_value,
                effect=judgement.effect,
                causes=judgement.causes,
                counts={name: window.counts[name] for name in SHOWN_FAMILIES},
                outliers=window.outliers,
                empty=window.empty,
                failed=window.failed,
                agreed=window.agreed,
                overridden=window.overridden,
                is_open=is_open,
            )
        )
