"""What a worker and a decoding child send each other: frames of a tag, a length and a body, over two pipes.

The child may have been taken over by what it decodes, so that the worker checks every length before it reads the body.
"""

import struct
from dataclasses import asdict, dataclass
from enum import Enum
from json import dumps, loads
from typing import Any, BinaryIO, TypeVar, get_type_hints

MessageT = TypeVar("MessageT")

HEADER = struct.Struct(">cQ")
"""A tag of one byte and the length of the body in bytes."""

RATE_HZ = 16_000
"""The rate of all decoded sound, in samples per second: what speech recognisers and voice activity detectors expect."""

SAMPLE_BYTES = 2
WINDOW_S = 30
MESSAGE_LIMIT_BYTES = 4_096
DETAIL_CHARS = 300


class Tag(bytes, Enum):
    """What a frame holds."""

    READY = b"+"
    """The child is confined and waits for a request; the body says how (`Ready`)."""

    REQUEST = b"R"
    CONTENT = b"C"
    SOUND = b"S"
    """What is known of a sound before its first window (`SoundDone`)."""

    WINDOW = b"W"
    """Sound: samples of int16 in the byte order of the machine, the channels interleaved."""

    PIXELS = b"P"
    """A picture: rows of RGB, three bytes a pixel."""

    DONE = b"."
    FAILED = b"!"


@dataclass(frozen=True, slots=True)
class Ready:
    """What a child says of itself when it is confined.

    Attributes:
        is_filtered: Whether its system calls are filtered.
        has_heic: Whether it can decode HEIC pictures.
    """

    is_filtered: bool
    has_heic: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is to decode, and within which limits.

    Attributes:
        kind: The kind of the content, as `kinds.Kind` has it.
        cpu_s: Processor time, after which the child ends itself.
        pixels: Largest number of pixels of a picture, by its header.
        frames: Largest number of frames of a picture, by its header.
        side_px: Largest side of the returned picture; a larger one is scaled down.
        sound_s: Longest sound.
        channels: Most channels of the returned sound: a sound with more of them is mixed down to one.
    """

    kind: str
    cpu_s: float
    pixels: int
    frames: int
    side_px: int
    sound_s: float
    channels: int = 1


@dataclass(frozen=True, slots=True)
class PictureDone:
    """What the child says of a picture.

    Attributes:
        width_px: Width of the returned picture, upright.
        height_px: Height of it.
        original_width_px: Width of the picture as its header states it.
        original_height_px: Height of it.
        frames: Number of frames, of which the first one was decoded.
    """

    width_px: int
    height_px: int
    original_width_px: int
    original_height_px: int
    frames: int


@dataclass(frozen=True, slots=True)
class SoundDone:
    """What the child says of a sound.

    Attributes:
        codec: Name of the codec, such as `pcm_mulaw`.
        original_rate_hz: Samples per second of the file.
        original_channels: Channels of the file.
        channels: Channels of the windows.
        damaged_packets: Packets that could not be decoded and were left out.
        claimed_s: Length that the header states; None if it states none.
    """

    codec: str
    original_rate_hz: int
    original_channels: int
    channels: int
    damaged_packets: int
    claimed_s: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Why the child could not decode a content.

    Attributes:
        is_limit: Whether a limit was exceeded; otherwise, the content is damaged.
        detail: What was found, without the content.
    """

    is_limit: bool
    detail: str


def packed(message: Any) -> bytes:
    """Return a message of this module as the body of a frame."""
    return dumps(asdict(message)).encode()


def unpacked(kind: type[MessageT], body: bytes) -> MessageT:
    """Return the message of a body.

    Raises:
        ValueError: the body is not such a message.
    """
    try:
        found = loads(body)
        message = kind(**found)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for name, expected in get_type_hints(kind).items():
        if not isinstance(found[name], expected):
            raise ValueError(f"{name} is not of type {expected}")
    return message


def write_frame(stream: BinaryIO, tag: Tag, body: bytes | memoryview) -> None:
    """Write a frame; the child's side of it."""
    stream.write(HEADER.pack(tag.value, len(body)))
    stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[Tag, bytes] | None:
    """Read a frame, the child's side of it; None at the end of the stream."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    tag, length = HEADER.unpack(header)
    body = stream.read(length)
    return (Tag(tag), body) if len(body) == length else None
