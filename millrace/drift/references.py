"""Builds the references of a stream from its decided items: one for each watched input and each configured key."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.drift.rows import DecidedItem
from shared.drift.building.build import LEAST_ROWS, Origin, build
from shared.drift.classes import length_class
from shared.drift.keys import Keys
from shared.drift.reference import Reference, Seen, Subject
from shared.embedding.port import TEXT
from shared.engine.stream import Stream

EMPTY = length_class(0)


@dataclass(frozen=True, slots=True)
class Material:
    """What one reference is built from.

    Attributes:
        subject: What it is about.
        rows: Its items.
        empty: Those of them that had nothing to embed.
        failed: Records that became dead letters beside them; None if that is not known.
        head: Fingerprint of the head that decided the newest item; None without one.
        policy: The policy that decided it, as SHA-256; None without items.
        deciders: Number of different pairs of a head and a policy that decided its items.
    """

    subject: Subject
    rows: Sequence[Seen]
    empty: int = 0
    failed: int | None = None
    head: str | None = None
    policy: str | None = None
    deciders: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The decided items of a stream, and what else a reference states.

    Attributes:
        items: The items.
        failed: Records that became dead letters, by key; None if that is not known.
        models: The fingerprint of the model of each watched input, by the input's name.
    """

    items: Sequence[DecidedItem]
    models: Mapping[str, str]
    failed: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """The references that were built, and the subjects that have too few items for one, with their number."""

    references: list[Reference] = field(default_factory=list)
    too_few: list[tuple[Subject, int]] = field(default_factory=list)


def materials(stream: Stream[Any, Any], found: Found, keys: Keys) -> list[Material]:
    """Return what each reference of a stream is built from, for every watched input and every key."""
    by_key: defaultdict[str, list[DecidedItem]] = defaultdict(list)
    for item in found.items:
        by_key[keys.of(item.tenant_id, item.decision.queue)].append(item)
    texts = frozenset(each.name for each in stream.inputs if each.modality is TEXT)
    return [
        _material(Subject(stream.name, name, model, key), by_key[key], found.failed, texts)
        for name, model in found.models.items()
        for key in keys.every
    ]


def build_all(
    parts: Sequence[Material], made_at: datetime, shown: Callable[[str], AbstractContextManager[Callable[[int], None]]]
) -> Built:
    """Build the references that have enough items.

    Args:
        parts: What they are built from.
        made_at: The time that they state.
        shown: Shows the progress of one, given its title.
    """
    built = Built()
    for part in parts:
        if len(part.rows) < LEAST_ROWS:
            built.too_few.append((part.subject, len(part.rows)))
            continue
        with shown(f"building {part.subject.input} {part.subject.key}") as advance:
            origin = Origin(made_at, part.head, part.policy, part.empty, part.failed)
            built.references.append(build(part.subject, part.rows, origin, _steps(advance)))
    return built


def _steps(advance: Callable[[int], None]) -> Callable[[int, int], None]:
    """Return what advances a progress bar of 100 steps, given the steps that are done and their number."""
    shown = 0

    def progress(done: int, steps: int) -> None:
        nonlocal shown
        now = 100 * done // max(steps, 1)
        advance(now - shown)
        shown = now

    return progress


def _material(
    subject: Subject, items: Sequence[DecidedItem], failed: Mapping[str, int] | None, texts: frozenset[str]
) -> Material:
    rows = [row for item in items if (row := item.seen(subject.input)) is not None]
    newest = max(items, key=lambda each: each.occurred_at).decision if items else None
    return Material(
        subject=subject,
        rows=rows,
        empty=sum(row.traits["lengths"] == EMPTY for row in rows) if subject.input in texts else 0,
        failed=None if failed is None else failed.get(subject.key, 0),
        head=None if newest is None else newest.head,
        policy=None if newest is None else newest.policy,
        deciders=len({(item.decision.head, item.decision.policy) for item in items}),
    )
