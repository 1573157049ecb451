"""The parts of the report on drift: windows from sums, growth with intervals, a page that nobody's words can break.

It shows neither that windows are judged rightly, which the tests of judging do, nor how the page looks.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millrace.drift.report.charts import draw_centroids, draw_classes, draw_windows, most_changed
from millrace.drift.report.evidence import MOST_ALERTS, MOST_OUTLIERS, Evidence
from millrace.drift.report.folder import check_folder, write_report
from millrace.drift.report.growth import Share, grown_centroids, grown_classes
from millrace.drift.report.history import MOST_WINDOWS, Histories, History, PastWindow
from millrace.drift.report.neighbours import Neighbour, Shown
from millrace.drift.report.page import Facts, Picture, SubjectPart, page_of
from schemas.drift import BatchSums, Cause, DriftAlert, Outlier, packed, packed_half
from shared.drift.baseline import Baseline
from shared.drift.reference import Reference, Subject
from shared.drift.totals import Totals
from shared.errors import Fatal
from shared.records import Record

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOSTILE = """</td><script>alert("x")</script>'"&\x1b[31m\u202e$\\frac{"""
SUBJECT = Subject("tickets", "text", "0a1b2c3d", "all")
NAMED = Subject("tickets", "text", "0a1b2c3d", f"queue:{HOSTILE}")
VECTOR = np.array([1, 0], np.float32)


def reference(subject: Subject = SUBJECT, names: tuple[str, ...] = ("parcel", "card")) -> Reference:
    """Return a reference of 100 items: 60 of the first centroid, and 70 of label `a`, 30 of label `b`."""
    counts = {"centroids": np.array([60.0, 40.0]), "labels": np.array([70.0, 30.0, 0.0])}
    number = np.asarray(100.0)
    totals = Totals(number, np.zeros(2), number, number, np.zeros(2), counts)
    baseline = Baseline(None, totals, {"labels": ("a", "b")}, (), np.eye(2, dtype=np.float32))
    far, eye = np.zeros(2, np.float32), np.eye(2, dtype=np.float32)
    return Reference(
        subject, "5eedf00d", START, START, START, eye, names, far, 0.0, None, None, (baseline,)
    )  # fmt: skip


def sums(at: datetime, items: int, **changes: Any) -> BatchSums:
    """Return the sums of a batch."""
    fields: dict[str, Any] = {
        **SUBJECT._asdict(), "traffic": "live", "settled_at": at, "items": items, "vector_sum": packed(VECTOR * items),
        "squared_norms": float(items), "cosines": float(items), "labels": {"a": items} if items else {},
    }  # fmt: skip
    return BatchSums(**(fields | changes))


def windows_of(*batches: BatchSums, now: datetime = START + 100 * HOUR) -> list[tuple[int, bool]]:
    """Return the items of each window of batches, and whether it is open."""
    histories = Histories(lambda subject: None, 0.05)
    for each in batches:
        histories.add(each)
    histories.end(now)
    return [(each.items, each.is_open) for each in histories.by_subject[SUBJECT].windows]


def past(number: int = 0, **changes: Any) -> PastWindow:
    """Return a window."""
    counts = {
        name: Counter[str]() for name in ("centroids", "labels", "actions", "languages", "channels", "lengths")
    } | {"centroids": Counter({"0": 30, "1": 70}), "labels": Counter({"a": 40, "new": 60})}
    fields: dict[str, Any] = {
        "start": START + number * HOUR, "end": START + (number + 0.5) * HOUR, "items": 100, "reference": "5eedf00d",
        "answer": "drift", "p_value": 0.01, "effect": 0.3, "causes": (), "counts": counts, "outliers": 3, "empty": 0,
        "failed": 2, "agreed": 8, "overridden": 2,
    }  # fmt: skip
    return PastWindow(**(fields | changes))


def outlier(number: int = 0, **changes: Any) -> Outlier:
    """Return an outlier."""
    fields: dict[str, Any] = {
        **SUBJECT._asdict(), "reference": "5eedf00d", "tenant_id": "acme", "item_id": f"T-{number}", "event_version": 1,
        "occurred_at": START, "settled_at": START + timedelta(seconds=number), "vector": packed_half(VECTOR),
        "centroid": 0, "cosine": 0.1,
    }  # fmt: skip
    return Outlier(**(fields | changes))


def alert(number: int = 0, **changes: Any) -> DriftAlert:
    """Return an alert."""
    fields: dict[str, Any] = {
        "alert_id": f"a-{number}", **SUBJECT._asdict(), "reference": "5eedf00d", "window_start": START,
        "window_end": START + number * HOUR, "items": 600, "p_value": 0.001, "level": 0.04, "effect": 0.2,
        "causes": (Cause(kind="label", name="b"),), "judged": 0, "harm": "unknown",
    }  # fmt: skip
    return DriftAlert(**(fields | changes))


