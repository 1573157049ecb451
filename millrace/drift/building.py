"""`millrace drift reference build` without its options: gathers items, builds references, writes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from millrace.bars import bar
from millrace.drift.gathering import Asked, from_store, from_topic
from millrace.drift.references import build_all, materials
from millrace.drift.rows import DecidedItem
from millrace.drift.survey import facts_of, plain
from shared.broker.security import Brokers
from shared.drift.building.build import LEAST_ROWS
from shared.drift.reference import Reference, Subject
from shared.drift.reference_files import save_reference
from shared.wording import counted

STEPS = 100
LEAST_PERIOD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Written:
    """A reference and its file."""

    reference: Reference
    file: Path


@dataclass(slots=True)
class Outcome:
    """What was built.

    Attributes:
        written: The references.
        too_few: Subjects with too few items, and their numbers.
        warnings: What a person should know.
        beside: Facts for the output as JSON.
    """

    written: list[Written] = field(default_factory=list)
    too_few: list[tuple[Subject, int]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    beside: dict[str, Any] = field(default_factory=dict)

    def why_none(self) -> str:
        """Return why nothing was written, and what to do."""
        most = max((count for _, count in self.too_few), default=0)
        return (
            f"no reference was written: the largest subject has {counted(most, 'decided item')}, and a reference needs "
            f"{LEAST_ROWS:,}. Wait until more are decided, choose a longer period by --from and --to, or a higher --limit"
        )

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return {
            "written": [{"file": plain(str(each.file)), **facts_of(each.reference)} for each in self.written],
            "too_few": [{**subject._asdict(), "items": count} for subject, count in self.too_few],
            "warnings": self.warnings,
            **self.beside,
        }


def _state_period(items: Sequence[DecidedItem], outcome: Outcome) -> None:
    """State which period the items cover, and warn if it is shorter than a week."""
    if not items:
        return
    first, last = (edge(each.occurred_at for each in items) for edge in (min, max))
    outcome.beside |= {"first_at": first.isoformat(), "last_at": last.isoformat()}
    if last - first < LEAST_PERIOD:
        outcome.warnings.append(
            f"the items are of {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, less than a week: nights and weekends "
            "that differ will be found as drift. Choose --from a week or more before --to"
        )


def build_references(asked: Asked, brokers: Brokers | None, folder: Path, now: datetime) -> Outcome:
    """Gather the items of a stream, build its references and write them.

    Args:
        asked: What they are built for.
        brokers: The brokers whose records are decided again; None for the items of the store.
        folder: The folder of the references.
        now: The time that the references state.

    Raises:
        Fatal: a part cannot be used, or a file cannot be written.
        Unavailable: the brokers or the store do not answer.
    """
    outcome = Outcome()
    if brokers is None:
        found = from_store(asked)
        outcome.beside = {"source": "store", "items": len(found.items)}
    else:
        found, replayed, reason = from_topic(asked, brokers)
        failed = replayed.failed.total()
        outcome.beside = {
            "source": "topic",
            "items": len(found.items),
            "records": replayed.records,
            "failed": failed,
            "deferred": replayed.deferred,
        }
        if reason:
            outcome.warnings.append(f"the head decided without the stored points: {reason}")
        if replayed.deferred:
            records = counted(replayed.deferred, "record")
            outcome.warnings.append(
                f"{records} could not be read now, such as media that are missing, and were left out"
            )
    _state_period(found.items, outcome)
    parts = materials(asked.stream, found, asked.keys)
    mixed = {part.subject.key: part.deciders for part in parts if part.deciders > 1}
    outcome.warnings += [
        f"the items of {key} were decided by {count} different heads or policies: choose --from after the last change, or "
        "--from-topic"
        for key, count in mixed.items()
    ]
    built = build_all(parts, now, lambda title: bar(title, STEPS))
    outcome.written = [Written(each, save_reference(each, folder)) for each in built.references]
    outcome.too_few = built.too_few
    if outcome.written:
        outcome.warnings += [
            f"{subject} was left out: it has {counted(count, 'decided item')}, and a reference needs {LEAST_ROWS:,}"
            for subject, count in built.too_few
        ]
    return outcome
