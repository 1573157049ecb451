"""The mark of what a backfill sends: headers that name its group, and say whether it publishes results.

A deferred record or a dead letter of a backfill is finished by the workers of live traffic, from the redo topic. Its mark
stays with it, so that it counts as backfilled there too, and publishes no result if its backfill publishes none.
"""

from schemas.failures import BACKFILL_HEADER, INDEX_ONLY_HEADER
from schemas.topics import input_topic, redo_topic
from shared.records import Backfill, Headers, Record, header_texts


def mark_headers(mark: Backfill | None) -> Headers:
    """Return the headers of a mark; empty for what no backfill sends."""
    if mark is None:
        return ()
    group = (BACKFILL_HEADER, mark.group.encode())
    return (group, (INDEX_ONLY_HEADER, b"true")) if mark.index_only else (group,)


def mark_of(record: Record, stream: str, own: Backfill | None = None) -> Backfill | None:
    """Return the mark of everything that a worker sends about a record; None if it belongs to live traffic.

    Args:
        record: The record. Its headers count in the redo topic only, because there Millrace wrote them.
        stream: The stream.
        own: The backfill whose worker reads the record; None for a worker of live traffic.
    """
    if own is not None or not record.headers or record.topic != redo_topic(stream):
        return own
    texts = header_texts(record.headers)
    group = texts.get(BACKFILL_HEADER)
    return Backfill(group, INDEX_ONLY_HEADER in texts) if group else None


def sender_of(record: Record, origin_topic: str, stream: str) -> str | None:
    """Return the group of the backfill that sent a message about a record; None if a worker of the stream did.

    A backfill reads only the input topic, so what is about a record of the redo topic is always of those workers.
    """
    return named_in(record) if origin_topic == input_topic(stream) else None


def named_in(record: Record) -> str | None:
    """Return the group of the backfill that a message which Millrace wrote belongs to; None if it is of live traffic."""
    return header_texts(record.headers).get(BACKFILL_HEADER) if record.headers else None