def records(messages: Sequence[Any]) -> list[Record]:
    """Return messages as records."""
    values = [each if isinstance(each, bytes) else each.model_dump_json().encode() for each in messages]
    return [Record("t", 0, number, 0, None, value) for number, value in enumerate(values)]


def test_a_window_ends_at_the_first_full_hour_with_enough_items() -> None:
    first = [sums(START + timedelta(minutes=10 * n), 100) for n in range(4)]
    assert windows_of(*first, sums(START + HOUR, 100), sums(START + 2 * HOUR, 1)) == [(500, False), (1, True)]
    few = windows_of(*first, sums(START + 5 * HOUR, 99))
    assert few == [(499, True)], "a window with too few items stays open over the full hour"
    late = sums(START + timedelta(minutes=59), 500)
    assert windows_of(late, now=START + timedelta(minutes=59)) == [(500, True)]
    assert windows_of(late, now=START + HOUR) == [(500, False)]


def test_only_live_traffic_is_in_windows() -> None:
    histories = Histories(lambda subject: None, 0.05)
    histories.add(sums(START, 7, traffic="replayed"))
    histories.add(sums(START, 8, traffic="backfilled"))
    histories.end(START)
    history = histories.by_subject[SUBJECT]
    assert (list(history.windows), history.left_out) == ([], {"replayed": 7, "backfilled": 8})


def test_another_reference_or_length_begins_a_window() -> None:
    other = sums(START, 5, reference="0ther000", vector_sum=packed(VECTOR))
    longer = sums(START, 6, reference="0ther000", vector_sum=packed(np.ones(3, np.float32)))
    assert [items for items, _ in windows_of(sums(START, 4), other, longer)] == [4, 5, 6]


def test_what_is_no_sums_is_counted() -> None:
    histories = Histories(lambda subject: None, 0.05)
    damaged = sums(START, 5).model_copy(update={"vector_sum": "no base64"})
    histories.read(records([b"", b"{}", damaged, sums(START, 5)]), lambda steps: None)
    assert (histories.unreadable, len(histories.by_subject)) == (3, 1)


def test_old_windows_are_counted_but_not_kept() -> None:
    histories = Histories(lambda subject: None, 0.05)
    for number in range(MOST_WINDOWS + 10):
        histories.add(sums(START + number * HOUR, 500))
    histories.end(START + 10_000 * HOUR)
    history = histories.by_subject[SUBJECT]
    assert (len(history.windows), history.older) == (MOST_WINDOWS, 10)
    assert history.windows[-1].start == START + (MOST_WINDOWS + 9) * HOUR


def test_only_the_newest_outliers_and_alerts_are_kept() -> None:
    evidence = Evidence(START + timedelta(seconds=5))
    many = [outlier(number) for number in range(500)]
    evidence.read_outliers(records([*many, b"{}"]), lambda steps: None)
    newest = [each.item_id for each in evidence.newest_outliers(SUBJECT)]
    assert newest == [f"T-{499 - n}" for n in range(MOST_OUTLIERS)]
    assert (evidence.outliers[SUBJECT], evidence.unreadable) == (495, 1)
    alerts = [alert(number) for number in range(1, MOST_ALERTS + 50)]
    evidence.read_alerts(records([*alerts, *alerts, alert(0), alert(500, stream="calls")]), frozenset({"tickets"}))
    kept = evidence.alerts_of(SUBJECT)
    assert (len(kept), kept[0].alert_id) == (MOST_ALERTS, f"a-{MOST_ALERTS + 49}")


def test_shares_have_wilson_intervals() -> None:
    share = Share.of(10, 100)
    assert (round(share.low, 4), round(share.high, 4)) == (0.0552, 0.1744), "published values for 10 of 100"
    assert Share.of(0, 0) == (0, 0, 1)
    none, every = Share.of(0, 50), Share.of(50, 50)
    assert (none.low, every.high) == (0, 1)
    assert none.high == pytest.approx(1 - every.low)


def test_growth_is_the_difference_to_the_reference() -> None:
    grown = {each.name: round(each.by, 3) for each in grown_classes(past(), reference(), "labels")}
    assert grown == {"new": 0.6, "a": -0.3, "b": -0.3}
    topics = grown_centroids(past(), reference())
    assert [(each.name, round(each.by, 3), each.is_clear) for each in topics] == [
        ("card", 0.3, True), ("parcel", -0.3, True),
    ]  # fmt: skip


