"""Sending a file of tickets: in chunks, each confirmed before the next is sent, resumable after any interruption."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from millrace.ingest.counts import Counts, Identities
from millrace.ingest.events import EventMaker
from millrace.ingest.mapping import RowMapping
from millrace.ingest.rows import Row
from millrace.ingest.table_files import TableFile
from shared.errors import Fatal, Rejected
from shared.records import Message

CHUNK_ROWS = 1_000
"""Rows that are confirmed together: at most this many are in flight, and are sent twice if the sender is killed."""

Deliver = Callable[[list[Message]], None]
"""Sends records and returns when all are confirmed."""


@dataclass(slots=True)
class ImportProgress:
    """How far a file has been sent, kept in a small file so that the same command continues where it stopped.

    Attributes:
        path: The file that keeps the progress; with None nothing is kept, for a dry run.
        rows: Number of rows that are done: sent or refused.
        counts: What became of them.
    """

    path: Path | None = None
    rows: int = 0
    counts: Counts = field(default_factory=Counts)

    @classmethod
    def load(cls, state_dir: Path, source: TableFile, mapped: RowMapping, bootstrap: str) -> "ImportProgress":
        """Load the progress of this file, with this format and mapping, to these brokers; without any, start at row 0.

        Raises:
            Fatal: the file that keeps the progress cannot be read.
        """
        what = json.dumps(
            [source.digest, source.table.described, asdict(mapped), bootstrap], sort_keys=True, default=str
        )
        path = state_dir / "ingest" / f"{sha256(what.encode()).hexdigest()[:16]}.json"
        if not path.exists():
            return cls(path)
        try:
            kept = json.loads(path.read_text())
            return cls(path, int(kept["rows"]), Counts.of(kept["counts"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            what = f"the progress kept in {path} cannot be read ({error})"
            raise Fatal(f"{what}; remove the file: then every row is sent again, which does no harm") from error

    def restart(self) -> None:
        """Reset the progress to the first row."""
        self.counts = Counts()
        self.save(0)

    def save(self, rows: int) -> None:
        """Store the number of rows that are done, and what became of them."""
        self.rows = rows
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(f".{os.getpid()}.part")  # a name per process: two may import the same file
        part.write_text(json.dumps({"rows": rows, "counts": self.counts.as_dict()}))
        part.replace(self.path)  # not synchronised: it would take a third of the time, and a loss of power is rare


def send(
    source: TableFile, mapped: RowMapping, deliver: Deliver, progress: ImportProgress, advance: Callable[[int], None]
) -> Identities:
    """Send the rows that are not sent yet, and count what becomes of each.

    Args:
        source: The file.
        mapped: How rows become events.
        deliver: Sends the records of a chunk.
        progress: How far it was sent before, and the counts; updated after each chunk that is confirmed.
        advance: Called after each chunk with its number of rows.

    Returns:
        The identities of all rows of the file, including those sent before.

    Raises:
        Unavailable: the broker does not confirm; the same command continues where this one stopped.
    """
    maker, identities = EventMaker(source, mapped), Identities()
    rows = iter(source.rows())
    for row in islice(rows, progress.rows):
        if maker.has_ids:
            _identify(row, maker, identities)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        counts = deepcopy(progress.counts)  # a copy, because the chunk may not be confirmed
        deliver(list(_messages(chunk, maker, identities, counts)))
        progress.counts = counts
        progress.save(progress.rows + len(chunk))
        advance(len(chunk))
    return identities


def _identify(row: Row, maker: EventMaker, identities: Identities) -> None:
    """Add the identity of a row that an earlier run sent; a row that it refused has no identity."""
    try:
        identities.add(maker.make(row).event)
    except Rejected:
        return


def _messages(chunk: Iterable[Row], maker: EventMaker, identities: Identities, counts: Counts) -> Iterator[Message]:
    for row in chunk:
        try:
            made = maker.make(row)
        except Rejected as rejected:
            counts.refuse(row, rejected)
            continue
        if maker.has_ids:
            identities.add(made.event)
        counts.take(row, made.event)
        yield made.message
