"""`millrace drift report` without its options: reads what was published, judges the windows, and writes the page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from millrace.bars import bar
from millrace.configured import collection_spec, configured, input_fingerprints, model_cards
from millrace.drift.report.charts import MOST_LINES, draw_centroids, draw_classes, draw_windows, most_changed
from millrace.drift.report.evidence import Evidence
from millrace.drift.report.folder import check_folder, write_report
from millrace.drift.report.growth import Grown, grown_centroids, grown_classes
from millrace.drift.report.history import Histories, History, PastWindow
from millrace.drift.report.neighbours import Shown, with_store, without_store
from millrace.drift.report.page import Facts, Picture, SubjectPart, page_of
from millrace.drift.survey import plain
from millrace.resources import open_collection
from schemas.drift import Outlier
from schemas.topics import DRIFT_ALERTS, outliers_topic, sums_topic
from shared.broker.reader import TopicReader
from shared.broker.security import Brokers
from shared.drift.judging import level_for
from shared.drift.reference import Reference, Subject
from shared.drift.references import References
from shared.engine.stream import Stream
from shared.errors import Fatal, MillraceError, Unavailable
from shared.settings import Settings, variable
from shared.stream_settings import StreamSettings
from shared.vectorstore.port import Collection
from shared.wording import counted

OTHER_FAMILIES = ("actions", "languages", "channels", "lengths")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is about.

    Attributes:
        streams: The streams, each with its settings.
        named: Whether a person named them, so that each must have its topics.
        settings: The settings of the process.
        references: The folder of the references.
        since: Windows that ended before it are not shown; None for all.
        folder: The folder of the report.
        now: When it is made.
    """

    streams: Sequence[tuple[Stream[Any, Any], StreamSettings]]
    named: bool
    settings: Settings
    references: Path
    since: datetime | None
    folder: Path
    now: datetime


@dataclass(slots=True)
class Made:
    """A report.

    Attributes:
        files: Its files; the last one is the page.
        parts: Its subjects.
        notes: What a reader should know.
        level: The level of significance.
    """

    files: list[Path]
    parts: list[SubjectPart]
    notes: list[str]
    level: float

    def lines(self) -> list[str]:
        """Return it in words, a line for the page and one for each subject."""
        found = [plain(str(self.files[-1]))]
        for part in self.parts:
            history = part.history
            last = history.closed[-1] if history.closed else None
            said = "no closed window yet" if last is None else f"last answer {last.answer.replace('_', ' ')}"
            cause = f", {last.causes[0].kind} {last.causes[0].name}" if last is not None and last.causes else ""
            windows = counted(len(history.closed), "window")
            found.append(plain(f"  {history.subject}: {windows}, {said}{cause}, {counted(len(part.alerts), 'alert')}"))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "files": [str(each) for each in self.files],
            "level": self.level,
            "notes": self.notes,
            "subjects": [_summary(each) for each in self.parts],
        }


def make_report(wanted: Wanted, brokers: Brokers) -> Made:
    """Make a report.

    Raises:
        Fatal: the folder holds other files, a reference is damaged, or there are no sums.
        Unavailable: the brokers do not answer, or a topic does not exist.
    """
    check_folder(wanted.folder)
    references = References(wanted.references)
    level = level_for(wanted.settings.drift.false_alarms_per_month, len(references.every()))
    histories, evidence = Histories(references.of, level), Evidence(wanted.since)
    notes: list[str] = []
    reader = TopicReader(brokers)
    reader.watermarks(DRIFT_ALERTS.name)  # an outage ends the command here, and not once for each stream
    streams = _with_topics(wanted, reader, notes)
    _read([stream.name for stream, _ in streams], reader, histories, evidence)
    histories.end(wanted.now)
    if not histories.by_subject:
        raise Fatal(
            "no sums of live traffic were found: workers publish them for every batch, unless "
            f"{variable('drift', 'sums')} is false; they are kept for a week"
        )
    if unreadable := histories.unreadable + evidence.unreadable:
        notes.append(f"{counted(unreadable, 'message')} could not be read")
    parts = []
    for stream, own in streams:
        with _stored(stream, own, wanted.settings) as (collection, models, reason):
            of_stream = [each for each in histories.by_subject.values() if each.subject.stream == stream.name]
            if reason and any(evidence.outliers.get(each.subject) for each in of_stream):
                notes.append(f"outliers of {stream.name} are shown without similar items: {reason}")
            for history in sorted(of_stream, key=lambda each: each.subject):
                reference = references.of(history.subject)
                near = collection if models.get(history.subject.input) == history.subject.model else None
                outliers = _shown(evidence.newest_outliers(history.subject), reference, stream, near)
                parts.append(_part(_since(history, wanted.since), reference, outliers, evidence, level))
    page = page_of(Facts(wanted.now, wanted.since, level, notes), parts)
    return Made(write_report(wanted.folder, page, parts), parts, notes, level)


def _with_topics(
    wanted: Wanted, reader: TopicReader, notes: list[str]
) -> list[tuple[Stream[Any, Any], StreamSettings]]:
    """Return the streams that have a topic of sums, and note the others, unless a person named them.

    Raises:
        Unavailable: the brokers do not answer, or none of the topics exists, or one of a named stream.
    """
    found: list[tuple[Stream[Any, Any], StreamSettings]] = []
    for stream, own in wanted.streams:
        try:
            reader.watermarks(sums_topic(stream.name))
        except Unavailable as error:
            if wanted.named or (not found and stream is wanted.streams[-1][0]):
                raise
            notes.append(f"{stream.name} were left out: {error}")
            continue
        found.append((stream, own))
    return found


