"""Sending a file of tickets: in chunks that are confirmed before the next, resumable after any interruption."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from millrace.ingest.counts import Counts, Identities
from millrace.ingest.events import Maker
from millrace.ingest.files import TableFile
from millrace.ingest.mapping import Mapped
from millrace.ingest.rows import Row
from shared.errors import Rejected
from shared.records import Message

CHUNK_ROWS = 1_000
"""Rows confirmed together: what is sent twice at most when the sender is killed, and the back pressure."""

Deliver = Callable[[list[Message]], None]
"""Hands records over and returns when all are confirmed."""


@dataclass(slots=True)
class Progress:
    """How far a file has been sent, kept in a small file so that the same command goes on where it stopped.

    Attributes:
        path: Where it is kept; None keeps nothing, for a dry run.
        rows: Rows done with.
        counts: What became of them.
    """

    path: Path | None = None
    rows: int = 0
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def load(cls, state_dir: Path, source: TableFile, mapped: Mapped, bootstrap: str) -> "Progress":
        """Find the progress of this very file, read and mapped this way, to these brokers; none is row 0."""
        what = json.dumps([source.digest, source.table.described, repr(mapped), bootstrap])
        path = state_dir / "ingest" / f"{sha256(what.encode()).hexdigest()[:16]}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        return cls(path, kept.get("rows", 0), Counts.of(kept.get("counts", {})))

    def restart(self) -> None:
        """Forget what was sent."""
        self.rows, self.counts = 0, Counts()

    def save(self, rows: int) -> None:
        """Keep that so many rows are done with, and what became of them."""
        self.rows = rows
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"rows": rows, "counts": self.counts.as_dict()}))
        part.replace(self.path)


def send(
    source: TableFile, mapped: Mapped, deliver: Deliver, progress: Progress, advance: Callable[[int], None]
) -> Identities:
    """Send the rows that are not sent yet, and count what becomes of each.

    Args:
        source: The file.
        mapped: How rows become events.
        deliver: Hands the records of a chunk over.
        progress: How far it was sent before, and the counts; updated after each chunk that is confirmed.
        advance: Called with the number of rows after each chunk.

    Returns:
        The identities of all rows of the file, those sent before too.

    Raises:
        Unavailable: the broker does not confirm; the same command goes on where this one stopped.
    """
    maker, identities = Maker(source, mapped), Identities()
    rows = iter(source.rows())
    for row in islice(rows, progress.rows):
        identities.add(maker.identity(row))
    while chunk := list(islice(rows, CHUNK_ROWS)):
        counts = Counts.of(progress.counts.as_dict())
        deliver(list(_messages(chunk, maker, identities, counts)))
        progress.counts = counts
        progress.save(progress.rows + len(chunk))
        advance(len(chunk))
    return identities


def _messages(chunk: Iterable[Row], maker: Maker, identities: Identities, counts: Counts) -> Iterator[Message]:
    for row in chunk:
        try:
            made = maker.make(row)
        except Rejected as rejected:
            counts.refuse(row, rejected)
            continue
        identities.add(maker.identity(row))
        counts.take(row, made.event)
        yield made.message
