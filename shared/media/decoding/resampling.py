"""Resampling of decoded sound to the form that Millrace works with, within the child."""

from collections.abc import Iterator

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from shared.media.decoding.refusals import Unreadable
from shared.media.decoding.wire import RATE_HZ, SAMPLE_BYTES

CHANNELS_MAX = 64
RATE_MAX_HZ = 768_000
"""The highest rate in use; beyond it, the resampler would take much time and memory."""


class Resampler:
    """Turns frames into int16 at `RATE_HZ`.

    Args:
        channels: 1 or 2; other numbers of channels are mixed to this number.
    """

    def __init__(self, channels: int) -> None:
        self._layout = "stereo" if channels == 2 else "mono"
        self._resampler: AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None
        self.samples_read = 0
        """Samples of the frames; very few of them may give no sample at another rate."""

    def samples(self, frames: Iterator[AudioFrame]) -> Iterator[bytes]:
        """Yield the samples of frames, the channels interleaved.

        Raises:
            Unreadable: a frame has a form that cannot be resampled.
        """
        for frame in frames:
            yield from self._begin(frame)
            self.samples_read += frame.samples
            frame.pts = None  # gaps in the time stamps are not filled
            yield from self._resampled(frame)
        yield from self._resampled(None)

    def _begin(self, frame: AudioFrame) -> Iterator[bytes]:
        """Take a new resampler if the sound changes its form on the way, as chained Ogg streams do."""
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            yield from self._resampled(None)
            check_form(frame.layout.nb_channels, frame.sample_rate)
            self._resampler, self._form = AudioResampler("s16", self._layout, RATE_HZ), form

    def _resampled(self, frame: AudioFrame | None) -> Iterator[bytes]:
        """Yield what the resampler makes of a frame; of None, what it still holds."""
        for made in self._resampler.resample(frame) if self._resampler is not None else ():
            size_bytes = made.samples * SAMPLE_BYTES * made.layout.nb_channels
            yield bytes(memoryview(made.planes[0])[:size_bytes])  # the buffer may be longer


def check_form(channels: int, rate_hz: int) -> None:
    """Refuse a number of channels or a rate that no recording has.

    Raises:
        Unreadable: they cannot be resampled.
    """
    if not 0 < channels <= CHANNELS_MAX or not 0 < rate_hz <= RATE_MAX_HZ:
        raise Unreadable(f"it states {channels} channels and {rate_hz} samples per second")
