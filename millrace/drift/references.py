"""Builds the references of a stream from its decided items: one for each watched input and each configured key."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from millrace.drift.rows import DecidedItem
from shared.drift.keys import Keys
from shared.drift.reference import Reference, Seen, Subject

LEAST_ITEMS = 1_000
"""With fewer items, half of which fit the centroids and half of which are compared, thresholds would mean little."""


@dataclass(frozen=True, slots=True)
class Material:
    """What one reference is built from.

    Attributes:
        subject: What it is about.
        rows: Its items.
        failed: Records that became dead letters beside them; None if that is not known.
        head: Fingerprint of the head that decided the newest item; None without one.
        policy: The policy that decided it, as SHA-256; None without items.
    """

    subject: Subject
    rows: Sequence[Seen]
    failed: int | None = None
    head: str | None = None
    policy: str | None = None


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


def materials(stream: str, found: Found, keys: Keys) -> list[Material]:
    """Return what each reference of a stream is built from, for every watched input and every key."""
    by_key: defaultdict[str, list[DecidedItem]] = defaultdict(list)
    for item in sorted(found.items, key=lambda each: (each.occurred_at, each.tenant_id, each.item_id)):
        by_key[keys.of(item.tenant_id, item.decision.queue)].append(item)
    return [
        _material(Subject(stream, name, model, key), by_key[key], found.failed)
        for name, model in found.models.items()
        for key in keys.every
    ]


def build_all(
    parts: Sequence[Material], build: Callable[[Material], Reference], advance: Callable[[int], None]
) -> Built:
    """Build the references that have enough items.

    Args:
        parts: What they are built from.
        build: Builds one.
        advance: Is called with 1 after each part.
    """
    built = Built()
    for part in parts:
        if len(part.rows) < LEAST_ITEMS:
            built.too_few.append((part.subject, len(part.rows)))
        else:
            built.references.append(build(part))
        advance(1)
    return built


def _material(subject: Subject, items: Sequence[DecidedItem], failed: Mapping[str, int] | None) -> Material:
    rows = [row for item in items if (row := item.seen(subject.input)) is not None]
    newest = items[-1].decision if items else None
    return Material(
        subject=subject,
        rows=rows,
        failed=None if failed is None else failed.get(subject.key, 0),
        head=None if newest is None else newest.head,
        policy=None if newest is None else newest.policy,
    )
