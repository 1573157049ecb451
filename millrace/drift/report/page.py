"""The page of the report: one file of HTML without scripts or links to elsewhere. All texts from outside are escaped."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape

from millrace.drift.report.growth import Grown, Share
from millrace.drift.report.history import History, PastWindow
from millrace.drift.report.neighbours import Neighbour, Shown
from millrace.drift.survey import plain
from schemas.drift import Cause, DriftAlert
from shared.drift.reference import Reference
from shared.wording import counted

MOST_ROWS = 48
"""Windows in the table of a subject, the newest ones."""

ANSWERS = {"no_drift": "no drift", "drift": "drift", "too_few": "too few items", "no_reference": "no reference"}
HARMS = {
    "unknown": "whether it does harm is not known: too few decisions were judged",
    "none_seen": "no harm seen: people replaced no more decisions than before",
    "overrides_grew": "people replaced more decisions than before",
}
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5a5a5a; --line: #c9c9c9; --back: #ffffff; --bad: #a02000; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececec; --soft: #b0b0b0; --line: #4a4a4a; --back: #161616; --bad: #ff9a7a; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); margin: 2rem auto;
  max-width: 62rem; padding: 0 1rem; }
h2 { margin-top: 3rem; border-top: 2px solid var(--line); padding-top: 1rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0;
  overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
img { max-width: 100%; height: auto; background: #ffffff; }
.soft { color: var(--soft); }
.bad { color: var(--bad); font-weight: bold; }
""".strip()
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG of the page.

    Attributes:
        png: Its bytes.
        described: What it shows, for people who do not see it.
    """

    png: bytes
    described: str


@dataclass(frozen=True, slots=True)
class SubjectPart:
    """What the page shows of a subject.

    Attributes:
        history: Its windows.
        reference: Its reference; None without one.
        pictures: Its PNGs.
        labels: Its labels before and in the last compared window.
        topics: Its centroids, the same.
        others: Classes of actions, languages, channels and lengths that have clearly changed.
        outliers: Its newest outliers.
        outlier_count: Number of all its outliers.
        alerts: Its alerts, the newest first.
    """

    history: History
    reference: Reference | None
    pictures: Sequence[Picture] = ()
    labels: Sequence[Grown] = ()
    topics: Sequence[Grown] = ()
    others: Sequence[Grown] = ()
    outliers: Sequence[Shown] = ()
    outlier_count: int = 0
    alerts: Sequence[DriftAlert] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of the whole.

    Attributes:
        made_at: When the report was made.
        since: The time from which windows are shown; None for all.
        level: The level of significance.
        notes: What a reader should know, such as messages that could not be read.
    """

    made_at: datetime
    since: datetime | None
    level: float
    notes: Sequence[str] = field(default_factory=tuple)


