"""Decoding of sounds by FFmpeg's libraries, within the child: from memory, with a fixed demuxer and fixed codecs."""

import wave
from collections.abc import Iterator
from io import BytesIO

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from shared.media.decoding.kinds import Kind
from shared.media.decoding.refusals import TooMuch, Unreadable
from shared.media.decoding.resampling import Resampler, check_form
from shared.media.decoding.wav import stated_share
from shared.media.decoding.wire import RATE_HZ, SAMPLE_BYTES, WINDOW_S, Request, SoundDone

DEMUXERS = {
    Kind.WAV: "wav",
    Kind.FLAC: "flac",
    Kind.OGG: "ogg",
    Kind.MP3: "mp3",
    Kind.M4A: "mov",
    Kind.AIFF: "aiff",
    Kind.AU: "au",
}

CODECS = (
    "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s8", "pcm_s16be", "pcm_s24be",
    "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_mulaw", "pcm_alaw", "adpcm_ms", "adpcm_ima_wav", "gsm_ms",
    "flac", "opus", "vorbis", "speex", "mp3float", "mp3", "aac", "alac",
)  # fmt: skip

OPTIONS = {
    "protocol_whitelist": "",  # nothing is opened by a name that the content states
    "codec_whitelist": ",".join(CODECS),
    "max_streams": "16",
}


def prepare_sounds() -> None:
    """Decode a sound, because nothing can be loaded later."""
    av.logging.set_level(None)
    written = BytesIO()
    with wave.open(written, "wb") as made:
        made.setparams((1, SAMPLE_BYTES, RATE_HZ, 0, "NONE", ""))
        made.writeframes(bytes(RATE_HZ))
    for _ in SoundReader(written.getvalue(), Request(Kind.WAV, 0, 0, 0, 0, WINDOW_S)).windows():
        pass


class SoundReader:
    """Decodes one sound, window by window.

    Args:
        content: The bytes of the file.
        request: The kind, the limits, and how many channels are wanted.
    """

    def __init__(self, content: bytes, request: Request) -> None:
        self._content, self._request = content, request
        self._damaged_packets = 0
        self.done: SoundDone | None = None

    def windows(self) -> Iterator[bytes]:
        """Yield the sound in windows of `WINDOW_S` seconds, the last one shorter: int16, channels interleaved.

        Raises:
            Unreadable: no sound can be decoded.
            TooMuch: the sound is longer than is allowed.
        """
        try:
            opened = av.open(
                BytesIO(self._content), "r", DEMUXERS[Kind(self._request.kind)], options=OPTIONS, buffer_size=1 << 16
            )
        except MemoryError:  # FFmpeg's error for a lack of memory is of both classes
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise Unreadable(f"the header cannot be read: {reason_of(error)}") from error
        with opened as container:
            stream = _audio_of(container)
            channels = 2 if stream.codec_context.channels == self._request.channels == 2 else 1
            self.done = self._described(stream, channels)
            yield from self._cut(self._frames(container, stream), channels)
            self.done = self._described(stream, channels)

    def _described(self, stream: AudioStream, channels: int) -> SoundDone:
        context = stream.codec_context
        claimed_s = float(stream.duration * (stream.time_base or 0)) if stream.duration else None
        if claimed_s is not None and self._request.kind == Kind.WAV:
            claimed_s *= stated_share(self._content)
        rate_hz, damaged = context.sample_rate, self._damaged_packets
        return SoundDone(context.name, rate_hz, context.channels, channels, damaged, claimed_s)

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
        """Yield the frames of a stream; a packet that cannot be decoded is counted and left out."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except av.error.FFmpegError:
                self._damaged_packets += 1
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except MemoryError:
                raise
            except av.error.EOFError:
                continue
            except av.error.FFmpegError:
                self._damaged_packets += 1

    def _cut(self, frames: Iterator[AudioFrame], channels: int) -> Iterator[bytes]:
        """Resample frames and cut them into windows."""
        sample_bytes = SAMPLE_BYTES * channels
        window_bytes, limit_bytes = WINDOW_S * RATE_HZ * sample_bytes, self._request.sound_s * RATE_HZ * sample_bytes
        total_bytes, held, resampler = 0, bytearray(), Resampler(channels)
        for samples in resampler.samples(frames):
            total_bytes += len(samples)
            if total_bytes > limit_bytes:
                raise TooMuch(f"it is longer than {self._request.sound_s:g} seconds")
            held += samples
            while len(held) >= window_bytes:
                yield bytes(held[:window_bytes])
                del held[:window_bytes]
        if not resampler.samples_read:
            raise Unreadable("it holds no sound that can be decoded")
        if held:
            yield bytes(held)


def reason_of(error: BaseException) -> str:
    """Return what FFmpeg says of an error, without the name of the file."""
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _audio_of(container: InputContainer) -> AudioStream:
    """Return the first stream of sound whose codec is allowed."""
    refused = []
    for stream in container.streams.audio:
        name = getattr(stream.codec_context, "name", "unknown")  # no context: FFmpeg has no decoder for it
        if name not in CODECS:
            refused.append(name)
            continue
        context = stream.codec_context
        check_form(context.channels, context.sample_rate)
        context.thread_count = 1  # each thread would hold frames, and a sound takes a fraction of a core
        return stream
    raise Unreadable(f"its codec is not allowed: {', '.join(refused)}" if refused else "it has no sound")
