"""Counts of what became of a file's rows: updated while it is sent, kept beside the progress, reported at the end."""

from array import array
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from millrace.ingest.rows import Row
from millrace.streams import DEFAULT
from schemas.base import Deletion, Event
from shared.errors import Rejected

EXAMPLES = 3
"""Number of rows named for each reason."""

REASONS_KEPT = 50
"""Largest number of reasons that are counted separately; a file of invalid rows may have any number of them."""

OTHER_REASONS = "other reasons"


@dataclass(slots=True)
class Refused:
    """The rows refused for one reason.

    Attributes:
        rows: Number of rows.
        examples: The first of them, with the reason in full.
    """

    rows: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """Counts of what became of the rows.

    Attributes:
        sent: Rows sent; in a dry run, rows that would be sent.
        refused: Field and reason -> rows.
        textless: Tickets with neither subject nor body.
        deletions: Events that delete a ticket.
        solved: Solved tickets.
        unrated: Solved tickets without a rating.
        short: Rows with fewer cells than the header.
    """

    sent: int = 0
    refused: dict[str, Refused] = field(default_factory=dict)
    textless: int = 0
    deletions: int = 0
    solved: int = 0
    unrated: int = 0
    short: int = 0

    @property
    def rows_refused(self) -> int:
        """Number of rows that were refused for any reason."""
        return sum(each.rows for each in self.refused.values())

    def take(self, row: Row, event: Any) -> None:
        """Count a row that became an event."""
        self.sent += 1
        self.short += bool(row.missing)
        if isinstance(event, Deletion):
            self.deletions += 1
            return
        self.textless += not (event.subject.strip() or event.body.strip())
        if event.solved:
            self.solved += 1
            self.unrated += event.satisfaction is None

    def refuse(self, row: Row, why: Rejected) -> None:
        """Count a row that was refused."""
        name = f"{why.field}: {why.reason.value}"
        if name not in self.refused and len(self.refused) >= REASONS_KEPT:
            name = OTHER_REASONS
        refused = self.refused.setdefault(name, Refused())
        refused.rows += 1
        if len(refused.examples) < EXAMPLES:
            refused.examples.append(f"{row.name}: {why.detail}")

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain values, for a file or for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Counts":
        """Return the counts that `as_dict` wrote."""
        refused = {name: Refused(**each) for name, each in kept.get("refused", {}).items()}
        return cls(**{**kept, "refused": refused})


class Identities:
    """Counts events that share tenant, id and version with an earlier one.

    It keeps an 8-byte hash of each event and compares the hashes at the end. About one in forty million files of a
    million rows has two different rows with the same hash.
    """

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, event: Event) -> None:
        """Add an event that is sent now or was sent before."""
        self._hashes.append(hash((event.tenant_id, DEFAULT.source_id(event), event.event_version)))

    @property
    def shared(self) -> int:
        """Number of events that have the identity of an earlier one."""
        if not self._hashes:
            return 0
        hashes = np.frombuffer(self._hashes, np.int64)
        hashes.sort()  # in place: for a large file, a copy would double the memory that an import needs
        return int(np.count_nonzero(hashes[1:] == hashes[:-1]))
