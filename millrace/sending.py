"""Sending a file of tickets: in chunks that are confirmed before the next, resumable after any interruption."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path

from millrace.ingest import Mapped, Row, TicketFile, to_message
from shared.broker.port import Sink
from shared.clock import Clock
from shared.errors import Rejected, Unavailable
from shared.records import Message

CHUNK_ROWS = 1_000
"""Rows confirmed together: what is sent twice at most when the sender is killed, and the back pressure."""

ATTEMPTS = 5
RETRY_WAIT_S = 1.0
REFUSED_SHOWN = 10


@dataclass(slots=True)
class Progress:
    """How far a file has been sent, kept in a small file so that the same command goes on where it stopped."""

    path: Path
    rows: int = 0
    refused: int = 0

    @classmethod
    def load(cls, state_dir: Path, source: TicketFile, mapped: Mapped, bootstrap: str) -> "Progress":
        """Find the progress of this very file, mapped this way, to these brokers; none is row 0."""
        what = json.dumps([source.digest, repr(mapped), bootstrap])
        path = state_dir / "ingest" / f"{sha256(what.encode()).hexdigest()[:16]}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        return cls(path, kept.get("rows", 0), kept.get("refused", 0))

    def save(self, rows: int, refused: int = 0) -> None:
        """Keep that so many rows are done with, and how many of them were refused."""
        self.rows, self.refused = rows, refused
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps({"rows": rows, "refused": refused}))
        part.replace(self.path)


@dataclass(slots=True)
class Sent:
    """What sending a file came to: rows sent, rows refused with the first few reasons."""

    rows: int = 0
    refused: int = 0
    reasons: list[str] = field(default_factory=list)


def send(
    source: TicketFile, mapped: Mapped, sink: Sink, progress: Progress, clock: Clock, advance: Callable[[int], None]
) -> Sent:
    """Send the rows that are not sent yet.

    Args:
        source: The file.
        mapped: How rows become events.
        sink: Where to.
        progress: How far it was sent before; updated after each confirmed chunk.
        clock: For waits between attempts.
        advance: Told the number of rows after each chunk.

    Raises:
        Unavailable: the broker does not confirm; the same command goes on where this one stopped.
    """
    sent = Sent()
    numbered = islice(enumerate(source.rows()), progress.rows, None)
    while chunk := list(islice(numbered, CHUNK_ROWS)):
        messages = list(_messages(chunk, source, mapped, sent))
        deliver(messages, sink, clock)
        sent.rows += len(messages)
        progress.save(progress.rows + len(chunk), progress.refused + len(chunk) - len(messages))
        advance(len(chunk))
    return sent


def _messages(chunk: Iterable[tuple[int, Row]], source: TicketFile, mapped: Mapped, sent: Sent) -> Iterator[Message]:
    for number, row in chunk:
        try:
            yield to_message(row, number, source, mapped)
        except Rejected as rejected:
            sent.refused += 1
            if len(sent.reasons) < REFUSED_SHOWN:
                sent.reasons.append(f"row {number + 1}: {rejected}")


def deliver(messages: list[Message], sink: Sink, clock: Clock) -> None:
    """Produce until every message is confirmed.

    Raises:
        Unavailable: some were not, in so many attempts.
    """
    for _ in range(ATTEMPTS):
        sink.produce(messages)
        messages = sink.flush()
        if not messages:
            return
        clock.wait(threading.Event(), RETRY_WAIT_S)
    what = f"{len(messages)} records were not confirmed ({sink.last_error})"
    raise Unavailable("broker", f"{what}; run the same command again to go on")