def _read(streams: Sequence[str], reader: TopicReader, histories: Histories, evidence: Evidence) -> None:
    for stream in streams:
        for topic, read in (
            (sums_topic(stream), histories.read),
            (outliers_topic(stream), evidence.read_outliers),
        ):
            total = sum(marks.high - marks.low for marks in reader.watermarks(topic).values())
            with bar(f"reading {topic}", total) as advance:
                read(reader.read(topic), advance)
    evidence.read_alerts(reader.read(DRIFT_ALERTS.name), frozenset(streams))


@contextmanager
def _stored(
    stream: Stream[Any, Any], own: StreamSettings, settings: Settings
) -> Iterator[tuple[Collection | None, dict[str, str], str]]:
    """Yield the collection of a stream, the models of its vectors by input, and why it could not be opened."""
    opened = None
    try:
        known = configured(stream, own)
        cards = {name: card.fingerprint for name, card in model_cards(known, own).items()}
        opened = open_collection(settings, stream.name, collection_spec(own, stream).name)
        collection = opened.__enter__()
    except MillraceError as error:
        yield None, {}, str(error)
        return
    try:
        yield collection, input_fingerprints(known, cards), ""
    finally:
        opened.__exit__(None, None, None)


def _shown(
    outliers: Sequence[Outlier], reference: Reference | None, stream: Stream[Any, Any], collection: Collection | None
) -> list[Shown]:
    if collection is None:
        return without_store(outliers, reference)
    return with_store(outliers, reference, stream, collection)


def _since(history: History, since: datetime | None) -> History:
    """Return a history without the windows that ended earlier."""
    if since is None:
        return history
    shown = History(history.subject, left_out=history.left_out)
    for window in history.windows:
        if window.end >= since:
            shown.keep(window)
    return shown


def _part(
    history: History, reference: Reference | None, outliers: Sequence[Shown], evidence: Evidence, level: float
) -> SubjectPart:
    """Return what the page shows of a subject."""
    subject = history.subject
    known = [] if reference is None else [each for each in history.judged if each.reference == reference.reference_id]
    pictures, labels, topics, others = [], [], [], []
    if history.judged:
        pictures.append(Picture(draw_windows(history.judged, level), _described_windows(history)))
    if reference is not None and known:
        labels, topics = grown_classes(known[-1], reference, "labels"), grown_centroids(known[-1], reference)
        others = [each for family in OTHER_FAMILIES for each in _clearly_changed(known[-1], reference, family)]
        changed = sorted(topics, key=lambda each: -abs(each.by))[:MOST_LINES]
        chosen = [reference.names.index(each.name) for each in changed]
        pictures.append(
            Picture(draw_centroids(known, reference, chosen), _described_topics(known[-1], reference, chosen))
        )
        if labels:
            pictures.append(Picture(draw_classes(labels), "Shares of labels in the reference and in the last window."))
    return SubjectPart(
        history=history,
        reference=reference,
        pictures=pictures,
        labels=most_changed(labels),
        topics=most_changed(topics),
        others=most_changed(others),
        outliers=outliers,
        outlier_count=evidence.outliers.get(subject, 0),
        alerts=evidence.alerts_of(subject),
    )


def _clearly_changed(window: PastWindow, reference: Reference, family: str) -> list[Grown]:
    """Return the classes of a family whose intervals do not overlap, with the family in their names."""
    found = [each for each in grown_classes(window, reference, family) if each.is_clear]
    return [replace(each, name=f"{family}: {each.name}") for each in found]


def _described_windows(history: History) -> str:
    answers = Counter(each.answer for each in history.judged)
    return (
        f"P-values and effects of {counted(len(history.judged), 'window')} over time: {answers['drift']} with drift, "
        f"{answers['no_drift']} without."
    )


def _described_topics(last: PastWindow, reference: Reference, chosen: Sequence[int]) -> str:
    total = max(last.counts["centroids"].total(), 1)
    shares = [f"{reference.names[number]} {last.counts['centroids'][str(number)] / total:.1%}" for number in chosen]
    return f"Shares of the topics that changed most, over time; in the last window: {'; '.join(shares)}."


def _summary(part: SubjectPart) -> dict[str, Any]:
    history = part.history
    last = history.closed[-1] if history.closed else None
    return {
        **_named(history.subject),
        "reference": None if part.reference is None else part.reference.reference_id,
        "windows": len(history.closed),
        "answers": dict(Counter(each.answer for each in history.closed)),
        "open_items": sum(each.items for each in history.windows if each.is_open),
        "left_out": dict(history.left_out),
        "last": None
        if last is None
        else {
            "end": last.end.isoformat(),
            "items": last.items,
            "answer": last.answer,
            "p_value": last.p_value,
            "effect": last.effect,
            "causes": [f"{each.kind}: {each.name}" for each in last.causes],
            "override_share": last.override_share,
        },
        "outliers": part.outlier_count,
        "alerts": [each.alert_id for each in part.alerts],
    }


def _named(subject: Subject) -> dict[str, str]:
    return dict(subject._asdict())
