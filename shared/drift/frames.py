"""Values of the changelogs: how far a state has read, and the state itself, compressed.

The offset is kept beside the sums, so that a batch that is read again after a crash is known.
"""

import json
import zlib
from typing import Any, NamedTuple

VERSION = 1
LEVEL = 1
"""Level of the compression: higher ones save little, as most of it is sums."""


class Place(NamedTuple):
    """Where the messages of a subject are read.

    Attributes:
        topic_id: The id that the brokers gave the topic; None if they give none. A topic that was made again counts its
            offsets from 0, so an offset means nothing without it.
        partition: The partition.
    """

    topic_id: str | None
    partition: int


def framed(place: Place, offset: int, state: Any) -> bytes:
    """Return the value of a state that has read up to an offset."""
    head = json.dumps([VERSION, *place, offset]).encode()
    return head + b"\n" + zlib.compress(json.dumps(state, separators=(",", ":")).encode(), LEVEL)


def read_to(value: bytes) -> tuple[Place, int]:
    """Return how far the state of a value has read, without unpacking the state.

    Raises:
        ValueError: it is not such a value, or one of another version.
    """
    try:
        version, topic_id, partition, offset = json.loads(value.split(b"\n", 1)[0])
    except (ValueError, TypeError) as error:
        raise ValueError("not the state of a subject") from error
    if version != VERSION:
        raise ValueError(f"a state of version {version}, which another version of Millrace wrote")
    return Place(topic_id, partition), offset


def unframed(value: bytes) -> tuple[Place, int, Any]:
    """Return the place, the offset and the state of a value.

    Raises:
        ValueError: it is not such a value, or one of another version.
    """
    place, offset = read_to(value)
    try:
        return place, offset, json.loads(zlib.decompress(value.split(b"\n", 1)[1]))
    except zlib.error as error:
        raise ValueError("not the state of a subject") from error


def reads_further(value: bytes, known: bytes | None, topic_id: str | None) -> bool:
    """Return whether a value is newer than a known one; one that was read from the topic as it is now always is.

    Raises:
        ValueError: the first one is not the value of a state.
    """
    place, offset = read_to(value)
    if known is None:
        return True
    known_place, known_offset = read_to(known)
    return (place.topic_id == topic_id, offset) >= (known_place.topic_id == topic_id, known_offset)