def test_a_class_that_is_rare_in_the_reference_is_bounded_by_all_rare_ones() -> None:
    known = reference()
    whole = known.baselines[0]
    counts = whole.totals.counts["labels"]
    counts[len(whole.classes["labels"]) :] = 0.02 * counts.sum()
    window = past()
    window.counts["labels"].clear()
    window.counts["labels"].update({"a": 290, "b": 200, "new": 10})
    grown = {each.name: each for each in grown_classes(window, known, "labels")}
    assert (grown["new"].is_rare, grown["a"].is_rare) == (True, False)
    assert grown["new"].before.high > 0.02
    assert not grown["new"].is_clear, "2 % of a window are no more than all rare ones had"
    page = page_of(Facts(START, None, 0.05), [SubjectPart(History(NAMED), known, labels=[grown["new"]])])
    assert "fewer than 5 items (up to " in page
    assert "overlap" in page


def test_without_a_reference_the_share_of_outliers_is_not_known() -> None:
    def cells(window: PastWindow) -> int:
        history = History(NAMED)
        history.keep(window)
        return page_of(Facts(START, None, 0.05), [SubjectPart(history, None)]).count(">0.0%<")

    assert cells(past(outliers=0)) == 1
    assert cells(past(outliers=0, reference=None)) == 0


class Reading(HTMLParser):
    """Collects the tags and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count a tag."""
        self.tags[tag] += 1
        self.attributes += attrs
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last tag, which must be this one."""
        assert self.open.pop() == tag


def hostile_part() -> SubjectPart:
    """Return a subject in which every text from outside is hostile."""
    history = History(NAMED, left_out=Counter({"replayed": 3}))
    cause = Cause(kind="topic", name=HOSTILE, reference_share=0.1, window_share=0.2, examples=(HOSTILE,), since=START)
    bad = past(causes=(cause,))
    bad.counts["labels"].update({HOSTILE: 50})
    history.keep(bad)
    history.keep(past(1, is_open=True, p_value=None, answer="too_few", agreed=0, overridden=0))
    known = reference(NAMED, (HOSTILE, "card"))
    found = outlier(item_id=HOSTILE, tenant_id="acme", label=HOSTILE, terms=(HOSTILE,))
    shown = Shown(found, HOSTILE, HOSTILE, (Neighbour(HOSTILE, 0.9, HOSTILE, HOSTILE),))
    labels = grown_classes(bad, known, "labels")
    pictures = [
        Picture(draw_windows(history.judged, 0.05), HOSTILE),
        Picture(draw_centroids([bad], known, [0, 1]), HOSTILE),
        Picture(draw_classes(labels), HOSTILE),
    ]
    raised = alert(causes=(cause,), override_share=0.2, override_share_before=0.1, judged=10, harm="overrides_grew")
    return SubjectPart(
        history, known, pictures, most_changed(labels), grown_centroids(bad, known), labels, [shown], 1, [raised]
    )


def test_no_text_from_outside_can_break_the_page() -> None:
    page = page_of(Facts(START, START, 0.05, [HOSTILE]), [hostile_part()])
    read = Reading(page)
    assert not read.open, "every tag is closed in its turn"
    assert not set(read.tags) & {"script", "link", "iframe", "object", "form", "svg"}
    assert {value for name, value in read.attributes if name == "href"} == {"#s1"}
    assert all(value and value.startswith("data:image/png;base64,") for name, value in read.attributes if name == "src")
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert [value for name, value in read.attributes if name == "alt"] == [
        '</td><script>alert("x")</script>\'"& [31m $\\frac{'
    ] * 3
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", page)


def test_a_page_without_windows_or_reference_is_complete() -> None:
    page = page_of(Facts(START, None, 0.05), [SubjectPart(History(SUBJECT), None)])
    assert "no closed window" in page
    assert "There is no reference of this subject" in page
    assert not Reading(page).open


def test_answers_are_words_not_colours_alone() -> None:
    page = page_of(Facts(START, None, 0.05), [hostile_part()])
    assert '<span class="bad">drift</span>' in page
    assert "too few items (still open)" in page
    assert "20.0% of 10" in page, "the share of decisions that people replaced"


def test_a_report_replaces_only_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    check_folder(folder)
    written = write_report(folder, "<html>", [hostile_part(), hostile_part()])
    assert [each.name for each in written] == [f"{n:02}-{at}.png" for n in (1, 2) for at in (1, 2, 3)] + ["report.html"]
    check_folder(folder)
    write_report(folder, "<html>", [])
    assert [each.name for each in folder.iterdir()] == ["report.html"]
    (folder / "01-notes.png").write_bytes(b"mine")
    with pytest.raises(Fatal, match="holds other files, such as '01-notes"):
        check_folder(folder)
