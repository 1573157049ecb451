"""What a decoded medium is, and how the worker reads it from a child that it does not trust."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.media.decoding.kinds import Kind
from shared.media.decoding.process import DecodingProcess, Refused
from shared.media.decoding.wire import (
    MESSAGE_LIMIT_BYTES,
    RATE_HZ,
    SAMPLE_BYTES,
    WINDOW_S,
    Failed,
    PictureDone,
    Request,
    SoundDone,
    Tag,
)

Pixels: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), sRGB."""

Window: TypeAlias = NDArray[np.int16]
"""Shape (samples, channels), at `RATE_HZ`."""

RGB_BYTES = 3
STATED_LIMIT, RATE_LIMIT_HZ, CHANNELS_LIMIT = 65_535, 768_000, 64
"""No child states more of a file, as it refuses such files."""

CODEC = re.compile(r"[a-z0-9_]{1,40}")
CHANNELS_MAX = 2
TRUNCATED_SHARE, TRUNCATED_S = 0.01, 0.1
"""A sound counts as truncated if its header states more than this in addition to what was decoded."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: The picture, perhaps scaled down.
        kind: The kind of its file.
        original_width_px: The width that the file states, before the picture was turned upright.
        original_height_px: The height that the file states.
        frames: The number of frames of the file, of which this is the first.
    """

    pixels: Pixels
    kind: Kind
    original_width_px: int
    original_height_px: int
    frames: int


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of a sound when all of its windows have been passed on.

    Attributes:
        kind: The kind of its file.
        codec: The codec, such as `pcm_mulaw`.
        original_rate_hz: Samples per second of the file.
        original_channels: Channels of the file.
        duration_s: The length of what was decoded.
        damaged_packets: Packets that could not be decoded and were left out.
        is_truncated: Whether the header states more than could be decoded.
    """

    kind: Kind
    codec: str
    original_rate_hz: int
    original_channels: int
    duration_s: float
    damaged_packets: int
    is_truncated: bool


def receive_picture(child: DecodingProcess, request: Request) -> Picture:
    """Read the reply to a request for a picture.

    Raises:
        Refused: the child could not decode it.
        Died: the child has ended, or its reply is not valid.
        TimeIsUp: its time is over.
    """
    tag, body = child.receive(max(RGB_BYTES * request.side_px**2, MESSAGE_LIMIT_BYTES))
    _raise_if_failed(child, tag, body)
    done = child.message(PictureDone, child.receive(MESSAGE_LIMIT_BYTES)[1])
    shape = (done.height_px, done.width_px, RGB_BYTES)
    stated = (done.original_width_px, done.original_height_px, done.frames)
    is_plausible = min(shape) > 0 and max(shape) <= request.side_px and min(stated) > 0 and max(stated) <= STATED_LIMIT
    if tag is not Tag.PIXELS or not is_plausible or math.prod(shape) != len(body):
        raise child.mistrusted("sent a picture of another size than it states")
    pixels = np.frombuffer(body, np.uint8).reshape(shape)
    return Picture(pixels, Kind(request.kind), done.original_width_px, done.original_height_px, done.frames)


class SoundReceiver:
    """Reads the reply to a request for a sound, perhaps twice: what was passed on at the first time is skipped then.

    Args:
        take: Receives the windows.
    """

    def __init__(self, take: Callable[[Window], None]) -> None:
        self._take = take
        self._passed_on = 0

    def receive(self, child: DecodingProcess, request: Request) -> Sound:
        """Pass on the windows of a sound; return what is known of it then.

        Raises:
            Refused: the child could not decode it, or could not decode it to its end.
            Died: the child has ended, or its reply is not valid.
            TimeIsUp: its time is over.
        """
        channels, samples, is_last = 0, 0, False
        while True:
            tag, body = child.receive(WINDOW_S * RATE_HZ * SAMPLE_BYTES * CHANNELS_MAX)
            _raise_if_failed(child, tag, body)
            if tag is Tag.SOUND and not channels:
                channels = min(max(1, child.message(SoundDone, body).channels), request.channels)
            elif tag is Tag.WINDOW and channels and not is_last:
                window = _window(child, body, channels)
                is_last = len(window) < WINDOW_S * RATE_HZ
                samples += len(window)
                if samples > request.sound_s * RATE_HZ:
                    raise child.mistrusted("sent more sound than it may")
                if samples > self._passed_on:
                    self._passed_on = samples
                    self._take(window)
            elif tag is Tag.DONE:
                return _described(child, Kind(request.kind), child.message(SoundDone, body), samples / RATE_HZ)
            else:
                raise child.mistrusted("sent frames in another order than it should")


def _window(child: DecodingProcess, body: bytearray, channels: int) -> Window:
    if not body or len(body) % (SAMPLE_BYTES * channels):
        raise child.mistrusted("sent a window with a part of a sample")
    return np.frombuffer(body, np.int16).reshape(-1, channels)


def _described(child: DecodingProcess, kind: Kind, done: SoundDone, duration_s: float) -> Sound:
    is_plausible = 0 < done.original_rate_hz <= RATE_LIMIT_HZ and 0 < done.original_channels <= CHANNELS_LIMIT
    if not is_plausible or done.damaged_packets < 0 or CODEC.fullmatch(done.codec) is None:
        raise child.mistrusted("describes a sound that cannot be")
    least_s = duration_s * (1 + TRUNCATED_SHARE) + TRUNCATED_S
    is_truncated = done.claimed_s is not None and done.claimed_s > least_s
    return Sound(
        kind, done.codec, done.original_rate_hz, done.original_channels, duration_s, done.damaged_packets, is_truncated
    )


def _raise_if_failed(child: DecodingProcess, tag: Tag, body: bytearray) -> None:
    if tag is Tag.FAILED:
        raise Refused(child.message(Failed, body))
