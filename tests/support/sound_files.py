"""The parts that hostile sounds of all kinds need: a case, and small sounds as files of many kinds."""

import io
from dataclasses import dataclass

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from schemas.failures import FailureReason

Samples = NDArray[np.int16]
"""Shape (channels, samples)."""

UNREADABLE = FailureReason.MEDIA_UNREADABLE
WRONG_KIND = FailureReason.MEDIA_WRONG_KIND
RATE = 16_000
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
U32 = 2**32 - 1
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
WEB_ADDRESS, FILE_ADDRESS = b"http://127.0.0.1:9/x", b"file:///etc/passwd"


@dataclass(frozen=True, slots=True)
class SoundCase:
    """One sound file and what the decoder makes of it.

    Args:
        name: Words that no other case has.
        content: The file.
        reason: Why the decoder refuses it; None if it decodes.
        seconds: Length of the decoded sound; None if that is open.
        truncated: Whether the sound counts as shorter than its header says; None if that is open.
        tolerance_s: By how much the length may differ.
    """

    name: str
    content: bytes
    reason: FailureReason | None = None
    seconds: float | None = None
    truncated: bool | None = None
    tolerance_s: float = 0.15


def noise(count: int, channels: int = 1, seed: int = 15) -> Samples:
    """Return white noise, the same one for the same seed."""
    return np.random.default_rng(seed).integers(-9000, 9000, (channels, count), np.int16)


def tone(seconds: float, rate: int = RATE, channels: int = 1) -> Samples:
    """Return a tone of 440 Hz with a little noise, in all channels."""
    count = round(seconds * rate)
    wave = 8000 * np.sin(np.arange(count) * (2 * np.pi * 440 / rate)) + noise(count)[0] / 30
    return np.repeat(wave.astype(np.int16)[np.newaxis], channels, axis=0)


def encoded(sound: Samples, codec: str, container: str, rate: int = RATE, **options: str) -> bytes:
    """Return a file of a sound, the same bytes each time; options with an underscore in front are the container's."""
    output = io.BytesIO()
    of_container = {name[1:]: value for name, value in options.items() if name.startswith("_")}
    of_codec = {name: value for name, value in options.items() if not name.startswith("_")}
    with av.open(output, "w", format=container, options={"fflags": "+bitexact", **of_container}) as file:
        stream = file.add_stream(codec, rate=rate, options=of_codec, layout=LAYOUTS[len(sound)])
        assert isinstance(stream, av.AudioStream)
        _write(file, stream, sound)
    return output.getvalue()


def _write(file: OutputContainer, stream: av.AudioStream, sound: Samples) -> None:
    frame = av.AudioFrame.from_ndarray(sound, format="s16p", layout=LAYOUTS[len(sound)])
    frame.sample_rate, frame.pts = stream.rate, 0
    file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def movie(sound: Samples | None = None) -> bytes:
    """Return an MP4 file of a second of a grey video, and a sound beside it if there is one."""
    output = io.BytesIO()
    with av.open(output, "w", format="mp4", options={"fflags": "+bitexact"}) as file:
        video = file.add_stream("mpeg4", rate=10, options={"threads": "1"})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = None if sound is None else file.add_stream("aac", rate=RATE, layout="mono")
        for at in range(10):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * at, np.uint8), format="rgb24")
            picture.pts = at
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
        if sound is not None and isinstance(audio, av.AudioStream):
            _write(file, audio, sound)
    return output.getvalue()


def patched(content: bytes, at: int, new: bytes) -> bytes:
    """Return a content with some of its bytes replaced."""
    return content[:at] + new + content[at + len(new) :]