def page_of(facts: Facts, parts: Sequence[SubjectPart]) -> str:
    """Return the page."""
    since = "" if facts.since is None else f" from {_time(facts.since)} on"
    body = [
        "<h1>Drift</h1>",
        f"<p>Made at {_time(facts.made_at)}{since}. A window is compared with its reference at the level "
        f"{facts.level:.3g}: without drift, this share of the windows is taken for drift. All times are UTC.</p>",
        *(f"<p><strong>Note:</strong> {_text(note)}</p>" for note in facts.notes),
        _overview(parts),
        *(_subject(number, part) for number, part in enumerate(parts, 1)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Drift, {_time(facts.made_at)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _overview(parts: Sequence[SubjectPart]) -> str:
    rows = []
    for number, part in enumerate(parts, 1):
        last = part.history.closed[-1] if part.history.closed else None
        answer = "no closed window" if last is None else _answer(last)
        cells = [f'<a href="#s{number}">{_name(part)}</a>', answer, str(len(part.alerts))]
        rows.append(_row(cells, numbers=(2,)))
    return _table(("subject", "last window", "alerts"), rows, numbers=(2,))


def _subject(number: int, part: SubjectPart) -> str:
    history, reference = part.history, part.reference
    said = (
        "There is no reference of this subject: build one with <code>millrace drift reference build</code>."
        if reference is None
        else f"Reference {reference.reference_id} of items from {_time(reference.first_at)} to {_time(reference.last_at)}."
    )
    left_out = ", ".join(f"{count} {_text(traffic)}" for traffic, count in sorted(history.left_out.items()))
    return "\n".join(
        [
            f'<h2 id="s{number}">{_name(part)}</h2>',
            f"<p>{said}{f' Left out: {left_out} items.' if left_out else ''}</p>",
            _alerts(part.alerts),
            *(_picture(each) for each in part.pictures),
            _windows(history),
            _grown("Labels", "label", part.labels),
            _grown("Topics, as centroids with the words of their items", "topic", part.topics),
            _grown("Actions, languages, channels and lengths that have clearly changed", "class", part.others),
            _outliers(part),
        ]
    )


def _alerts(alerts: Sequence[DriftAlert]) -> str:
    if not alerts:
        return "<p>No alert.</p>"
    found = ["<h3>Alerts</h3>"]
    for each in alerts:
        found.append(
            f'<p><span class="bad">Alert</span> for the window from {_time(each.window_start)} to '
            f"{_time(each.window_end)}: {counted(each.items, 'item')}, p = {each.p_value:.3g}, effect {each.effect:.1%}; "
            f"{HARMS[each.harm]}{_overrides(each)}.</p>"
        )
        found.append("<ol>" + "".join(f"<li>{_cause(cause)}</li>" for cause in each.causes) + "</ol>")
    return "\n".join(found)


def _overrides(alert: DriftAlert) -> str:
    if alert.override_share is None:
        return ""
    before = "" if alert.override_share_before is None else f", {alert.override_share_before:.1%} before"
    return f" ({alert.override_share:.1%} of {alert.judged} judged decisions replaced{before})"


def _cause(cause: Cause) -> str:
    shares = ""
    if cause.reference_share is not None and cause.window_share is not None:
        shares = f": {cause.reference_share:.1%} of the reference, {cause.window_share:.1%} of the window"
    since = "" if cause.since is None else f", since {_time(cause.since)}"
    examples = f"; such as {_text(', '.join(cause.examples))}" if cause.examples else ""
    return f"{_text(cause.kind)} <strong>{_text(cause.name)}</strong>{shares}{since}{examples}"


def _windows(history: History) -> str:
    rows = [_window(each) for each in list(history.windows)[::-1][:MOST_ROWS]]
    hidden = history.older + max(len(history.windows) - MOST_ROWS, 0)
    older = f'<p class="soft">{counted(hidden, "older window")} not listed.</p>' if hidden else ""
    titles = ("from", "to", "items", "answer", "p", "effect", "outliers", "failed", "replaced", "first cause")
    return "<h3>Windows</h3>\n" + _table(titles, rows, numbers=(2, 4, 5, 6, 7, 8)) + older


def _window(window: PastWindow) -> str:
    share = window.override_share
    judged = window.agreed + window.overridden
    cells = [
        _time(window.start),
        _time(window.end),
        str(window.items),
        _answer(window),
        "" if window.p_value is None else f"{window.p_value:.3g}",
        "" if window.p_value is None else f"{window.effect:.1%}",
        "" if window.reference is None else f"{window.outliers / max(window.items, 1):.1%}",
        str(window.failed),
        "" if share is None else f"{share:.1%} of {judged}",
        _cause(window.causes[0]) if window.causes else "",
    ]
    return _row(cells, numbers=(2, 4, 5, 6, 7, 8))


def _answer(window: PastWindow) -> str:
    name = ANSWERS[window.answer]
    shown = f'<span class="bad">{name}</span>' if window.answer == "drift" else name
    return f"{shown} (still open)" if window.is_open else shown


def _grown(title: str, what: str, grown: Sequence[Grown]) -> str:
    if not grown:
        return ""
    rows = [
        _row(
            [_text(each.name), _before(each), _share(each.now), _change(each), _clear(each)],
            numbers=(1, 2, 3),
        )
        for each in grown
    ]
    titles = (what, "reference", "last compared window", "change", "intervals of 95 %")
    return f"<h3>{title}</h3>\n" + _table(titles, rows, numbers=(1, 2, 3))


def _clear(grown: Grown) -> str:
    if not grown.is_clear:
        return "overlap"
    return "apart: it grew" if grown.by > 0 else "apart: it shrank"


def _before(grown: Grown) -> str:
    if grown.is_rare:
        return f"fewer than 5 items (up to {grown.before.high:.1%})"
    return _share(grown.before)


def _change(grown: Grown) -> str:
    return f"{'up to ' if grown.is_rare else ''}{grown.by:+.1%}"


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _outliers(part: SubjectPart) -> str:
    if not part.outliers:
        return "<h3>Outliers</h3>\n<p>None.</p>"
    rows = [_outlier(each) for each in part.outliers]
    said = f"<p>{counted(part.outlier_count, 'outlier')}, of which the newest are listed.</p>"
    return "<h3>Outliers</h3>\n" + said + _table(("outlier", "nearest to", "most similar stored items"), rows)


def _outlier(shown: Shown) -> str:
    outlier = shown.outlier
    words = _text(", ".join(outlier.terms))
    label = "" if outlier.label is None else f"<br>decided as {_text(outlier.label)}"
    text = _text(shown.text) or words
    near = [_neighbour(each) for each in shown.neighbours]
    centroid = f"{_text(shown.centroid) or 'a centroid of another reference'} ({outlier.cosine:.2f})"
    item = f"{_text(outlier.tenant_id)}: {_text(outlier.item_id)}, {_time(outlier.settled_at)}<br>{text}{label}"
    return _row([item, centroid, "<br>".join(near) or "not looked up"])


def _neighbour(neighbour: Neighbour) -> str:
    label = "" if neighbour.label is None else f", {_text(neighbour.label)}"
    return f"{_text(neighbour.item_id)} ({neighbour.cosine:.2f}{label}): {_text(neighbour.text)}"


def _picture(picture: Picture) -> str:
    data = b64encode(picture.png).decode("ascii")
    described = _text(picture.described)
    image = f'<img src="data:image/png;base64,{data}" alt="{described}">'
    return f'<figure>{image}<figcaption class="soft">{described}</figcaption></figure>'


def _table(titles: Sequence[str], rows: Iterable[str], numbers: Sequence[int] = ()) -> str:
    heads = "".join(f'<th scope="col"{_class(at, numbers)}>{_text(title)}</th>' for at, title in enumerate(titles))
    return f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"


def _row(cells: Sequence[str], numbers: Sequence[int] = ()) -> str:
    return "<tr>" + "".join(f"<td{_class(at, numbers)}>{cell}</td>" for at, cell in enumerate(cells)) + "</tr>"


def _class(at: int, numbers: Sequence[int]) -> str:
    return ' class="n"' if at in numbers else ""


def _name(part: SubjectPart) -> str:
    subject = part.history.subject
    return _text(f"{subject.stream}, {subject.input} of {subject.model}, {subject.key}")


def _text(text: str) -> str:
    """Return a text from outside, harmless in HTML: escaped, and without what cannot be printed."""
    return escape(plain(text), quote=True)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
